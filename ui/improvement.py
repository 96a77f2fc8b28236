"""What the pages know of training: the only module of `ui` that imports `finetune`.

Runs are commands in processes of their own (`ui.job`); here their folders are read, and what a person decides is
carried out. Nothing here loads a model or PyTorch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import RatchetError
from finetune.improvement.folder import RunFolder, alone, is_at_work, latest, run_named, unfinished
from finetune.improvement.options import ImproveOptions as ImproveOptions
from finetune.registry import CARD, AdapterRegistry
from ui.improvement_views import (
    Adapter,
    AnswerPair,
    Curve,
    DatasetView,
    ExampleView,
    Line,
    Run,
    Stage,
    Standing,
    Step,
    VerdictView,
)
from ui.job import Job

if TYPE_CHECKING:
    from agent.config import Settings
    from finetune.adapter_record import AdapterRecord
    from finetune.schema import Example

_LOCAL = "local:"
PARTS = ("train", "dev", "test")
PHASES = {"learn": "Learning from examples", "prefer": "Learning preferences"}


def improve_job(settings: Settings) -> Job:
    """The process of a run that a page started; stopping it pauses the run.

    Training writes a checkpoint first, and every other stage has kept what it did.
    """
    return Job(settings.home, "improve")


def standing(settings: Settings) -> Standing:
    """How things stand.

    Raises:
        DatabaseError: the records cannot be read.
    """
    from finetune.improvement.feedback import LEAST_LEARNED, LEAST_TESTED, signals
    from finetune.training.installed import NEEDED

    known, last = signals(settings.database), latest(settings.home)
    served, problem = _served(settings)
    return Standing(
        signals=len(known.ids),
        new=known.since(last.facts["signals"] if last else ()),
        withheld=known.withheld,
        needed=LEAST_TESTED + LEAST_LEARNED,
        served=served,
        missing=tuple(name for name in NEEDED if importlib.util.find_spec(name) is None),
        problem=problem,
    )


def _served(settings: Settings) -> tuple[str, str]:
    """The adapter that answers, and why training cannot improve what answers."""
    from finetune.improvement.checks import check_takes_effect
    from finetune.improvement.serving import serving

    name = ""
    try:
        check_local(settings)
        name = serving(settings).name
        check_takes_effect(settings)
    except RatchetError as error:
        return name, f"{error.what} {error.fix}"
    return name, ""


def check_local(settings: Settings) -> None:
    """Make sure that adapters can be trained for the model; without building it, which for some loads PyTorch.

    Raises:
        RatchetError: they cannot.
    """
    if not settings.model.name.startswith(_LOCAL):
        raise RatchetError(
            f"{settings.model.name} runs in another program, and adapters are trained for local models.",
            kept="Nothing was done.",
            fix='Set model.name to "local:default", or to local:PATH of a GGUF file.',
        )


def runs(settings: Settings) -> list[Run]:
    """All runs, the newest first."""
    from finetune.improvement.folder import runs as folders

    found = folders(settings.home)
    # Asking for the lock could get in the way of a run that is about to begin, so it is asked for only in doubt.
    at_work = improve_job(settings).running or is_at_work(settings.home)
    now = unfinished(settings.home)
    return [_run(one, at_work and now is not None and one.name == now.name) for one in reversed(found)]


_SHOWN = frozenset({"learned", "held_out", "again", "rehearsed", "metrics", "parent"})


def _run(folder: RunFolder, at_work: bool) -> Run:
    from finetune.evaluation.verdict_folder import VERDICT
    from finetune.improve import STAGES

    done = [name for name in STAGES if folder.has(name)]
    # "Gathering" leaves no mark of its own: it is done when the data set is.
    done += ["gather"] if folder.has("build") else []
    now = next((name for name in STAGES if name not in done), "")
    states = dict.fromkeys(STAGES, "to come") | ({now: "now"} if now and folder.state == "running" else {})
    states |= dict.fromkeys(done, "done")
    stages = tuple(Stage(name, title, states[name]) for name, title in STAGES.items())
    facts, judged = folder.facts, (folder.verdict / VERDICT).is_file()
    shown: dict[str, Any] = {name: value for name, value in facts.items() if name in _SHOWN}
    failure, began = str(facts.get("failure", "")), str(facts["began"])
    return Run(folder.name, folder.state, at_work, began, stages, shown, failure, judged)


def curves(settings: Settings, name: str) -> list[Curve]:
    """The steps of a run so far, for each part of its training that has begun."""
    from finetune.training.tracking import read_metrics

    found = []
    for part, title in PHASES.items():
        metrics = read_metrics(settings.home / "runs" / name / "training" / part)
        steps = tuple(_step(number, values) for number, values in sorted(metrics.items()) if "loss" in values)
        if steps:
            spent, share = sum(step.seconds for step in steps), steps[-1].progress
            left = spent * (1 - share) / share if share > 0 else None
            found.append(Curve(title, steps, left))
    return found


def _step(number: int, values: Mapping[str, Any]) -> Step:
    seconds = max(1e-6, float(values.get("seconds", 0.0)))
    speed = float(values.get("tokens", 0)) / seconds
    return Step(number, float(values["loss"]), speed, float(values.get("progress", 0)), seconds, values.get("dev_loss"))


def start(settings: Settings, options: ImproveOptions, name: str = "") -> None:
    """Begin a run, or go on with the one that was interrupted if it was asked to do the same.

    Raises:
        RecipeError: training is not possible here, or the name cannot be used.
        RatchetError: a run is at work, or the model is not one that can be trained.
    """
    from finetune.improvement.checks import check_free, check_name, check_possible, check_takes_effect

    check_local(settings)
    check_takes_effect(settings)
    if (run := unfinished(settings.home)) is None or not run.has("train"):
        check_possible(settings, options)
    if name:
        check_name(name)
        check_free(settings, name)
    with alone(settings.home):  # says it if one is at work that was begun in a terminal
        pass
    improve_job(settings).start([*_words(options.to_json()), *(["--name", name] if name else [])])


def resume(settings: Settings) -> None:
    """Go on with the run that was interrupted, with its own options; nothing where there is none.

    Raises:
        RatchetError: as `start`.
    """
    run = unfinished(settings.home)
    if run is not None:
        options = run.facts["options"]
        start(settings, ImproveOptions(**{**options, "files": tuple(options["files"])}))


def give_up(settings: Settings) -> None:
    """Mark the run that was interrupted as given up; what it did stays on the disk.

    Raises:
        ImproveBusy: it is at work.
        StorageError: the disk refused.
    """
    with alone(settings.home):
        if (run := unfinished(settings.home)) is not None:
            run.note(state="given up")


def _words(options: Mapping[str, Any]) -> list[str]:
    """The command that asks for these options."""
    words = ["improve", "--json"]
    for name in ("minutes", "recipe", "rehearsal", "guards", "seed", "threads"):
        words += [f"--{name}", str(options[name])]
    for path in options["files"]:
        words += ["--file", str(path)]
    for name, value in options["settings"].items():
        words += ["--set", f"{name}={value}"]
    for name in ("documents", "writer"):
        words += [f"--{name}", str(options[name])] if options[name] else []
    return words + [f"--{name}" for name in ("preferences", "overturn") if options.get(name)]


def check_dataset_name(settings: Settings, name: str) -> None:
    """Make sure that a data set can be called so.

    Raises:
        RecipeError: it cannot, or something is.
    """
    from finetune.improvement.checks import check_free, check_name

    check_name(name)
    check_free(settings, name)


def dataset_names(settings: Settings) -> list[str]:
    """The data sets there are, the newest first."""
    from finetune.dataset.store import MANIFEST

    found = (settings.home / "datasets").glob(f"[!.]*/{MANIFEST}")
    return [path.parent.name for path in sorted(found, key=lambda path: -path.stat().st_mtime)]


def dataset(settings: Settings, name: str) -> DatasetView:
    """A data set, every byte of it checked.

    Raises:
        DatasetError: there is none of that name, or it is damaged.
    """
    from finetune.dataset.store import load

    found = load(settings.home / "datasets" / Path(name).name)
    return DatasetView(found.card.examples, found.card.to_markdown(), found.digest)


def examples(settings: Settings, name: str, part: str) -> list[ExampleView]:
    """The examples of a part of a data set.

    Raises:
        DatasetError: it cannot be read.
    """
    from finetune.dataset.example_files import read_examples

    path = settings.home / "datasets" / Path(name).name / f"{part}.jsonl"
    return [_example(one) for one in read_examples(path)]


def _example(one: Example) -> ExampleView:
    tools = tuple(str(tool["function"]["name"]) for tool in one.tools)
    rejected = str((one.rejected or {}).get("content") or "")
    return ExampleView(one.messages, tools, one.source, rejected, one.label)


def verdict(settings: Settings, name: str) -> VerdictView | None:
    """The gate's verdict on an adapter; None where it was not asked.

    Raises:
        AdapterMissing, AdapterInvalid: there is no such adapter, or what is known of it cannot be read.
    """
    found = AdapterRegistry(settings.adapters_folder).verdict(name)
    if found is None:
        return None
    against = {str(reason["metric"]) for reason in found["reasons"]}
    compared = [one for one in (found["primary"], *found["guards"]) if one is not None]
    lines = [_line(one, against, primary=one is found["primary"]) for one in compared]
    reasons = tuple(str(reason["text"]) for reason in found["reasons"])
    return VerdictView(bool(found["promoted"]), reasons, found["base"], found["candidate"], tuple(lines))


def _line(one: Mapping[str, Any], against: set[str], *, primary: bool) -> Line:
    from finetune.evaluation.metrics import METRICS

    guard, change = one["guard"], one["change"]
    metric, suite, ratio = str(guard["metric"]), str(guard["suite"]), float(guard["most_ratio"])
    key = f"{metric} of {suite}" if suite else metric
    title = METRICS[metric].title + (f" ({suite})" if suite else "")
    limit = 0.0 if primary else ratio or -float(guard["margin"])
    kind = "ratio" if ratio and not primary else "share" if METRICS[metric].bounded else "bits"
    interval = (float(change["value"]), float(change["low"]), float(change["high"]))
    before, after, count = float(one["before"]), float(one["after"]), int(one["count"])
    return Line(title, before, after, interval, limit, count, kind, primary, key not in against)


def answers(settings: Settings, name: str) -> list[AnswerPair]:
    """What the adapter and the one before it said to the same items: first what was lost, then what was won.

    Raises:
        AdapterMissing: there is no such run.
        EvaluationError: it has no verdict, or that cannot be read.
    """
    from finetune.commands.differences import said, wanted
    from finetune.evaluation.report import differences
    from finetune.evaluation.verdict_folder import read_evaluations

    base, candidate = read_evaluations(run_named(settings.home, name).verdict)
    return [
        AnswerPair(
            one.change,
            one.item.suite,
            str(one.item.messages[-1].get("content") or ""),
            one.item.passages,
            wanted(one),
            said(one.base),
            said(one.candidate),
        )
        for one in differences(base, candidate)
    ]


def adapters(settings: Settings) -> list[Adapter]:
    """All adapters, each after the one it was trained from.

    Raises:
        AdapterInvalid: what is known of one cannot be read.
    """
    from finetune.improvement.promotion import standing_of

    registry = AdapterRegistry(settings.adapters_folder)
    return [_adapter(record, depth, standing_of(registry, record)) for depth, record in registry.lineage()]


def _adapter(record: AdapterRecord, depth: int, standing: str) -> Adapter:
    about = record.provenance
    how = (about.recipe, about.seed, about.metrics, about.parent)
    return Adapter(record.name, depth, standing, *how, record.base_name, about.dataset, record.created_at)


def card(settings: Settings, name: str) -> str:
    """What is known of an adapter, in Markdown; its files are checked.

    Raises:
        AdapterMissing, AdapterInvalid: there is no such adapter, or it is damaged.
    """
    registry = AdapterRegistry(settings.adapters_folder)
    return (registry.folder / registry.verify(name).name / CARD).read_text(encoding="utf-8")


def history(settings: Settings) -> list[dict[str, Any]]:
    """Every promotion, roll-back and removal, the newest first."""
    return AdapterRegistry(settings.adapters_folder).history()[::-1]


def promote(settings: Settings, name: str, *, force: bool = False, reason: str = "") -> None:
    """Serve an adapter from now on; chats that are open take it with their next question.

    Raises:
        RatchetError: as `finetune.improvement.promotion.promote`.
    """
    from finetune.improvement import promotion

    check_local(settings)
    promotion.promote(settings, name, force=force, reason=reason)


def roll_back(settings: Settings, reason: str = "") -> str:
    """Serve what was served before, one step; returns its name, "" for the model without an adapter.

    Raises:
        RatchetError: as `finetune.improvement.promotion.roll_back`.
    """
    from finetune.improvement import promotion

    check_local(settings)
    return promotion.roll_back(settings, reason)


def holds_back(answer: str) -> bool:
    """Whether an answer says that the documents do not tell."""
    from finetune.evaluation.answer_metrics import abstains

    return bool(abstains(answer))
