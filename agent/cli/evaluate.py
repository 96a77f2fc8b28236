"""`ratchet knowledge eval` and `ratchet knowledge questions`: how well the search finds what it should."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exit_codes import examples
from agent.cli.ingest import Collection
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from agent.config import Settings
    from knowledge.embedders import Embedder
    from knowledge.evaluate import Evaluation, OnProgress
    from knowledge.schema import Passage

_REPORTS = (".md", ".jsonl")
Target = Annotated[Path, typer.Argument(metavar="SET", help="A question set (JSONL), or a folder in BEIR's form.")]


def register(group: typer.Typer) -> None:
    """Add both commands."""
    group.command(
        "eval",
        epilog=examples(
            "ratchet knowledge eval questions.jsonl --misses 5",
            "ratchet knowledge eval ./scifact --split test --json",
            "ratchet knowledge eval questions.jsonl --report misses.md",
        ),
    )(evaluate)
    group.command(
        "questions",
        epilog=examples(
            "ratchet knowledge questions --count 50",
            "ratchet knowledge questions --model openai:gpt-5-mini --out asked.jsonl",
        ),
    )(questions)


def evaluate(  # noqa: PLR0913 - each parameter is an option that the user sees
    ctx: typer.Context,
    target: Target,
    split: Annotated[str, typer.Option(metavar="NAME", help="Which judgments of a BEIR folder to use.")] = "test",
    top_k: Annotated[int | None, typer.Option(min=1, max=50, help="Passages shown to a model, for hit@K.")] = None,
    misses: Annotated[int, typer.Option(min=0, metavar="N", help="Show the N queries that did worst.")] = 0,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every miss to FILE.md or .jsonl.")] = None,
    collection: Collection = None,
    as_json: Json = False,
) -> None:
    """Measure the search with questions whose answers are known."""
    from agent.cli import scores
    from agent.cli.output import print_json

    if report is not None and report.suffix not in _REPORTS:
        raise typer.BadParameter(f"{report} must end in {' or '.join(_REPORTS)}", param_hint="--report")
    settings = invocation(ctx).settings(knowledge={"collection": collection, "top_k": top_k})
    started = time.perf_counter()
    with _embedder(settings) as (embeddings, on_progress):
        measure = evaluate_folder if target.is_dir() else evaluate_questions
        result, notes = measure(settings, target, split, embeddings, on_progress)
    seconds = round(time.perf_counter() - started, 2)
    if report is not None:
        scores.write_report(report, result)
    if as_json:
        worst = {"misses": [miss.to_json() for miss in result.misses(misses)]} if misses else {}
        print_json(result.to_json() | {"seconds": seconds} | notes | worst)
    else:
        scores.print_scores(result, seconds, notes)
        scores.print_misses(result.misses(misses))


Measured = tuple["Evaluation", dict[str, Any]]


def evaluate_folder(
    settings: Settings, folder: Path, split: str, embeddings: Embedder, on_progress: OnProgress | None
) -> Measured:
    """Measure with a test collection; its index is kept in the home for the next time.

    Raises:
        SourceMissing, QuestionSetError: the folder is not in BEIR's form.
        KnowledgeError: its corpus cannot be indexed.
    """
    from knowledge.beir import read_beir
    from knowledge.corpus import beir_queries, open_beir
    from knowledge.evaluate import evaluate as measure

    given = read_beir(folder, split)
    with open_beir(given, settings.home / "evaluations", embeddings, on_progress) as retriever:
        top_k = settings.knowledge.top_k
        return measure(beir_queries(given), retriever, top_k=top_k, on_progress=on_progress), {"split": split}


def evaluate_questions(
    settings: Settings, path: Path, split: str, embeddings: Embedder, on_progress: OnProgress | None
) -> Measured:
    """Measure the collection with a question set; `split` is for test collections only.

    Raises:
        SourceMissing, QuestionSetError: the set is not there, or a line of it cannot be used.
        KnowledgeError: the collection cannot be searched.
    """
    from knowledge.evaluate import evaluate as measure
    from knowledge.index import KnowledgeIndex
    from knowledge.questions import judged, read_questions
    from knowledge.retriever import HybridRetriever

    asked = read_questions(path)
    with closing(KnowledgeIndex.open(settings.index_folder, embeddings.fingerprint)) as index:
        known = index.sources()
        strangers = sorted({question.source for question in asked} - known.keys())
        retriever = HybridRetriever.over(index, embeddings)
        result = measure(judged(asked), retriever, top_k=settings.knowledge.top_k, on_progress=on_progress)
    return result, {"not_indexed": strangers}


def questions(
    ctx: typer.Context,
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many questions.")] = 30,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write them.")] = Path("questions.jsonl"),
    model: Annotated[str | None, typer.Option(metavar="SPEC", help="Let this model write the questions.")] = None,
    collection: Collection = None,
    as_json: Json = False,
) -> None:
    """Propose questions about your documents, for you to edit and to measure with."""
    from agent.cli.output import counted, foreign, print_json, shown_path
    from agent.cli.output import out as console
    from knowledge.errors import QuestionSetError
    from knowledge.index import KnowledgeIndex
    from knowledge.proposals import propose
    from knowledge.questions import save_questions
    from knowledge.schema import IngestProgress

    settings = invocation(ctx).settings(knowledge={"collection": collection})
    proposed = []
    with (
        _embedder(settings) as (embeddings, on_progress),
        closing(KnowledgeIndex.open(settings.index_folder, embeddings.fingerprint)) as index,
    ):
        for question in propose(index, count, write=_writer(settings, model)):
            proposed.append(question)
            if on_progress:
                on_progress(IngestProgress("writing", len(proposed), count))
    if not proposed:
        raise QuestionSetError("Nothing in the collection is prose that a question could be made of.")
    save_questions(proposed, out)
    if as_json:
        print_json({"questions": len(proposed), "file": str(out.absolute())})
        return
    by_model = sum(question.origin == "model" for question in proposed)
    who = f", {by_model} by the model" if model else ""
    console().print(foreign(f"{counted(len(proposed), 'question')}{who} in {shown_path(out)}"))
    console().print("Drop, reword and add lines, then run:")
    console().print(foreign(f"  ratchet knowledge eval {shown_path(out)}"))


def _writer(settings: Settings, spec: str | None) -> Callable[[Passage], str] | None:
    """What makes a question of a passage: a chat model, or nothing for the templates."""
    if spec is None:
        return None
    from agent import prompts
    from agent.models import build_chat_model

    model = build_chat_model(spec, settings)
    return lambda passage: str(model.invoke(prompts.ASK_ABOUT.format(passage=passage.text)).text)


@contextmanager
def _embedder(settings: Settings) -> Iterator[tuple[Embedder, OnProgress | None]]:
    """The embedder, which remembers what it embedded for an evaluation, and a progress bar."""
    from agent.cli.progress import progress_bar
    from agent.embedder import build_embedder
    from knowledge.embedders import CachedEmbeddings

    embedder = build_embedder(settings)
    folder = settings.home / "evaluations"
    with closing(CachedEmbeddings(embedder, folder)) as embeddings, progress_bar() as on_progress:
        yield embeddings, on_progress
