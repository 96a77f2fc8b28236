"""Prefix tuning: learned keys and values that every layer sees before the prompt (Li & Liang 2021, arXiv:2101.00190).

They stand in the cache before the whole conversation, so sequences cannot share a row: each is fed alone, filled up to
the length of its batch. llama.cpp cannot serve them; they are for transformers.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.training.adapter_files import adapted, adapter_digest, check_parent, load_weights, write_adapter
from finetune.training.job import Job
from finetune.training.options import TrainingOptions, require, what_is_learned
from finetune.training.runs import Identity
from finetune.training.tracking import check_trackers

if TYPE_CHECKING:
    from finetune.training.loop import Outcome


@dataclass(frozen=True, slots=True)
class PrefixTuningOptions:
    """Options of the recipe.

    Attributes:
        tokens: virtual tokens.
        spread: standard deviation of the keys and values at the start; as large as those of words, they would drown
            them.
        training: what all recipes share.
    """

    tokens: int = 16
    spread: float = 0.02
    training: TrainingOptions = field(default_factory=lambda: TrainingOptions(learning_rate=1e-2))

    def __post_init__(self) -> None:
        require(self.tokens > 0, "tokens", "must be above 0")
        require(self.tokens < self.training.context, "tokens", "must be below context")
        require(self.spread >= 0, "spread", "cannot be negative")
        require(
            not self.training.gradient_checkpointing, "gradient_checkpointing", "cannot be used: it needs the cache"
        )


class PrefixTuning:
    """The recipe."""

    Options = PrefixTuningOptions

    def __init__(self, job: Job, options: PrefixTuningOptions) -> None:
        self.job, self.options = job, options

    def setup(self) -> None:
        """Check the options, read the base and the data, and put the prefix before the base."""
        self._began = time.monotonic()
        check_trackers(self.options.training.tracking)
        parent = adapter_digest(self.job.parent)
        self.base = self.job.load_base()
        self.data = self.job.prepare(self.base, self.options.training)
        learned = what_is_learned(self.options)
        identity = Identity("prefix_tuning", self.base.fingerprint, self.data.fingerprint, learned, parent)
        self.run = self.job.open(identity, self.options.training, self.data.notes)
        self.model = self._prefixed()

    def train(self) -> Outcome:
        """Minimize the cross-entropy of the target tokens."""
        from finetune.training.loop import Trainee
        from finetune.training.objectives import padded

        training, tokens = self.options.training, self.options.tokens
        # The prefix is in the cache: there are no outputs for it.
        objective = padded(self.data.train, training, virtual=tokens, shift=0)
        dev = padded(self.data.dev, training, virtual=tokens, shift=0) if self.data.dev else None
        prompts, tokenizer = self.data.prompts, self.base.tokenizer
        trainee = Trainee(self.model, objective, dev, prompts=prompts, tokenizer=tokenizer)
        return self.job.fit(trainee, training, self.run, self._began)

    def save(self) -> Path:
        """Write keys and values as a PEFT adapter with their lineage."""
        return self.run.finish(write_adapter(self.model, self.job.out / "adapter", self.base))

    def _prefixed(self) -> Any:
        import torch
        from peft import PrefixTuningConfig

        torch.manual_seed(self.options.training.seed)
        model = adapted(
            self.base.model, PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=self.options.tokens)
        )
        if self.job.parent is not None:
            check_parent(self.job.parent, self.base, "PREFIX_TUNING")
            load_weights(model, self.job.parent)
        else:
            torch.nn.init.normal_(model.prompt_encoder["default"].embedding.weight, std=self.options.spread)
        return model
