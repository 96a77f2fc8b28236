"""`ratchet knowledge tune`: adapt the search to one's own documents, if that measures better."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exit_codes import examples
from agent.cli.ingest import Collection
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from agent.config import Settings
    from knowledge.tune import TuneReport


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(
        epilog=examples(
            "ratchet knowledge tune",
            "ratchet knowledge tune --questions questions.jsonl --collection work",
            "ratchet knowledge tune --forget",
        )
    )(tune)


def tune(  # noqa: PLR0913 - each parameter is an option that the user sees
    ctx: typer.Context,
    questions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Learn from this question set; default: proposed questions.")
    ] = None,
    count: Annotated[int, typer.Option(min=40, max=20_000, help="How many questions to propose.")] = 600,
    forget: Annotated[bool, typer.Option("--forget", help="Search as before any tuning.")] = False,
    collection: Collection = None,
    as_json: Json = False,
) -> None:
    """Adapt the search to a collection: learn from questions about it, keep what measures better."""
    from agent.cli.output import counted, foreign, out, print_json
    from knowledge.query_adapter import forget as forget_adapter

    settings = invocation(ctx).settings(knowledge={"collection": collection})
    if forget:
        there = forget_adapter(settings.index_folder)
        out().print("✓ The search is as before any tuning." if there else "The search has not been tuned.")
        return
    report = tune_collection(settings, questions, count)
    if as_json:
        print_json(report.to_json())
        return
    low, high = report.gain
    sign = foreign("✓ ", "green") if report.accepted else foreign("· ", "yellow")
    verdict = "in use from now on" if report.accepted else "not better beyond doubt, so the search stays as it was"
    out().print(sign + foreign(f"Learned from {counted(report.questions, 'question')}: {verdict}."))
    measured = f"{counted(report.measured, 'question')} about other files"
    out().print(
        foreign(f"  nDCG@10 on {measured}: {report.before:.3f} → {report.after:.3f} (gain {low:+.3f} to {high:+.3f})")
    )


def tune_collection(settings: Settings, questions: Path | None, count: int) -> TuneReport:
    """Learn an adapter for the collection of the settings, with a progress bar.

    Raises:
        SourceMissing, QuestionSetError: the question set cannot be used.
        KnowledgeError: nothing is indexed, or too little to learn from.
    """
    from agent.cli.progress import progress_bar
    from agent.documents import open_embeddings
    from knowledge.index import KnowledgeIndex
    from knowledge.proposals import propose
    from knowledge.questions import read_questions
    from knowledge.tune import tune as learn

    embeddings = open_embeddings(settings)
    with (
        closing(embeddings),
        closing(KnowledgeIndex.open(settings.index_folder, embeddings.fingerprint)) as index,
        progress_bar() as on_progress,
    ):
        asked = read_questions(questions) if questions else list(propose(index, count))
        return learn(index, embeddings, asked, on_progress=on_progress)
