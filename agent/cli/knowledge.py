"""`ratchet ingest` and `ratchet search`: documents in, passages out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import exit_codes
from agent.cli.exit_codes import examples
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from agent.config import Settings
    from knowledge.schema import IngestReport, Retrieval

_COUNTS = ("added", "updated", "unchanged", "removed")
Collection = Annotated[str | None, typer.Option(metavar="NAME", help="Use this collection of documents.")]


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command(
        epilog=examples(
            "ratchet ingest ./docs",
            "ratchet ingest manual.pdf notes/ --collection work",
            "ratchet ingest ./docs --json | jq .failed",
        )
    )(ingest)
    app.command(epilog=examples('ratchet search "dependency injection"', "ratchet search warranty --k 10 --json"))(
        search
    )


def ingest(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to read.", metavar="PATH…")],
    collection: Collection = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Read everything anew, as for another embedder.")] = False,
    as_json: Json = False,
) -> None:
    """Read documents into the index; only what changed is read again."""
    from agent.cli.output import print_json

    settings = invocation(ctx).settings(knowledge={"collection": collection})
    report = ingest_documents(settings, paths, rebuild=rebuild)
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report)
    if not done(report):
        raise typer.Exit(exit_codes.OTHER if report.failed else exit_codes.MISSING)


def ingest_documents(settings: Settings, paths: Sequence[Path], *, rebuild: bool = False) -> IngestReport:
    """Ingest with a progress bar on the terminal; needs the embedder but no chat model.

    Raises:
        KnowledgeError: a path is missing or the index cannot be written.
    """
    from contextlib import closing

    from agent.cli.progress import progress_bar
    from knowledge.embeddings import build_embeddings
    from knowledge.ingest import ingest as run_ingest

    embeddings = build_embeddings(settings.knowledge.embedder, settings.models_folder)
    with closing(embeddings), progress_bar() as on_progress:
        named = [path.expanduser() for path in paths]
        return run_ingest(named, settings.index_folder, embeddings, rebuild=rebuild, on_progress=on_progress)


def done(report: IngestReport) -> bool:
    """Whether an ingest found anything that it could read, now or earlier."""
    return bool(report.added or report.updated or report.unchanged or report.removed)


def print_report(report: IngestReport) -> None:
    """What an ingest did, and every file that gave nothing, with its reason."""
    from rich.text import Text

    from agent.cli.output import counted, foreign, out, shown_path

    counts = [f"{getattr(report, name)} {name}" for name in _COUNTS if getattr(report, name)]
    counts += [f"{len(report.failed)} failed"] if report.failed else []
    counts += [f"{report.skipped} of types that cannot be read"] if report.skipped else []
    sign = foreign("✓ ", "green") if done(report) else foreign("✗ ", "bold red")
    summary = " · ".join(counts or ["no documents there"])
    out().print(
        sign + foreign(f"{summary} · {counted(report.passages, 'passage')} in the index ({report.seconds:.1f} s)")
    )
    for failure in report.failed:
        line = Text("  ✗ ", style="red") + foreign(f"{shown_path(failure.source)}: {failure.reason}")
        out().print(line)


def search(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int | None, typer.Option("--k", "-k", min=1, max=50, help="How many passages.")] = None,
    collection: Collection = None,
    as_json: Json = False,
) -> None:
    """Find passages without asking a model."""
    from agent.cli.output import print_json

    found = search_documents(invocation(ctx).settings(knowledge={"collection": collection}), query, k)
    if as_json:
        print_json([passage.to_json() for passage in found.passages])
    else:
        print_found(found)


def search_documents(settings: Settings, query: str, k: int | None = None) -> Retrieval:
    """Search the collection; needs the embedder but no chat model.

    Raises:
        IndexMissing: nothing has been ingested.
        KnowledgeError: the index cannot be used.
    """
    from contextlib import closing

    from knowledge.embeddings import build_embeddings
    from knowledge.index import KnowledgeIndex
    from knowledge.retriever import HybridRetriever

    embeddings = build_embeddings(settings.knowledge.embedder, settings.models_folder)
    with (
        closing(embeddings),
        closing(KnowledgeIndex.open(settings.index_folder, embeddings.fingerprint)) as index,
    ):
        retriever = HybridRetriever(index=index, embeddings=embeddings, top_k=settings.knowledge.top_k)
        return retriever.search(query, k)


def print_found(found: Retrieval) -> None:
    """Passages, best first, with the words of the query standing out."""
    from rich.text import Text

    from agent.cli.output import foreign, one_line, out
    from agent.cli.render import indented, place

    console = out()
    if not found.passages:
        console.print("Nothing found.")
    for number, passage in enumerate(found.passages, 1):
        head = Text(f"{number:>2}. ", style="bold cyan")
        head += foreign(place(passage.source, passage.heading, passage.locator), "bold")
        console.print(head + Text(f"  {passage.score:.3f}", style="dim"))
        excerpt = foreign(one_line(excerpt_around(passage.text, found.query), max(60, console.width - 4) * 2 - 4))
        excerpt.highlight_words(query_words(found.query), "bold yellow", case_sensitive=False)
        console.print(indented(excerpt))
    if found.passages and not found.relevant:
        console.print(foreign("· None of these is close to the query.", "dim"))


def query_words(query: str) -> list[str]:
    """The words of a query worth highlighting."""
    return [word for word in re.findall(r"\w+", query) if len(word) > 2]


def excerpt_around(text: str, query: str) -> str:
    """The text from a little before the first word of the query that stands in it."""
    lowered = text.lower()
    places = [place for word in query.lower().split() if len(word) > 3 and (place := lowered.find(word)) >= 0]
    start = min(places, default=0)
    if start < 80:
        return text
    return "…" + text[text.find(" ", start - 60) :]
