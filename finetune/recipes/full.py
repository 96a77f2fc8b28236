"""Full fine-tuning: every weight of the model moves; the result is a model of its own, not an adapter.

It learns more than LoRA from much data, and forgets more (Biderman et al. 2024, arXiv:2405.09673). The learning rate is
about a tenth of LoRA's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.errors import RecipeError
from finetune.training.job import Job
from finetune.training.options import TrainingOptions, what_is_learned
from finetune.training.runs import Identity, whole_folder
from finetune.training.tracking import check_trackers

if TYPE_CHECKING:
    from finetune.training.loop import Outcome


@dataclass(frozen=True, slots=True)
class FullOptions:
    """Options of the recipe: those that all recipes share."""

    training: TrainingOptions = field(default_factory=lambda: TrainingOptions(learning_rate=1e-4, weight_decay=0.01))


class Full:
    """The recipe."""

    Options = FullOptions

    def __init__(self, job: Job, options: FullOptions) -> None:
        self.job, self.options = job, options

    def setup(self) -> None:
        """Check the options, read the base and the data, and let all weights move."""
        self._began = time.monotonic()
        if self.job.parent is not None:
            raise RecipeError("Full fine-tuning starts from a model, not from an adapter.", fix="Leave out --from.")
        check_trackers(self.options.training.tracking)
        self.base = self.job.load_base()
        self.data = self.job.prepare(self.base, self.options.training)
        identity = Identity("full", self.base.fingerprint, self.data.fingerprint, what_is_learned(self.options))
        self.run = self.job.open(identity, self.options.training, self.data.notes)
        self.model = self.base.model.requires_grad_(True)

    def train(self) -> Outcome:
        """Minimize the cross-entropy of the target tokens."""
        from finetune.training.branch_attention import attend_in_branches
        from finetune.training.loop import Trainee
        from finetune.training.objectives import packed

        training = self.options.training
        attend_in_branches(self.model)
        dev = packed(self.data.dev, training) if self.data.dev else None
        prompts, tokenizer = self.data.prompts, self.base.tokenizer
        trainee = Trainee(self.model, packed(self.data.train, training), dev, prompts=prompts, tokenizer=tokenizer)
        return self.job.fit(trainee, training, self.run, self._began)

    def save(self) -> Path:
        """Write the model as a checkpoint of transformers (safetensors) with its lineage.

        Raises:
            StorageError: the disk refused.
        """
        target = self.job.out / "model"
        with whole_folder(target, "model") as work:
            self.model.requires_grad_(False).save_pretrained(work)
            (work / "tokenizer.json").write_text(self.base.tokenizer.to_str(pretty=True), encoding="utf-8")
            (work / "chat_template.jinja").write_text(self.base.template, encoding="utf-8")
        return self.run.finish(target)
