"""DPO: learning from pairs of replies of which one is preferred (Rafailov et al. 2023, arXiv:2305.18290).

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
class DpoOptions:
    """Options of the recipe.

    Attributes:
        rank: of LoRA's corrections.
        alpha: their scale is alpha / rank.
        beta: how closely the model is held to the reference; lower lets it go further.
        likelihood: weight of a term that keeps the preferred replies likely, which DPO alone does not.
        training: what all recipes share; `step_targets` counts pairs.
    """

    rank: int = 16
    alpha: float = 32.0
    beta: float = 0.1
    likelihood: float = 0.0
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(learning_rate=1e-4, epochs=3, step_targets=16, pack_tokens=2048)
    )

    def __post_init__(self) -> None:
        require(self.rank > 0, "rank", "must be above 0")
        require(self.alpha > 0, "alpha", "must be above 0")
        require(self.beta > 0, "beta", "must be above 0")
        require(self.likelihood >= 0, "likelihood", "cannot be negative")


class Dpo:
    """The recipe; it learns from examples that hold a `rejected` message."""

    Options = DpoOptions

    def __init__(self, job: Job, options: DpoOptions) -> None:
        self.job, self.options = job, options

    def setup(self) -> None:
        """Check the options, read the base and the pairs, and put LoRA on the base."""
        from finetune.training.formatting import Renderer
        from finetune.training.objectives import data_fingerprint
        from finetune.training.preferences import gather_pairs

        self._began = time.monotonic()
        training, examples = self.options.training, self.job.splits
        check_trackers(training.tracking)
        parent = adapter_digest(self.job.parent)
        self.options = continued(self.options, self.job.parent)
        self.base = self.job.load_base()
        notes: list[str] = []
        renderer, limit = Renderer.of(self.base), min(training.context, self.base.context)
        self.pairs = gather_pairs(renderer, examples.train, limit, notes)
        self.dev_pairs = gather_pairs(renderer, examples.dev, limit, [])
        if not self.pairs:
            raise DatasetError(
                f"None of the {len(examples.train):,} examples holds a pair of replies that differ and fit.",
                kept="Nothing was trained.",
                fix="Give examples a `rejected` message, or take the recipe kto for lone thumbs.",
            )
        data = data_fingerprint(examples.train)
        identity = Identity("dpo", self.base.fingerprint, data, what_is_learned(self.options), parent)
        self.run = self.job.open(identity, training, notes)
        shape = {"r": self.options.rank, "lora_alpha": self.options.alpha}
        self.model = put_lora(self.base, self.job.parent, training.seed, shape)

    def train(self) -> Outcome:
        """Minimize the loss of DPO."""
        from finetune.training.loop import Trainee
        from finetune.training.objectives import prompts_of
        from finetune.training.preferences import DEV_REFERENCE, REFERENCE, dpo, pair_units, with_reference

        training, options, folder = self.options.training, self.options, self.job.out
        precision = self.run.record["precision"]
        units = with_reference(self.model, pair_units(self.pairs, training.pack_tokens), folder / REFERENCE, precision)
        dev = with_reference(
            self.model, pair_units(self.dev_pairs, training.pack_tokens), folder / DEV_REFERENCE, precision
        )
        objective = dpo(units, options.beta, options.likelihood)
        dev_objective = dpo(dev, options.beta, options.likelihood) if dev else None
        prompts = prompts_of([preferred for preferred, _ in self.dev_pairs or self.pairs], training.samples)
        trainee = Trainee(self.model, objective, dev_objective, prompts=prompts, tokenizer=self.base.tokenizer)
        return self.job.fit(trainee, training, self.run, self._began)

    def save(self) -> Path:
        """Write the corrections as a PEFT adapter with their lineage."""
        return self.run.finish(write_adapter(self.model, self.job.out / "adapter", self.base))
