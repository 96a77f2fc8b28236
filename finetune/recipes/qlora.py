"""QLoRA: LoRA on a base in 4-bit NormalFloat (Dettmers et al. 2023, arXiv:2305.14314).

For models that are too large for a GPU otherwise. It needs CUDA and bitsandbytes; elsewhere `lora` is the recipe, whose
base is quantized already.
"""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.errors import RecipeError
from finetune.training.adapter_files import adapter_digest, write_adapter
from finetune.training.job import Job
from finetune.training.low_rank import ALL_LINEAR, continued, put_lora
from finetune.training.options import TrainingOptions, require, what_is_learned
from finetune.training.runs import Identity
from finetune.training.tracking import check_trackers

if TYPE_CHECKING:
    from finetune.training.base_model import BaseModel
    from finetune.training.loop import Outcome


@dataclass(frozen=True, slots=True)
class QLoraOptions:
    """Options of the recipe; as those of `lora`.

    Attributes:
        rank: of the corrections.
        alpha: their scale is alpha / rank (rsLoRA: alpha / √rank).
        rslora: scale by the root of the rank.
        loraplus: B's learning rate over A's.
        targets: names of the adapted layers; "all-linear" for all but the head.
        double: quantize the constants of the quantization, too.
        training: what all recipes share.
    """

    rank: int = 16
    alpha: float = 32.0
    rslora: bool = False
    loraplus: float = 1.0
    targets: tuple[str, ...] = ALL_LINEAR
    double: bool = True
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(learning_rate=2e-4, gradient_checkpointing=True)
    )

    def __post_init__(self) -> None:
        require(self.rank > 0, "rank", "must be above 0")
        require(self.alpha > 0, "alpha", "must be above 0")
        require(self.loraplus >= 1, "loraplus", "is a ratio of 1 or more")


def check_machine() -> None:
    """Refuse a machine that cannot do it.

    Raises:
        RecipeError: there is no CUDA device, or bitsandbytes is not installed.
    """
    import torch

    missing = "" if torch.cuda.is_available() else "a CUDA device"
    missing = missing or ("" if importlib.util.find_spec("bitsandbytes") else "the package bitsandbytes")
    if missing:
        raise RecipeError(
            f"qlora needs {missing}, which is not here.",
            kept="Nothing was trained.",
            fix="Take the recipe lora: its base is the quantized model that is served, and it runs anywhere.",
        )


class QLora:
    """The recipe."""

    Options = QLoraOptions

    def __init__(self, job: Job, options: QLoraOptions) -> None:
        self.job, self.options = job, options

    def setup(self) -> None:
        """Check the machine and the options, read the data, and put LoRA on the base in four bits."""
        check_machine()

        self._began = time.monotonic()
        check_trackers(self.options.training.tracking)
        parent = adapter_digest(self.job.parent)
        self.options = continued(self.options, self.job.parent)
        self.base = self.job.load_base()
        self.data = self.job.prepare(self.base, self.options.training)
        learned = what_is_learned(self.options)
        identity = Identity("qlora", self.base.fingerprint, self.data.fingerprint, learned, parent)
        self.run = self.job.open(identity, self.options.training, self.data.notes)
        shape = {"r": self.options.rank, "lora_alpha": self.options.alpha, "use_rslora": self.options.rslora}
        base = replace(self.base, model=_in_four_bits(self.base, self.options))
        self.model = put_lora(base, self.job.parent, self.options.training.seed, shape, self.options.targets)

    def train(self) -> Outcome:
        """Minimize the cross-entropy of the target tokens."""
        from finetune.training.loop import Trainee
        from finetune.training.objectives import packed

        training = self.options.training
        dev = packed(self.data.dev, training) if self.data.dev else None
        rates, prompts = {"lora_B": self.options.loraplus}, self.data.prompts
        trainee = Trainee(self.model, packed(self.data.train, training), dev, rates, prompts, self.base.tokenizer)
        return self.job.fit(trainee, training, self.run, self._began)

    def save(self) -> Path:
        """Write the corrections as a PEFT adapter with their lineage."""
        return self.run.finish(write_adapter(self.model, self.job.out / "adapter", self.base))


def _in_four_bits(base: BaseModel, options: QLoraOptions) -> Any:
    import torch
    from peft import prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantization = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=options.double,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32,
    )
    model = AutoModelForCausalLM.from_pretrained(
        str(base.model.name_or_path), quantization_config=quantization, attn_implementation="sdpa"
    )
    return prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]
        model, use_gradient_checkpointing=options.training.gradient_checkpointing
    )
