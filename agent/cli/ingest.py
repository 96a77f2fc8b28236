"""`ratchet ingest`: documents into the index, once or for as long as they change."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import exit_codes
from agent.cli.exit_codes import examples
from agent.cli.seam import Json, invocation
from knowledge.errors import IngestInterrupted

if TYPE_CHECKING:
    from rich.text import Text

    from agent.config import Settings
    from knowledge.schema import IngestReport

_COUNTS = ("added", "updated", "moved", "unchanged", "removed")
_CHANGES = ("added", "updated", "moved", "removed")
_MOST_MISSING = 20  # told one by one
Collection = Annotated[str | None, typer.Option(metavar="NAME", help="Use this collection of documents.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "ratchet ingest ./docs",
            "ratchet ingest manual.pdf notes/ --collection work",
            "ratchet ingest https://example.org/handbook.html",
            "ratchet ingest ./docs --watch",
            "ratchet ingest                      (everything ingested before, again)",
            "ratchet ingest ./docs --json | jq .failed",
        )
    )(ingest)


def ingest(  # noqa: PLR0913 - each parameter is an option that the user sees
    ctx: typer.Context,
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders and web pages; default: all ingested before.", metavar="PATH|URL…"),
    ] = None,
    collection: Collection = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Read everything anew.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try files again that failed before.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on: follow the folders until Ctrl-C.")] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Fetch web pages of this machine and its network, too.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Name the files that still cannot be read.")] = False,
    as_json: Json = False,
) -> None:
    """Read documents into the index; only what changed is read again."""
    from agent.cli.output import print_json

    settings = invocation(ctx).settings(knowledge={"collection": collection})
    named = sources or []
    if watch:
        from agent.cli.follow import follow
        from agent.documents import local_paths

        if rebuild:
            raise typer.BadParameter("choose one of --watch and --rebuild")
        follow(settings, local_paths(settings, named, allow_private=allow_private), retry=retry, as_json=as_json)
        return
    try:
        report = ingest_documents(settings, named, rebuild=rebuild, retry=retry, allow_private=allow_private)
    except IngestInterrupted as interrupted:
        print_interrupted(interrupted)
        raise typer.Exit(exit_codes.INTERRUPTED) from interrupted
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report)
        if verbose and report.failing:
            from agent.cli.sources import print_failures

            print_failures(settings)
    if not done(report):
        raise typer.Exit(exit_codes.OTHER if report.failed or report.failing else exit_codes.MISSING)


def ingest_documents(
    settings: Settings,
    sources: Sequence[str],
    *,
    rebuild: bool = False,
    retry: bool = False,
    allow_private: bool = False,
) -> IngestReport:
    """Ingest with a progress bar on the terminal; needs the embedder but no chat model.

    Raises:
        KnowledgeError: a path is missing or the index cannot be written.
        IngestInterrupted: Ctrl-C.
    """
    from agent.cli.progress import progress_bar
    from agent.documents import add, open_embeddings

    with closing(open_embeddings(settings)) as embeddings, progress_bar() as on_progress:
        return add(
            settings,
            embeddings,
            sources,
            rebuild=rebuild,
            retry=retry,
            allow_private=allow_private,
            on_progress=on_progress,
        )


def done(report: IngestReport) -> bool:
    """Whether an ingest found anything that it could read, now or earlier."""
    return any(getattr(report, name) for name in _COUNTS)


def changed(report: IngestReport) -> bool:
    """Whether there is anything to say about an ingest that is one of many."""
    return bool(report.failed) or any(getattr(report, name) for name in _CHANGES)


def summary(report: IngestReport, *, quiet: bool = False) -> str:
    """The numbers of an ingest in one line; `quiet`: only what changed."""
    from agent.cli.output import counted

    counts = [f"{getattr(report, name):,} {name}" for name in (_CHANGES if quiet else _COUNTS) if getattr(report, name)]
    counts += [f"{len(report.failed):,} failed"] if report.failed else []
    counts += [f"{report.skipped:,} of types that cannot be read"] if report.skipped and not quiet else []
    return f"{' · '.join(counts or ['no documents there'])} · {counted(report.passages, 'passage')} in the index"


def print_report(report: IngestReport) -> None:
    """What an ingest did, and every file that newly gave nothing, with its reason."""
    from agent.cli.output import counted, foreign, out

    sign = foreign("✓ ", "green") if done(report) else foreign("✗ ", "bold red")
    out().print(sign + foreign(f"{summary(report)} ({report.seconds:.1f} s)"))
    print_failed(report)
    if report.failing:
        still = "still cannot be read; `ratchet knowledge sources --failed` lists them."
        out().print(foreign(f"  · {counted(report.failing, 'file')} {still}", "dim"))
    print_missing(report.missing, foreign("  "))


def print_missing(roots: Sequence[str], before: Text) -> None:
    """A line for each of the first folders that are not there, after some text of the caller's."""
    from agent.cli.output import counted, foreign, out, shown_path

    for root in roots[:_MOST_MISSING]:
        how = "empty, as if its drive were not there" if os.path.isdir(root) else "not there"
        told = f"· {shown_path(root)} is {how}; what was read from it is kept."
        out().print(before + foreign(told, "yellow"))
    if len(roots) > _MOST_MISSING:
        rest = counted(len(roots) - _MOST_MISSING, "more place")
        out().print(before + foreign(f"· {rest} not there; what was read from them is kept.", "yellow"))
    if roots:
        out().print(before + foreign("· To forget what was read from a place: `ratchet knowledge remove PATH`.", "dim"))


def print_failed(report: IngestReport) -> None:
    """A line for each file that cannot be read."""
    from rich.text import Text

    from agent.cli.output import foreign, one_line, out, shown_path

    for failure in report.failed:
        told = one_line(f"{shown_path(failure.source)}: {failure.reason}", 1000)
        out().print(Text("  ✗ ", style="red") + foreign(told))


def print_interrupted(interrupted: IngestInterrupted) -> None:
    """How an ingest stands that was stopped."""
    from agent.cli.output import err, foreign

    err().print(foreign(f"· {interrupted.what} {interrupted.kept} {interrupted.fix}", "yellow"))
