"""LoRA: a low-rank correction of each linear layer, in a few megabytes (Hu et al. 2021, arXiv:2106.09685).

The base is the dequantized GGUF that will be served, so that adapter and served weights agree (as in QLoRA, Dettmers et
al. 2023, arXiv:2305.14314). Options: rsLoRA's scale α/√r (Kalajdzievski 2023, arXiv:2312.03732), DoRA's magnitudes (Liu
et al. 2024, arXiv:2402.09353), LoRA+'s higher learning rate for B (Hayou et al. 2024, arXiv:2402.12354).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.training.adapter_files import adapter_digest, write_adapter
from finetune.training.job import Job
from finetune.training.low_rank import ALL_LINEAR, continued, put_lora
from finetune.training.options import TrainingOptions, require, what_is_learned
from finetune.training.runs import Identity
from finetune.training.tracking import check_trackers

if TYPE_CHECKING:
    from finetune.training.loop import Outcome


@dataclass(frozen=True, slots=True)
class LoraOptions:
    """Options of the recipe.

    Attributes:
        rank: of the corrections.
        alpha: their scale is alpha / rank (rsLoRA: alpha / √rank).
        rslora: scale by the root of the rank, which keeps high ranks learning.
        dora: learn magnitude and direction apart; about twice as slow, and it must be merged to be served.
        loraplus: B's learning rate over A's; LoRA+ takes 4 to 16.
        targets: names of the adapted layers; "all-linear" for all but the head.
        dropout: share of inputs of the corrections dropped in training.
        training: what all recipes share.
    """

    rank: int = 16
    alpha: float = 32.0
    rslora: bool = False
    dora: bool = False
    loraplus: float = 1.0
    targets: tuple[str, ...] = ALL_LINEAR
    dropout: float = 0.0
    training: TrainingOptions = field(default_factory=TrainingOptions)

    def __post_init__(self) -> None:
        require(self.rank > 0, "rank", "must be above 0")
        require(self.alpha > 0, "alpha", "must be above 0")
        require(self.loraplus >= 1, "loraplus", "is a ratio of 1 or more")
        require(bool(self.targets), "targets", "must name a layer")
        require(0 <= self.dropout < 1, "dropout", "is a share, from 0 to below 1")


class Lora:
    """The recipe."""

    Options = LoraOptions

    def __init__(self, job: Job, options: LoraOptions) -> None:
        self.job, self.options = job, options

    def setup(self) -> None:
        """Check the options, read the base and the data, and put fresh (or the parent's) corrections on the base."""
        self._began = time.monotonic()
        check_trackers(self.options.training.tracking)
        parent = adapter_digest(self.job.parent)
        self.options = continued(self.options, self.job.parent)
        self.base = self.job.load_base()
        self.data = self.job.prepare(self.base, self.options.training)
        identity = Identity("lora", self.base.fingerprint, self.data.fingerprint, what_is_learned(self.options), parent)
        self.run = self.job.open(identity, self.options.training, self.data.notes)
        shape = {
            "r": self.options.rank,
            "lora_alpha": self.options.alpha,
            "use_rslora": self.options.rslora,
            "use_dora": self.options.dora,
            "lora_dropout": self.options.dropout,
        }
        self.model = put_lora(self.base, self.job.parent, self.options.training.seed, shape, self.options.targets)

    def train(self) -> Outcome:
        """Minimize the cross-entropy of the target tokens."""
        from finetune.training.branch_attention import attend_in_branches
        from finetune.training.fused_lora import fuse
        from finetune.training.loop import Trainee
        from finetune.training.objectives import packed

        training = self.options.training
        attend_in_branches(self.model)
        if self.run.record["precision"] == "fp32":  # it does not follow automatic casts
            fuse(self.model)
        trainee = Trainee(
            self.model,
            packed(self.data.train, training),
            packed(self.data.dev, training) if self.data.dev else None,
            {"lora_B": self.options.loraplus},
            self.data.prompts,
            self.base.tokenizer,
        )
        return self.job.fit(trainee, training, self.run, self._began)

    def save(self) -> Path:
        """Write the corrections as a PEFT adapter with their lineage."""
        return self.run.finish(write_adapter(self.model, self.job.out / "adapter", self.base))
