"""The command `python -m finetune search`. Heavy imports wait for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import exit_codes
from agent.cli.output import counted, err, foreign, print_error, print_json, shown_path
from agent.cli.output import out as stdout
from agent.cli.progress import duration
from agent.cli.seam import Json
from finetune.commands.datasets import read_to_train
from finetune.errors import RecipeError, TrainingInterrupted

if TYPE_CHECKING:
    from finetune.schema import DatasetSplits
    from finetune.search.folder import Plan
    from finetune.search.results import SearchResult
    from finetune.search.space import Space
    from finetune.training.job import Job

EPILOG = exit_codes.examples(
    "python -m finetune search --data dataset/ --out searches/first --minutes 60",
    "python -m finetune search --data dataset/ --out searches/second --minutes 90 --trial-minutes 6 \\",
    "    --space learning_rate=1e-4..3e-3:log --space 'rank=8|16|32' --set step_targets=256",
)
_TRIALS_IN_BUDGET = 10
_OWN_FLAGS = {
    "minutes": "--trial-minutes",
    "seed": "--seed",
    "threads": "--threads",
    "dev_every": "",
    "dev_times": "",
}
_ENDS = {
    "time": "There is no time for another trial.",
    "trials": "All trials that were asked for are made.",
    "space": "Everything that the space holds was tried.",
}


def search(  # noqa: PLR0913 - each parameter is an option that the user sees
    data: Annotated[Path, typer.Option(help="A data set's folder, with a dev.jsonl.", metavar="FOLDER")],
    out: Annotated[Path, typer.Option(help="Folder of the search; one that has begun goes on.", metavar="FOLDER")],
    minutes: Annotated[float, typer.Option(help="Time of the whole search, earlier sessions counted in.")] = 60.0,
    trial_minutes: Annotated[
        float | None, typer.Option(help="Time that one trial may take; default: a tenth of the whole.")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Most trials.", min=1)] = None,
    recipe: Annotated[
        str, typer.Option(help="How: lora, qlora, full, prompt_tuning, prefix_tuning, dpo, kto.")
    ] = "lora",
    space: Annotated[
        list[str] | None,
        typer.Option(help="NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A|B|C; may be repeated.", metavar="PART"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option with one value for all trials; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    base: Annotated[Path | None, typer.Option(help="A GGUF model; default: the bundled one.", metavar="FILE")] = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Start from this adapter, not from nothing.", metavar="FOLDER")
    ] = None,
    threads: Annotated[int, typer.Option(help="Processor threads; 0: one for each core.")] = 0,
    seed: Annotated[int, typer.Option(help="Of proposals, weights and order.")] = 0,
    as_json: Json = False,
) -> None:
    """Search the options of a recipe that learn best; give the same command again after an interruption."""
    from finetune.search.folder import Plan, check_optuna, recorded_plan
    from finetune.training.job import Job
    from finetune.training.options import named_values

    fixed = _allowed(named_values(settings or []))
    chosen = _space(recipe, space or [], fixed, start)
    each = trial_minutes or recorded_plan(out).get("trial_minutes") or round(minutes / _TRIALS_IN_BUDGET, 2)
    _check_budget(minutes, each)
    check_optuna()
    job = Job(_measurable(read_to_train(data, _tell), data), out, base, start, on_note=_tell)
    flags = {"--recipe": recipe, "--data": data, "--out": out / "best", "--base": base, "--from": start}
    flags |= {"--threads": threads or None, "--seed": seed or None}
    command = [word for name, value in flags.items() if value is not None for word in (name, str(value))]
    plan = Plan(recipe, chosen, fixed, each, seed, {}, ("python", "-m", "finetune", "train", *command))
    result = _searched(plan, job, minutes, trials, threads)
    if as_json:
        print_json(result.to_json(plan.command))
        return
    _print(result, plan, out)


def _space(recipe: str, given: list[str], fixed: dict[str, Any], start: Path | None) -> Space:
    """What is searched, known to be possible from the adapter that trials go on from."""
    from finetune.recipes import checked_options
    from finetune.search.space import parse_space

    checked_options(recipe, fixed, start)
    return parse_space(recipe, given, fixed, continues=start is not None)


def _searched(plan: Plan, job: Job, minutes: float, trials: int | None, threads: int) -> SearchResult:
    """The search from start to end; an interruption that was kept in order ends the program quietly."""
    from dataclasses import replace

    from finetune.training.installed import check_torch, share_cores

    check_torch()
    share_cores()
    from finetune.search.results import plot, trial_line
    from finetune.search.study import open_search
    from finetune.search.trials import Trials, subject
    from finetune.training.progress import progress_bar

    def on_trial(now: SearchResult) -> None:
        _tell(trial_line(now.trials[-1], now.best))

    plan = replace(plan, subject=subject(job))
    with open_search(job.out, plan) as search:
        _tell(f"Searching {plan.space}; {duration(plan.trial_minutes * 60)} a trial at most.")
        options = dict(plan.fixed) | {"minutes": plan.trial_minutes, "seed": plan.seed, "threads": threads}
        try:
            with progress_bar() as on_progress:
                result = search.run(Trials(plan.recipe, job, options, on_progress), minutes, trials, on_trial)
        except TrainingInterrupted as stop:
            print_error(stop.what, stop.kept, stop.fix)
            raise typer.Exit(exit_codes.INTERRUPTED) from stop
        search.keep(result)
    plot(result, job.out)
    return result


def _print(result: SearchResult, plan: Plan, folder: Path) -> None:
    from finetune.search.results import PICTURE, full_command, in_words, table

    console = stdout()
    console.print(table(result))
    if result.importances:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in result.importances.items())
        console.print(foreign(f"What made the difference: {shares}"))
    console.print(foreign(f"{_ENDS[result.ended]} {counted(len(result.trials), 'trial')} in all."))
    if (folder / PICTURE).is_file():
        console.print(foreign(f"Drawn in {shown_path(folder / PICTURE)}"))
    else:
        _tell("No picture was drawn: matplotlib is not installed (`pip install 'ratchet-agent[tools]'`).")
    best = result.best
    if best is None:
        console.print(foreign("No trial came to its end; give more minutes to a trial."))
        return
    console.print(foreign(f"✓ Best: trial {best.number} with {in_words(best.values)}. Train with it:"))
    console.print(foreign(full_command(plan.command, result.options)), soft_wrap=True)


def _allowed(fixed: dict[str, str]) -> dict[str, str]:
    for name, flag in _OWN_FLAGS.items():
        if name in fixed:
            fix = f"Write {flag} instead." if flag else f"Leave it out; trials are measured {_times()}."
            raise RecipeError(f"A search settles {name} itself.", kept="Nothing was trained.", fix=fix)
    return fixed


def _times() -> str:
    from finetune.search.study import POINTS

    return f"{POINTS} times, evenly over their time"


def _check_budget(minutes: float, each: float) -> None:
    if not (minutes > 0 and each > 0):
        raise RecipeError("The minutes of a search and of a trial must be above 0.", fix="Give more time.")
    if each > minutes:
        raise RecipeError(
            f"One trial of {each:g} minutes does not fit into a search of {minutes:g}.",
            kept="Nothing was trained.",
            fix="Raise --minutes or lower --trial-minutes; ten trials are the least that tell much.",
        )


def _measurable(splits: DatasetSplits, data: Path) -> DatasetSplits:
    from finetune.errors import DatasetError

    if not splits.dev:
        raise DatasetError(
            f"{data} has no development part, by which trials are compared.",
            kept="Nothing was trained.",
            fix="Name a data set's folder with train.jsonl and dev.jsonl.",
        )
    return splits


def _tell(note: str) -> None:
    err().print(foreign(note))
