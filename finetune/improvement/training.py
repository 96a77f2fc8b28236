"""The recipe, in the time that is given; and whether the result answers alike in both runtimes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.training.installed import check_torch, share_cores
from knowledge.llama import threads_ended

if TYPE_CHECKING:
    from finetune.improvement.options import ImproveOptions
    from finetune.schema import DatasetSplits, Example
    from finetune.training.base_model import BaseModel
    from finetune.training.job import Job
    from finetune.training.progress import Progress

_CHECKED, _CHECKED_TOKENS = 10, 12  # prompts, and tokens of each answer, that both runtimes are compared by
_ALIKE = 0.6  # share that must be; a mistaken conversion leaves next to none, rounding takes some
_PREFERENCES = 1 / 3  # of the time, where corrections train as pairs, too
KEPT = 0.6  # of the way from what is served to what was learned: see docs/decisions/016-learning-little-by-little.md
_FIGURES = ("steps", "loss", "seconds", "tokens")
_ENDED = {"time": "The time was up before the data was.", "data": "All of the data was learned from as often as asked."}


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be trained.

    Attributes:
        splits: what to learn from.
        out: folder of the training runs, which go on after an interruption.
        base: the GGUF file of the model.
        parent: folder of the adapter to go on from; None for the bare model.
        options: of the loop.
        on_progress: told after each step.
        on_note: told what people should know.
    """

    splits: DatasetSplits
    out: Path
    base: Path
    parent: Path | None
    options: ImproveOptions
    on_progress: Callable[[Progress], None] = lambda progress: None
    on_note: Callable[[str], None] = lambda note: None


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of it: PEFT's folder, what the recipe was told, and figures."""

    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


Trainer = Callable[[Task], Trained]
Checker = Callable[[Path, Path, Path, Sequence["Example"]], str]


@threads_ended()
def train(task: Task) -> Trained:
    """Train with the recipe that was chosen, and then on pairs where that was asked for.

    Raises:
        RecipeError: PyTorch is missing, or an option is unknown.
        TrainingInterrupted: Ctrl-C or SIGTERM; a checkpoint was written.
        FinetuneError: as the recipe.
    """
    from finetune.schema import DatasetSplits
    from finetune.training.job import Job

    check_torch()
    share_cores()
    options, splits = task.options, task.splits
    pairs = tuple(example for example in splits.train if example.rejected is not None) if options.preferences else ()
    told = options.training(1 - _PREFERENCES if len(pairs) > 1 else 1)
    job = Job(splits, task.out / "learn", task.base, task.parent, task.on_progress, task.on_note)
    folder, outcome = _run(options.recipe, job, told)
    if len(pairs) > 1:
        # A pair moves what is likelier, and takes smaller steps than an example to imitate.
        chosen = options.training(_PREFERENCES) | {"learning_rate": 5e-5, "step_targets": 8}
        known = {name: value for name, value in chosen.items() if name not in options.settings}
        job = replace(job, splits=DatasetSplits(pairs), out=task.out / "prefer", parent=folder)
        folder, preferred = _run("dpo", job, known)
        outcome = outcome | {"seconds": outcome.get("seconds", 0.0) + preferred.get("seconds", 0.0)}
    figures: dict[str, float] = {name: float(outcome[name]) for name in _FIGURES if name in outcome}
    if task.parent is None:
        return Trained(folder, told, figures)
    return Trained(part_of_the_way(task.parent, folder, task.out / "kept"), told | {"kept": KEPT}, figures)


def part_of_the_way(parent: Path, learned: Path, out: Path) -> Path:
    """Keep `KEPT` of what was learned since the parent: the rest of the way costs more elsewhere than it gains.

    Args:
        parent: PEFT's files of the adapter that training went on from.
        learned: what training came to, with the record of its run.
        out: the folder to write, with that record.

    Raises:
        StorageError: it cannot be written.
        RecipeError: the record cannot be read.
    """
    from finetune.export.lora_peft import between
    from finetune.training.runs import RECORD, read_record, write_json

    folder = between(parent, learned, KEPT, out)
    write_json(folder / RECORD, {**(read_record(learned) or {}), "kept": KEPT})
    return folder


def _run(recipe: str, job: Job, options: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """One training run; one that has come to its end is not made again."""
    from finetune.recipes import build
    from finetune.training.adapter_files import CONFIG, WEIGHTS
    from finetune.training.runs import read_record

    done = job.out / "adapter"
    record = read_record(job.out)
    if record and record.get("state") == "done" and (done / CONFIG).is_file() and (done / WEIGHTS).is_file():
        return done, dict(record.get("outcome", {}))
    chosen = build(recipe, job, options)
    chosen.setup()
    outcome = asdict(chosen.train())
    job.on_note(f"{recipe}: {outcome['steps']:,} steps, loss {outcome['loss']:.3f}. {_ENDED[outcome['ended']]}")
    return chosen.save(), outcome


def prompts_of(base: BaseModel, examples: Sequence[Example]) -> list[str]:
    """What the model sees before the first answer of each of some examples, chat marks included."""
    from finetune.training.formatting import Renderer

    renderer = Renderer.of(base)
    sequences = [sequence for example in examples[: 2 * _CHECKED] for sequence in renderer.render(example)[:1]]
    asked = [list(one.ids)[: list(one.targets).index(True)] for one in sequences[:_CHECKED]]
    return [base.tokenizer.decode(ids, skip_special_tokens=False) for ids in asked]


@threads_ended()
def check_conversion(base: Path, folder: Path, adapter: Path, examples: Sequence[Example]) -> str:
    """Compare the trained adapter in PyTorch with the converted one in llama.cpp.

    Args:
        base: the GGUF file of the model.
        folder: with PEFT's files.
        adapter: the GGUF adapter.
        examples: whose questions are put.

    Returns:
        What was found, for people.

    Raises:
        ExportError: they answer differently, beyond what rounding explains.
    """
    from finetune.export.check import check_answers
    from finetune.training.base_model import load_base

    loaded = load_base(base)
    prompts = prompts_of(loaded, examples)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # what PEFT asks it is old
        found = check_answers(loaded, folder, (base, adapter), prompts, tokens=_CHECKED_TOKENS).require(_ALIKE)
    same = found.prompts - len(found.unexplained)
    return f"{same} of {found.prompts} prompts get the same answer in PyTorch and in llama.cpp"
