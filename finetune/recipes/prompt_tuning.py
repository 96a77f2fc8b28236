"""Prompt tuning: a few learned embeddings in front of every prompt (Lester et al. 2021, arXiv:2104.08691).

The virtual tokens stand before the whole conversation, so sequences cannot share a row: each is fed alone, filled up to
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
class PromptTuningOptions:
    """Options of the recipe.

    Attributes:
        tokens: virtual tokens.
        text: whose embeddings they begin as, repeated as often as needed; empty for random ones.
        training: what all recipes share.
    """

    tokens: int = 16
    text: str = "You are a careful assistant. Read the request, then answer it or name the tool that it needs."
    training: TrainingOptions = field(default_factory=lambda: TrainingOptions(learning_rate=1e-2))

    def __post_init__(self) -> None:
        require(self.tokens > 0, "tokens", "must be above 0")
        require(self.tokens < self.training.context, "tokens", "must be below context")


class PromptTuning:
    """The recipe."""

    Options = PromptTuningOptions

    def __init__(self, job: Job, options: PromptTuningOptions) -> None:
        self.job, self.options = job, options

    def setup(self) -> None:
        """Check the options, read the base and the data, and put the virtual tokens before the base."""
        self._began = time.monotonic()
        check_trackers(self.options.training.tracking)
        parent = adapter_digest(self.job.parent)
        self.base = self.job.load_base()
        self.data = self.job.prepare(self.base, self.options.training)
        learned = what_is_learned(self.options)
        identity = Identity("prompt_tuning", self.base.fingerprint, self.data.fingerprint, learned, parent)
        self.run = self.job.open(identity, self.options.training, self.data.notes)
        self.model = self._prompted()

    def train(self) -> Outcome:
        """Minimize the cross-entropy of the target tokens."""
        from finetune.training.loop import Trainee
        from finetune.training.objectives import padded

        training, tokens = self.options.training, self.options.tokens
        # The model's outputs begin with those of the virtual tokens.
        objective = padded(self.data.train, training, virtual=tokens, shift=tokens)
        dev = padded(self.data.dev, training, virtual=tokens, shift=tokens) if self.data.dev else None
        prompts, tokenizer = self.data.prompts, self.base.tokenizer
        trainee = Trainee(self.model, objective, dev, prompts=prompts, tokenizer=tokenizer)
        return self.job.fit(trainee, training, self.run, self._began)

    def save(self) -> Path:
        """Write the embeddings as a PEFT adapter with their lineage."""
        return self.run.finish(write_adapter(self.model, self.job.out / "adapter", self.base))

    def _prompted(self) -> Any:
        import torch
        from peft import PromptTuningConfig

        torch.manual_seed(self.options.training.seed)
        model = adapted(
            self.base.model, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=self.options.tokens)
        )
        if self.job.parent is not None:
            check_parent(self.job.parent, self.base, "PROMPT_TUNING")
            load_weights(model, self.job.parent)
            return model
        ids = self.base.tokenizer.encode(self.options.text, add_special_tokens=False).ids
        if ids:
            wanted = [ids[place % len(ids)] for place in range(self.options.tokens)]
            embeddings: Any = self.base.model.get_input_embeddings().weight
            with torch.no_grad():
                model.prompt_encoder["default"].embedding.weight.copy_(embeddings[torch.tensor(wanted)])
        return model
