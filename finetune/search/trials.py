"""Trials of a search on one base and one set of prepared data, both read once."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from finetune.errors import DatasetError, RecipeError
from finetune.recipes import build
from finetune.search.study import POINTS
from finetune.training.adapter_files import adapter_digest
from finetune.training.job import Job

if TYPE_CHECKING:
    from finetune.schema import TokenSequence
    from finetune.search.study import Trial
    from finetune.training.base_model import BaseModel
    from finetune.training.objectives import Prepared
    from finetune.training.options import TrainingOptions
    from finetune.training.progress import OnProgress, Progress

# Their base stays as it is. Others (full fine-tuning, recipes of other packages) get weights of their own.
_FREEZING = frozenset({"lora", "qlora", "prompt_tuning", "prefix_tuning", "dpo", "kto"})
# A trial is measured often enough to be pruned, and on little enough that it is mostly trained.
_TRIAL_OPTIONS: dict[str, Any] = {"dev_times": POINTS, "dev_tokens": 4096, "checkpoint_seconds": 60.0}


@dataclass(slots=True)
class Shared:
    """What trials have in common.

    Attributes:
        frozen: whether the recipe leaves the base's weights alone, so that all trials may use the same ones.
    """

    frozen: bool
    base: BaseModel | None = None
    prepared: dict[tuple[int, int], Prepared] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SharedJob(Job):
    """A job whose base and data are read by the first trial and used by all."""

    shared: Shared = field(default_factory=lambda: Shared(frozen=False))

    def load_base(self) -> BaseModel:
        """The base with modules of its own, which a recipe may wrap, over the shared weights."""
        if self.shared.base is None:
            self.shared.base = Job.load_base(self)
        base = self.shared.base
        model: Any = base.model
        weights = {id(one): one for one in model.parameters()} if self.shared.frozen else {}
        return replace(base, model=copy.deepcopy(model, weights))

    def prepare(self, base: BaseModel, options: TrainingOptions) -> Prepared:
        """The token sequences; of those for development, the same few for all trials, however they are packed.

        Raises:
            DatasetError: none is left to measure on.
        """
        key = options.context, options.samples
        if key not in self.shared.prepared:
            prepared = Job.prepare(self, base, options)
            if not prepared.dev:
                raise _unmeasured()
            self.shared.prepared[key] = replace(prepared, dev=spread(prepared.dev, options.dev_tokens))
            return self.shared.prepared[key]
        return replace(self.shared.prepared[key], notes=[])  # the notes were told at the first trial


class Trials:
    """Runs trials of a recipe; an objective for `Search.run`."""

    def __init__(self, recipe: str, job: Job, fixed: Mapping[str, Any], on_progress: OnProgress | None = None) -> None:
        given = {name: getattr(job, name) for name in ("splits", "out", "base", "parent", "on_note")}
        self._job = SharedJob(**given, shared=Shared(recipe in _FREEZING))
        self._recipe, self._options = recipe, _TRIAL_OPTIONS | dict(fixed)
        self._show = on_progress or (lambda now: None)

    def __call__(self, trial: Trial) -> float:
        """Train with the trial's options; returns the loss on development data, in nats per target.

        Raises:
            TrainingPruned, TrainingDiverged, TrainingInterrupted, RecipeError: as the recipe does.
        """
        import torch

        job = replace(self._job, out=trial.folder, on_progress=_watching(trial, self._show))
        try:
            recipe = build(self._recipe, job, self._options | trial.values)
            recipe.setup()
            dev_loss = recipe.train().dev_loss
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise RecipeError("It does not fit into memory.", fix="Search smaller values.") from error
        finally:
            recipe = None  # type: ignore[assignment]
            gc.collect()  # modules and their hooks refer to each other
        if dev_loss is None:
            raise _unmeasured()
        return dev_loss


def subject(job: Job) -> dict[str, str]:
    """SHA-256 of what is trained on what, by which a search knows itself again.

    Raises:
        ModelNotFound, AdapterMissing, AdapterInvalid: the base or the parent cannot be used.
    """
    from pathlib import Path

    from agent.config import load_settings
    from finetune.training.base_model import fingerprint_of, served_model
    from finetune.training.objectives import data_fingerprint

    if job.base is None or isinstance(job.base, Path):
        base = fingerprint_of(job.base or served_model(load_settings().models_folder))
    else:
        base = job.base.fingerprint
    data = data_fingerprint((*job.splits.train, *job.splits.dev))
    return {"base": base, "data": data, "parent": adapter_digest(job.parent)}


def spread(sequences: list[TokenSequence], most: int) -> list[TokenSequence]:
    """Some sequences, spread evenly, of at most so many tokens together (one at the least)."""
    total = sum(len(one.ids) for one in sequences)
    number = len(sequences) if total <= most else max(1, len(sequences) * most // total)
    chosen = [sequences[place * len(sequences) // number] for place in range(number)]
    while len(chosen) > 1 and sum(len(one.ids) for one in chosen) > most:
        chosen.pop()
    return chosen


def _watching(trial: Trial, show: OnProgress) -> Callable[[Progress], None]:
    """Reports each measurement once, at the share of the run at which it was made."""
    share, last = 0.0, None

    def on_progress(now: Progress) -> None:
        nonlocal share, last
        show(now)
        if now.dev_loss is not None and now.dev_loss != last:
            last = now.dev_loss
            trial.report(now.dev_loss, int(share * POINTS))  # what is new was measured after the step before
        share = now.share

    return on_progress


def _unmeasured() -> DatasetError:
    return DatasetError(
        "No development example can be measured, so trials cannot be compared.",
        kept="No trial was begun.",
        fix="Build the data set with a development part: a folder with train.jsonl and dev.jsonl.",
    )
