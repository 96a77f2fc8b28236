"""KTO: learning from lone thumbs, without pairs (Ethayarajh et al. 2024, arXiv:2402.01306).

LoRA on the frozen base. The reference is the model as it is before the first step: the base, or the base with the
adapter that the run starts from. What it makes of each reply is computed once, so that no second model is needed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.errors import DatasetError
from finetune.training.adapter_files import adapter_digest, write_adapter
from finetune.training.job import Job
from finetune.training.low_rank import continued, put_lora
from finetune.training.options import TrainingOptions, require, what_is_learned
from finetune.training.runs import Identity
from finetune.training.tracking import check_trackers

if TYPE_CHECKING:
    from finetune.training.loop import Outcome


@dataclass(frozen=True, slots=True)
class KtoOptions:
    """Options of the recipe.

    Attributes:
        rank: of LoRA's corrections.
        alpha: their scale is alpha / rank.
        beta: how closely the model is held to the reference; lower lets it go further.
        desirable: weight of wanted replies; None: such that they count as much as the unwanted ones in all.
        undesirable: weight of unwanted ones, likewise; the paper advises weights times counts within 1:1 to 4:3.
        together: replies that are fed together and compared with each other.
        training: what all recipes share; `step_targets` counts replies.
    """

    rank: int = 16
    alpha: float = 32.0
    beta: float = 0.1
    desirable: float | None = None
    undesirable: float | None = None
    together: int = 4
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(learning_rate=1e-4, epochs=3, step_targets=16)
    )

    def __post_init__(self) -> None:
        require(self.rank > 0, "rank", "must be above 0")
        for name in ("alpha", "beta", "desirable", "undesirable"):
            value = getattr(self, name)
            require(value is None or value > 0, name, "must be above 0")
        require(self.together > 1, "together", "must be 2 or more")


class Kto:
    """The recipe; it learns from examples that hold a `label`."""

    Options = KtoOptions

    def __init__(self, job: Job, options: KtoOptions) -> None:
        self.job, self.options = job, options

    def setup(self) -> None:
        """Check the options, read the base and the verdicts, and put LoRA on the base."""
        from finetune.training.formatting import Renderer
        from finetune.training.objectives import data_fingerprint
        from finetune.training.preferences import gather_thumbs

        self._began = time.monotonic()
        training, examples = self.options.training, self.job.splits
        check_trackers(training.tracking)
        parent = adapter_digest(self.job.parent)
        self.options = continued(self.options, self.job.parent)
        self.base = self.job.load_base()
        notes: list[str] = []
        renderer, limit = Renderer.of(self.base), min(training.context, self.base.context)
        self.thumbs = gather_thumbs(renderer, examples.train, limit, notes)
        self.dev_thumbs = gather_thumbs(renderer, examples.dev, limit, [])
        if len(self.thumbs) < 2:
            raise DatasetError(
                f"Only {len(self.thumbs)} of the {len(examples.train):,} examples holds a verdict and fits.",
                kept="Nothing was trained.",
                fix="Give examples a `label`, true or false: two are the least.",
            )
        data = data_fingerprint(examples.train)
        identity = Identity("kto", self.base.fingerprint, data, what_is_learned(self.options), parent)
        self.run = self.job.open(identity, training, notes)
        shape = {"r": self.options.rank, "lora_alpha": self.options.alpha}
        self.model = put_lora(self.base, self.job.parent, training.seed, shape)

    def train(self) -> Outcome:
        """Minimize the loss of KTO."""
        from finetune.training.loop import Trainee
        from finetune.training.objectives import prompts_of
        from finetune.training.preferences import DEV_REFERENCE, REFERENCE, balanced, kto, thumb_units, with_reference

        training, options, folder = self.options.training, self.options, self.job.out
        precision = self.run.record["precision"]
        units = with_reference(self.model, thumb_units(self.thumbs, options.together), folder / REFERENCE, precision)
        dev = with_reference(
            self.model, thumb_units(self.dev_thumbs, options.together), folder / DEV_REFERENCE, precision
        )
        wanted, unwanted = balanced([verdict for _, verdict in self.thumbs])
        weights = options.beta, options.desirable or wanted, options.undesirable or unwanted
        objective, dev_objective = kto(units, *weights), kto(dev, *weights) if dev else None
        prompts = prompts_of([reply for reply, _ in self.dev_thumbs or self.thumbs], training.samples)
        trainee = Trainee(self.model, objective, dev_objective, prompts=prompts, tokenizer=self.base.tokenizer)
        return self.job.fit(trainee, training, self.run, self._began)

    def save(self) -> Path:
        """Write the corrections as a PEFT adapter with their lineage."""
        return self.run.finish(write_adapter(self.model, self.job.out / "adapter", self.base))
