"""What a recipe is given: data, a base model, a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.errors import DatasetError

if TYPE_CHECKING:
    from finetune.schema import DatasetSplits, Example
    from finetune.training.base_model import BaseModel
    from finetune.training.loop import Outcome, Trainee
    from finetune.training.objectives import Prepared
    from finetune.training.options import TrainingOptions
    from finetune.training.progress import Progress
    from finetune.training.runs import Identity, Run


def check_examples(examples: Sequence[Example]) -> None:
    """Refuse data that nothing can be learned from.

    Raises:
        DatasetError: there are fewer than two examples, none has a message of the assistant, or all are the same.
    """
    if len(examples) < 2:
        raise DatasetError(
            f"The data set has {'a single' if examples else 'no'} example to train on.",
            kept="Nothing was trained.",
            fix="Collect more: some dozens are the least that a model learns from.",
        )
    if not any(message.get("role") == "assistant" for example in examples for message in example.messages):
        raise DatasetError(
            f"None of the {len(examples):,} examples has an assistant's message, which is what a model learns.",
            kept="Nothing was trained.",
            fix="Give each example what the assistant should say.",
        )
    first = _content(examples[0])
    if all(_content(example) == first for example in examples[1:]):
        raise DatasetError(
            f"All {len(examples):,} examples to train on say the same; a model could only learn to repeat it.",
            kept="Nothing was trained.",
            fix="Give examples that differ: some dozens are the least that a model learns from.",
        )


def _content(example: Example) -> str:
    """What an example teaches, wherever it comes from; case and spacing make no difference."""
    line = {key: value for key, value in example.to_json().items() if key not in ("source", "group")}
    return " ".join(json.dumps(line, sort_keys=True, ensure_ascii=False).split()).casefold()


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
        """The base model, once it is known that there is something to learn; see `base_model.load_base`.

        Raises:
            DatasetError: as `check_examples`.
        """
        from finetune.training.base_model import load_base

        check_examples(self.splits.train)
        if self.base is None or isinstance(self.base, Path):
            return load_base(self.base)
        return self.base

    def prepare(self, base: BaseModel, options: TrainingOptions) -> Prepared:
        """The examples as token sequences; see `finetune.training.objectives.prepare`."""
        from finetune.training.objectives import prepare

        return prepare(base, self.splits, options)

    def open(self, identity: Identity, options: TrainingOptions, notes: Iterable[str] = ()) -> Run:
        """The run in the folder, begun or gone on with, on the terms it began on; the notes are told.

        Raises:
            RecipeError, BaseMismatch: the folder holds another run, or Accelerate was told to do what cannot be done.
            StorageError: the disk refuses.
        """
        from finetune.training.hardware import only_first_opens, settle
        from finetune.training.runs import open_run
        from finetune.training.sharding import check_launch

        def opened() -> Run:
            run = open_run(self.out, identity)
            settle(run, options, self.on_note)
            return run

        check_launch(options)
        run = only_first_opens(opened)  # and settles what all compute with
        for note in notes:
            self.on_note(note)
        return run

    def fit(self, trainee: Trainee, options: TrainingOptions, run: Run, began: float) -> Outcome:
        """Train, tracked as the options say; the outcome is noted in the run.

        Args:
            trainee: what is trained, on what.
            options: how.
            run: the run's folder.
            began: `time.monotonic()` when the recipe began.

        Raises:
            TrainingDiverged, TrainingInterrupted, StorageError: see `finetune.training.loop.fit`.
        """
        from finetune.training.hardware import is_main
        from finetune.training.loop import fit
        from finetune.training.tracking import tracked

        with tracked(run, options.tracking if is_main() else ()) as trackers:
            outcome = fit(trainee, options, run, trackers=trackers, on_progress=self.on_progress, began=began)
        if is_main():  # one that is late must not write over what the first has noted since
            run.note(outcome=asdict(outcome))
        return outcome
