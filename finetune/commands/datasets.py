"""`dataset`: build one, or look at one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exit_codes import examples
from agent.cli.output import foreign, print_json, shown_path
from agent.cli.output import out as stdout
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from finetune.dataset import BuildProgress
    from finetune.schema import DatasetSplits

group = typer.Typer(
    help="Build data sets from feedback, files and documents, or look at one.",
    epilog=examples("ratchet improve dataset build first", "ratchet improve dataset show first"),
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, or a folder.")]


def read_to_train(data: Path, tell: Callable[[str], None]) -> DatasetSplits:
    """A data set without what models are evaluated with; `tell` hears what is left out.

    Raises:
        DatasetError: it cannot be read.
    """
    from finetune.dataset.example_files import read_splits
    from finetune.dataset.splits import without_held_out
    from finetune.suites import known_keys

    splits = without_held_out(read_splits(data), known_keys())
    for note in splits.notes:
        tell(note)
    return splits


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(group, name="dataset")


@group.command(
    epilog=examples(
        "ratchet improve dataset build first",
        "ratchet improve dataset build second --no-records --file faq.csv --documents default",
        "ratchet improve dataset build third --documents default --writer ollama:llama3.2",
    )
)
def build(  # noqa: PLR0913 - each parameter is an option that the user sees
    ctx: typer.Context,
    name: Name,
    records: Annotated[bool, typer.Option("--records/--no-records", help="Whether feedback is read.")] = True,
    file: Annotated[
        list[Path] | None, typer.Option(help="A file of examples; may be repeated.", metavar="FILE")
    ] = None,
    documents: Annotated[str, typer.Option(help="A collection to ask about.", metavar="COLLECTION")] = "",
    writer: Annotated[
        str, typer.Option(help="Let this model write the questions about documents.", metavar="SPEC")
    ] = "",
    seed: Annotated[int, typer.Option(help="Of the split and what is drawn by chance.")] = 0,
    limit: Annotated[int, typer.Option(help="Examples at most; 0 for all.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Build a data set: scrubbed, without duplicates, in parts that share nothing, with a card."""
    from finetune.dataset import BuildSettings, build_dataset
    from finetune.improvement.feedback import signals, sources
    from finetune.improvement.folder import runs
    from finetune.improvement.holdout import earlier_runs
    from finetune.improvement.options import ImproveOptions
    from finetune.improvement.watching import ConsoleWatcher
    from finetune.suites import known_keys

    settings = invocation(ctx).settings()
    paths = tuple(str(path.expanduser().absolute()) for path in file or ())
    options = ImproveOptions(records=records, files=paths, documents=documents, writer=writer, seed=seed)
    with ExitStack() as opened, ConsoleWatcher().counting("examples") as count:

        def on_progress(now: BuildProgress) -> None:
            count(now.done, max(1, now.done))

        chosen = sources(settings, options, signals(settings.database), opened, limit)
        how = BuildSettings(seed=seed, limit=limit, leave_out_held_out=True)
        held_out = known_keys() | earlier_runs(runs(settings.home)).tested
        made = build_dataset(chosen, _folder(settings, name), how, held_out=held_out, on_progress=on_progress)
    if as_json:
        print_json({"path": str(made.path), "digest": made.digest, **made.card.to_json()})
        return
    stdout().print(foreign(made.card.to_markdown().rstrip()))
    stdout().print(foreign(f"✓ {shown_path(made.path)}"))


@group.command(epilog=examples("ratchet improve dataset show mine-1", "ratchet improve dataset show mine-1 --json"))
def show(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show the card of a data set, after checking every byte of it."""
    from finetune.dataset import load

    found = load(_folder(invocation(ctx).settings(), name))
    if as_json:
        print_json({"path": str(found.path), "digest": found.digest, **found.card.to_json()})
    else:
        stdout().print(foreign(found.card.to_markdown().rstrip()))


def _folder(settings: Settings, name: str) -> Path:
    """A folder that is named as one, or a data set in the home."""
    path = Path(name).expanduser()
    return path.absolute() if path.name != name or path.is_dir() else settings.home / "datasets" / name
