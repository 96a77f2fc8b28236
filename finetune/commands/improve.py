"""`ratchet improve`: the loop as one command, and the commands beside it. Heavy imports wait for a command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import exit_codes
from agent.cli.exit_codes import examples
from agent.cli.output import counted, err, foreign, print_error, print_json
from agent.cli.output import out as stdout
from agent.cli.seam import Json, invocation
from agent.errors import RatchetError
from finetune.commands import datasets, evaluating, exporting, store

if TYPE_CHECKING:
    from agent.config import Settings
    from finetune.improve import Compared, Improvement
    from finetune.improvement.folder import RunFolder
    from finetune.improvement.options import ImproveOptions

EPILOG = examples(
    "ratchet improve",
    "ratchet improve --minutes 15 --documents default",
    "ratchet improve --if-new 30 --yes",
    "ratchet improve status",
    "ratchet improve rollback",
)
_SHOWN = 3  # differences of each kind

Files = Annotated[list[Path] | None, typer.Option(help="Examples from a file, too; may be repeated.", metavar="FILE")]
Documents = Annotated[str, typer.Option(help="Examples about a collection of documents, too.", metavar="COLLECTION")]
Writer = Annotated[str, typer.Option(help="Let this model write the questions about documents.", metavar="SPEC")]
Rehearsal = Annotated[float, typer.Option(help="Examples against forgetting, for each of yours.", metavar="NUMBER")]
Preferences = Annotated[bool, typer.Option("--preferences", help="Train on corrections as pairs, too (DPO).")]
Overturn = Annotated[bool, typer.Option("--overturn", help="Learn answers to what the model had declined, too.")]
Name = Annotated[str, typer.Option(help="What to call the adapter; default: mine-1, mine-2 and so on.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Another option of the recipe; may be repeated.", metavar="NAME=VALUE"),
]
IfNew = Annotated[
    int, typer.Option(help="End quietly unless there are so many new signals, for scheduled runs.", metavar="N")
]


def register(app: typer.Typer) -> None:
    """Add the command group to the agent's command line."""
    group = typer.Typer(
        help="Learn from feedback: train, compare, and serve what proved better.",
        epilog=EPILOG,
        invoke_without_command=True,
    )
    group.callback()(improve)
    add_beside(group)
    app.add_typer(group, name="improve")


def add_to(app: typer.Typer) -> None:
    """Add the same commands to training's own command line."""
    app.command("improve", epilog=EPILOG)(improve)
    add_beside(app)


def add_beside(app: typer.Typer) -> None:
    """The commands beside the loop."""
    for module in (store, evaluating, exporting, datasets):
        module.register(app)


def improve(  # noqa: PLR0913 - each parameter is an option that the user sees
    ctx: typer.Context,
    minutes: Annotated[float, typer.Option(help="Time that training may take.")] = 8.0,
    file: Files = None,
    documents: Documents = "",
    writer: Writer = "",
    rehearsal: Rehearsal = 2.0,
    preferences: Preferences = False,
    overturn: Overturn = False,
    name: Name = "",
    recipe: Annotated[str, typer.Option(help="How: lora or qlora.")] = "lora",
    guards: Annotated[int, typer.Option(help="Items that show what was forgotten; fewer is quicker.")] = 64,
    seed: Annotated[int, typer.Option(help="Of weights and what is drawn by chance.")] = 0,
    threads: Annotated[int, typer.Option(help="Processor threads; 0: one for each core.")] = 0,
    settings: Set = None,
    if_new: IfNew = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Give up an interrupted run and begin anew.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Serve what the gate passes without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Learn from feedback: train, compare, and serve what proved better.

    Give the same command again after an interruption. The exit code is 1 where the gate refuses.
    """
    if ctx.invoked_subcommand is not None:
        return
    from finetune.improvement.checks import check_name, check_recipe, check_takes_effect
    from finetune.improvement.folder import alone
    from finetune.improvement.options import ImproveOptions
    from finetune.recipes import checked_options
    from finetune.training.options import named_values

    numbers: dict[str, Any] = {"minutes": minutes, "rehearsal": rehearsal, "guards": guards}
    files = tuple(str(path.expanduser().absolute()) for path in file or ())
    told: dict[str, Any] = {"recipe": recipe, "files": files, "preferences": preferences, "overturn": overturn}
    told |= {"documents": documents, "writer": writer}
    known = named_values(settings or [])
    options = ImproveOptions(**numbers, **told, seed=seed, threads=threads, settings=known)
    check_recipe(recipe)
    if name:
        check_name(name)
    checked_options(recipe, options.training())
    found = invocation(ctx).settings()
    check_takes_effect(found)
    with alone(found.home):
        if (run := _run(found, options, name, fresh, if_new)) is not None:
            _go(found, run, yes=yes, as_json=as_json, quiet=if_new > 0)


def _run(settings: Settings, options: ImproveOptions, name: str, fresh: bool, if_new: int) -> RunFolder | None:
    """The run that was interrupted, or a new one; None where too little is new."""
    from finetune.improvement.checks import check_free, check_possible
    from finetune.improvement.feedback import signals
    from finetune.improvement.folder import begin, latest, unfinished
    from finetune.registry import AdapterRegistry

    open_run = unfinished(settings.home)
    if open_run is not None and fresh:
        open_run.note(state="given up")
        open_run = None
    if open_run is not None:
        _check_same(open_run, options, name)
        if not open_run.has("train"):
            check_possible(settings, options)
        err().print(foreign(f"Going on with {open_run.name}, which was interrupted."))
        return open_run
    if name:
        check_free(settings, name)
    known, last = signals(settings.database), latest(settings.home)
    new = known.since(last.facts["signals"] if last else ())
    if if_new and new < if_new:
        stdout().print(f"{counted(new, 'new signal')}, and a run begins with {if_new}: nothing to do.")
        return None
    check_possible(settings, options)
    since = f", {new:,} new since {last.name}" if last else ""
    withheld = f"; {known.withheld:,} more may not be learned from" if known.withheld else ""
    where = f" in {counted(known.threads, 'conversation')}" if known.ids else ""
    err().print(foreign(f"{counted(len(known.ids), 'signal')}{where}{since}{withheld}."))
    if last is not None and last.state == "waiting":
        err().print(foreign(f"{last.name} passed the gate and waits: `ratchet improve promote {last.name}` serves it."))
    return begin(settings.home, name or _free(settings, AdapterRegistry(settings.adapters_folder)), options, known.ids)


def _free(settings: Settings, registry: Any) -> str:
    """The first of mine-1, mine-2 … that no adapter, run or data set has."""
    number = 1
    homes = (registry.folder, settings.home / "runs", settings.home / "datasets")
    while any((home / f"mine-{number}").exists() for home in homes):
        number += 1
    return f"mine-{number}"


def _check_same(run: RunFolder, options: ImproveOptions, name: str) -> None:
    from finetune.errors import RecipeError
    from finetune.improvement.options import ImproveOptions

    then, now = ImproveOptions().to_json() | run.facts["options"], options.to_json()
    changed = [f"{key} ({then.get(key)} then, {now[key]} now)" for key in now if then.get(key) != now[key]]
    if name not in ("", run.name):
        changed.append(f"name ({run.name} then, {name} now)")
    if changed:
        raise RecipeError(
            f"The run {run.name} was interrupted, and its options were others: {', '.join(changed)}.",
            kept="Everything it did is kept.",
            fix="Give the same options to go on with it, or --fresh to give it up and begin anew.",
        )


def _go(settings: Settings, run: RunFolder, *, yes: bool, as_json: bool, quiet: bool) -> None:
    """The run from here to its end; an interruption ends the program kindly."""
    from finetune.errors import TooLittleFeedback, TrainingInterrupted
    from finetune.improve import Improvement
    from finetune.improvement.folder import discard, give_up
    from finetune.improvement.watching import ConsoleWatcher

    improvement = Improvement(settings, run, ConsoleWatcher())
    try:
        compared = improvement.go()
    except TooLittleFeedback as error:
        discard(run)
        if not quiet:
            raise
        stdout().print(foreign(error.what))
        return
    except RatchetError as error:
        give_up(run, error)
        raise
    except TrainingInterrupted as stop:
        print_error(stop.what, stop.kept, stop.fix)
        raise typer.Exit(exit_codes.INTERRUPTED) from stop
    except KeyboardInterrupt as stop:
        kept = "Every stage before, and every answer so far, is kept."
        print_error("Stopped, as asked.", kept, "Give the same command again to go on from there.")
        raise typer.Exit(exit_codes.INTERRUPTED) from stop
    finish(improvement, compared, yes=yes, as_json=as_json)


def finish(improvement: Improvement, compared: Compared, *, yes: bool, as_json: bool) -> None:
    """Tell what came of it, ask, and serve; exits with 1 where the gate refuses."""
    from finetune.improvement import promotion

    name, state = improvement.run.name, improvement.run.state
    if not as_json:
        show(compared)
    if compared.verdict.promoted and (yes or (not as_json and _approved(name))):
        promotion.promote(improvement.settings, name, reason="--yes" if yes else "approved")
        state = "served"
    if as_json:
        print_json({"name": name, "state": state, "verdict": compared.verdict.to_json()})
    elif state == "served":
        stdout().print(foreign(f"✓ {name} is served from now on; programs that run take it with their next question."))
        stdout().print("`ratchet improve rollback` returns to what was served before.")
    elif state == "waiting":
        stdout().print(foreign(f"{name} waits. Serve it with `ratchet improve promote {name}`."))
    else:
        _tell_refusal(improvement, compared)
    if state == "refused":
        raise typer.Exit(exit_codes.OTHER)


def _approved(name: str) -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and typer.confirm(f"Serve {name} from now on?")


def _tell_refusal(improvement: Improvement, compared: Compared) -> None:
    from finetune.improvement.advice import next_try

    name, given = improvement.run.name, improvement.options.minutes
    print_error(
        f"{name} is not served.",
        "What is served stays, and everything of this run is kept.",
        f"`ratchet improve diff {name}` shows both models' answers.",
    )
    for reason in compared.verdict.reasons:
        err().print(foreign(f"  · {reason}"))
    seconds = improvement.run.facts.get("metrics", {}).get("seconds", 60 * given)
    if advice := next_try(compared.verdict, given, seconds / 60):
        err().print(advice)


def show(compared: Compared) -> None:
    """The figures beside each other, and a few answers that changed."""
    from finetune.commands.differences import print_differences
    from finetune.commands.figures import table_of

    stdout().print(table_of(compared.verdict.to_json()))
    print_differences(compared.base, compared.candidate, ("won", "lost"), _SHOWN)
