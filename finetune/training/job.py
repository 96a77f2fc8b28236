"""What a recipe is given: data, a base model, a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finetune.schema import DatasetSplits
    from finetune.training.base_model import BaseModel
    from finetune.training.objectives import Prepared
    from finetune.training.options import TrainingOptions
    from finetune.training.progress import Progress


@dataclass(frozen=True, slots=True)
class Job:
    """A training task.

    Attributes:
        splits: what to learn from (train) and to measure on (dev).
        out: folder of the run.
        base: a GGUF file, or a model that has been read; None for the bundled model.
        parent: folder of an adapter to start from; None to start from the base model.
        on_progress: told after each step.
        on_note: told what people should know: examples left out, a run continued.
    """

    splits: DatasetSplits
    out: Path
    base: Path | BaseModel | None = None
    parent: Path | None = None
    on_progress: Callable[[Progress], None] | None = None
    on_note: Callable[[str], None] = lambda note: None

    def load_base(self) -> BaseModel:
        """The base model; see `finetune.training.base_model.load_base`."""
        from finetune.training.base_model import load_base

        if self.base is None or isinstance(self.base, Path):
            return load_base(self.base)
        return self.base

    def prepare(self, base: BaseModel, options: TrainingOptions) -> Prepared:
        """The examples as token sequences; see `finetune.training.objectives.prepare`."""
        from finetune.training.objectives import prepare

        return prepare(base, self.splits, options)
