"""The command line of training: `python -m finetune …`. Heavy imports wait for a command."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from agent.cli import exit_codes
from agent.cli.output import err, foreign, prepare_streams, print_error, print_json, shown_path
from agent.cli.output import out as stdout
from agent.cli.progress import duration
from agent.cli.seam import Json, Seam, invocation
from finetune.commands import default, improve
from finetune.commands.datasets import read_to_train
from finetune.commands.search import EPILOG, search

if TYPE_CHECKING:
    from finetune.training.job import Job

app = typer.Typer(
    name="finetune",
    cls=Seam,
    epilog=exit_codes.EPILOG,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def root(
    ctx: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """From examples to a measured adapter."""
    invocation(ctx).debug = debug


@app.command(
    epilog=exit_codes.examples(
        "python -m finetune train --data examples.jsonl --out runs/first",
        "python -m finetune train --recipe lora --data dataset/ --out runs/second --minutes 30 --set rank=32",
    )
)
def train(  # noqa: PLR0913 - each parameter is an option that the user sees
    data: Annotated[Path, typer.Option(help="A data set's folder, or a JSONL file.", metavar="PATH")],
    out: Annotated[Path, typer.Option(help="Folder of the run; one that has begun is continued.", metavar="FOLDER")],
    recipe: Annotated[
        str, typer.Option(help="How: lora, qlora, full, prompt_tuning, prefix_tuning, dpo, kto.")
    ] = "lora",
    base: Annotated[Path | None, typer.Option(help="A GGUF model; default: the bundled one.", metavar="FILE")] = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Start from this adapter, not from nothing.", metavar="FOLDER")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Time that the run may take.")] = None,
    threads: Annotated[int, typer.Option(help="Processor threads; 0: one for each core.")] = 0,
    seed: Annotated[int, typer.Option(help="Of weights and order.")] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another option of the recipe; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    track: Annotated[
        list[str] | None, typer.Option(help="Also log to mlflow or tensorboard; may be repeated.", metavar="NAME")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train an adapter; give the same command again after an interruption."""
    from finetune.recipes import checked_options
    from finetune.training.job import Job
    from finetune.training.options import named_values

    given = {"minutes": minutes, "threads": threads, "seed": seed, "tracking": tuple(track or ())}
    options = checked_options(recipe, given | named_values(settings or []), start)
    job = Job(read_to_train(data, _tell), out, base, start, on_note=_tell)
    outcome = _trained(recipe, job, options)
    if as_json:
        print_json(outcome)
        return
    stdout().print(foreign(f"✓ {_in_words(outcome)}"))
    stdout().print(foreign(f"Saved in {shown_path(outcome['folder'])}"))


app.command(epilog=EPILOG)(search)
improve.add_to(app)


def _trained(recipe: str, job: Job, options: dict[str, Any]) -> dict[str, Any]:
    """The run from start to end; an interruption that was kept in order ends the program quietly."""
    from finetune.errors import TrainingInterrupted
    from finetune.recipes import build, carry_out
    from finetune.training.installed import check_torch, share_cores
    from finetune.training.progress import progress_bar

    check_torch()
    share_cores()
    with progress_bar() as on_progress:
        chosen = build(recipe, replace(job, on_progress=on_progress), options)
        try:
            folder, outcome = carry_out(chosen)
        except TrainingInterrupted as stop:
            print_error(stop.what, stop.kept, stop.fix)
            raise typer.Exit(exit_codes.INTERRUPTED) from stop
    return {"folder": str(folder), **asdict(outcome)}


default.register(app, _trained)


def _in_words(outcome: dict[str, Any]) -> str:
    words = f"{outcome['steps']:,} steps, {outcome['tokens']:,} tokens in {duration(outcome['seconds'])}"
    words += f"; loss {outcome['loss']:.3f}"
    if outcome["dev_loss"] is not None and outcome["dev_loss_before"] is not None:
        words += f", on development data {outcome['dev_loss_before']:.3f} before and {outcome['dev_loss']:.3f} now"
    return words + (". The time was up before the data was." if outcome["ended"] == "time" else ".")


def _tell(note: str) -> None:
    err().print(foreign(note))


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    prepare_streams()
    app(prog_name="python -m finetune")
    sys.exit(exit_codes.OK)
