"""`ratchet knowledge`: collections of documents and their upkeep."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import evaluate, exit_codes, ingest, search, sources, tune
from agent.cli.exit_codes import examples
from agent.cli.ingest import Collection
from agent.cli.seam import Json, invocation
from knowledge.errors import IndexCorrupt, IngestInterrupted

if TYPE_CHECKING:
    from agent.config import Settings
    from knowledge.schema import IngestReport

group = typer.Typer(
    help="Look into collections of documents, and look after them.",
    epilog=examples("ratchet knowledge collections", "ratchet knowledge sources --failed", "ratchet knowledge reindex"),
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add `ingest`, `search` and the command group."""
    ingest.register(app)
    search.register(app)
    sources.register(group)
    evaluate.register(group)
    tune.register(group)
    app.add_typer(group, name="knowledge")


@group.command(epilog=examples("ratchet knowledge collections", "ratchet knowledge collections --json"))
def collections(ctx: typer.Context, as_json: Json = False) -> None:
    """List the collections: how much each holds, and which embedder made it."""
    from rich.table import Table

    from agent.cli.output import counted, foreign, out, print_json
    from knowledge.index import collections as known_collections

    settings = invocation(ctx).settings()
    known = known_collections(settings.indexes_folder)
    if as_json:
        print_json([asdict(facts) for facts in known])
        return
    table = Table.grid(padding=(0, 2))
    for facts in known:
        mark = "→" if facts.name == settings.knowledge.collection else " "
        rest = (counted(facts.files, "file"), counted(facts.passages, "passage"), f"{facts.bytes / 1e6:,.1f} MB")
        told = [facts.problem] if facts.problem else [*rest, facts.embedder.partition(":")[0]]
        table.add_row(mark, foreign(facts.name, "cyan"), *map(foreign, told))
    out().print(table if known else "There are no collections yet. Add documents with `ratchet ingest FOLDER`.")


@group.command(
    epilog=examples("ratchet knowledge reindex", "RATCHET_KNOWLEDGE__EMBEDDER=ollama:bge-m3 ratchet knowledge reindex")
)
def reindex(ctx: typer.Context, collection: Collection = None, as_json: Json = False) -> None:
    """Make a collection's vectors anew with the embedder of the settings; the old index answers until then.

    The texts are taken from the index, so the documents need not be there. An index that cannot be read is
    made anew from the documents.
    """
    from agent.cli.output import counted, foreign, out, print_json

    settings = invocation(ctx).settings(knowledge={"collection": collection})
    try:
        report = reindex_collection(settings)
    except IngestInterrupted as interrupted:
        ingest.print_interrupted(interrupted)
        raise typer.Exit(exit_codes.INTERRUPTED) from interrupted
    if as_json:
        print_json(report.to_json())
    else:
        embedder = settings.knowledge.embedder
        told = f"{counted(report.passages, 'passage')} embedded anew with {embedder} ({report.seconds:.1f} s)"
        out().print(foreign("✓ ", "green") + foreign(told))


def reindex_collection(settings: Settings) -> IngestReport:
    """Make the index of the settings' collection anew, with a progress bar.

    Raises:
        IndexMissing: there is none.
        KnowledgeError: it cannot be written, or the embedder cannot be used.
    """
    from agent.cli.output import err, foreign, shown_path
    from agent.cli.progress import progress_bar
    from agent.documents import add, open_embeddings
    from knowledge.index.state import earlier_roots
    from knowledge.ingest import reindex as run_reindex

    with closing(open_embeddings(settings)) as embeddings, progress_bar() as on_progress:
        try:
            return run_reindex(settings.index_folder, embeddings, on_progress=on_progress)
        except IndexCorrupt as error:
            roots = earlier_roots(settings.index_folder)
            where = f" in {', '.join(map(shown_path, roots[:5]))}{' …' if len(roots) > 5 else ''}" if roots else ""
            err().print(foreign(f"· {error.what} It is made anew from the documents{where}.", "yellow"))
            return add(settings, embeddings, [], rebuild=True, on_progress=on_progress)


@group.command(epilog=examples("ratchet knowledge compact", "ratchet knowledge compact --collection work"))
def compact(ctx: typer.Context, collection: Collection = None) -> None:
    """Write a collection's index in one piece; done by itself as far as it is worth it."""
    from agent.cli.output import foreign, out
    from knowledge.ingest import compact as run_compact

    settings = invocation(ctx).settings(knowledge={"collection": collection})
    done = run_compact(settings.index_folder)
    out().print(foreign(f"✓ {'In one piece.' if done else 'It was in one piece.'}", "green"))


@group.command(epilog=examples("ratchet knowledge remove old-manual.pdf", "ratchet knowledge remove ./drafts"))
def remove(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders with all below them.", metavar="PATH…")],
    collection: Collection = None,
    as_json: Json = False,
) -> None:
    """Take documents out of a collection; the files themselves stay."""
    from agent.cli.output import counted, foreign, out, print_json, shown_path
    from agent.documents import still_followed
    from knowledge.errors import SourceMissing
    from knowledge.ingest import forget

    settings = invocation(ctx).settings(knowledge={"collection": collection})
    taken = forget(paths, settings.index_folder)
    if as_json:
        print_json({"removed": taken.files, "unfollowed": taken.roots})
    if not taken.files and not taken.roots:
        named = ", ".join(map(str, paths))
        raise SourceMissing(f"Nothing in the collection is from {named}.", fix="See `ratchet knowledge sources`.")
    if as_json:
        return
    if taken.files:
        out().print(foreign(f"✓ {counted(len(taken.files), 'file')} taken out of the collection.", "green"))
    else:
        roots = ", ".join(map(shown_path, taken.roots))
        out().print(foreign(f"✓ No longer followed: {roots}; the collection held no files from there.", "green"))
    for root in still_followed(settings, taken.files):
        out().print(foreign(f"  The next ingest of {shown_path(root)} reads what is still there again.", "yellow"))


@group.command("delete-collection", epilog=examples("ratchet knowledge delete-collection work --yes"))
def delete_collection(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The collection.", metavar="NAME")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a collection for good; the documents themselves stay."""
    from agent.cli.output import foreign, out
    from knowledge.index import delete_collection as delete

    folder = invocation(ctx).settings(knowledge={"collection": name}).index_folder
    if not yes and folder.is_dir():
        typer.confirm(f"Delete the collection {name}?", abort=True)
    delete(folder)
    out().print(foreign(f"✓ Deleted: {name}", "green"))
