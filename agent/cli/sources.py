"""`ratchet knowledge sources` and `show`: which files a collection holds, and what of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exit_codes import examples
from agent.cli.ingest import Collection
from agent.cli.seam import Json, invocation
from knowledge.errors import SourceMissing

if TYPE_CHECKING:
    from agent.config import Settings
    from knowledge.index import FileEntry, KnowledgeIndex
    from knowledge.schema import Passage


def register(group: typer.Typer) -> None:
    """Add both commands."""
    group.command("sources", epilog=examples("ratchet knowledge sources", "ratchet knowledge sources --failed --json"))(
        sources
    )
    group.command(
        "show", epilog=examples("ratchet knowledge show notes/pump.md", "ratchet knowledge show pump.md --json")
    )(show)


@contextmanager
def opened(settings: Settings) -> Iterator[KnowledgeIndex]:
    """The collection's index, whatever embedder made it: to look into, not to search.

    Raises:
        IndexMissing, IndexCorrupt: there is none, or it is damaged.
    """
    from knowledge.index import KnowledgeIndex
    from knowledge.index.generations import current
    from knowledge.index.state import state_of

    folder = settings.index_folder
    with closing(KnowledgeIndex.open(folder, state_of(current(folder)).embedder)) as index:
        yield index


def sources(
    ctx: typer.Context,
    failed: Annotated[bool, typer.Option("--failed", help="Only files that cannot be read, with the reason.")] = False,
    collection: Collection = None,
    as_json: Json = False,
) -> None:
    """List the files of a collection."""
    from agent.cli.output import print_json

    settings = invocation(ctx).settings(knowledge={"collection": collection})
    if failed and not as_json:
        print_failures(settings)
        return
    with opened(settings) as index:
        known = [entry for entry in index.sources().values() if entry.failure or not failed]
    if as_json:
        print_json([asdict(entry) for entry in known])
    else:
        _print_sources(known)


def _print_sources(known: Sequence[FileEntry]) -> None:
    from rich.table import Table

    from agent.cli.output import counted, foreign, one_line, out, shown_path

    table = Table.grid(padding=(0, 2))
    for entry in known:
        told = foreign("cannot be read", "red") if entry.failure else foreign(counted(entry.passages, "passage"), "dim")
        table.add_row(foreign(one_line(shown_path(entry.source), 1000)), told)
    out().print(table if known else "No files are known.")


def print_failures(settings: Settings) -> None:
    """Every file that cannot be read, with the reason."""
    from rich.text import Text

    from agent.cli.output import foreign, one_line, out, shown_path

    with opened(settings) as index:
        failing = [entry for entry in index.sources().values() if entry.failure]
    for entry in failing:
        told = one_line(f"{shown_path(entry.source)}: {entry.failure}", 1000)
        out().print(Text("✗ ", style="red") + foreign(told))
    if not failing:
        out().print("Every file can be read.")


def show(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="A file, or the end of its path.", metavar="FILE")],
    collection: Collection = None,
    as_json: Json = False,
) -> None:
    """Show the passages of a file as they are indexed, each with its place."""
    from agent.cli.output import print_json

    settings = invocation(ctx).settings(knowledge={"collection": collection})
    with opened(settings) as index:
        entry = find_source(index.sources(), source)
        passages = index.passages(index.rows_of(entry.source))
    if as_json:
        print_json([passage.to_json() for passage in passages])
    else:
        _print_passages(entry, passages)


def find_source(known: dict[str, FileEntry], named: str) -> FileEntry:
    """The one file that a person names by its path or the end of it.

    Raises:
        SourceMissing: no file of that name is known, or several are.
    """
    import os
    from pathlib import Path

    absolute = os.path.abspath(Path(named).expanduser())
    if absolute in known:
        return known[absolute]
    fits = [entry for source, entry in known.items() if source.endswith(os.sep + named)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise SourceMissing(f"{len(fits)} files end in {named}.", fix=f"Name one in full, such as {fits[0].source}.")
    raise SourceMissing(f"There is no file {named} in the collection.", fix="`ratchet knowledge sources` lists them.")


def _print_passages(entry: FileEntry, passages: Sequence[Passage]) -> None:
    from agent.cli.output import foreign, out
    from agent.cli.render import indented
    from agent.phrasing import place

    if entry.failure:
        out().print(foreign(entry.failure, "red"))
    for passage in passages:
        out().print(foreign(place(passage.source, passage.heading, passage.locator), "bold"))
        out().print(indented(foreign(passage.text)))
