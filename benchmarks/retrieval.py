"""What each step of the search adds and costs: one embedder, one index, the same queries, in one run.

words      BM25 alone                                meaning    cosine alone
RRF        reciprocal rank fusion of the two, k = 60, as hybrid search is mostly done
fused      the convex combination of `knowledge.ranking`
feedback   the same with the query expanded from the first passages: what `ratchet search` does
tuned      with a query adapter learned from questions that `ratchet knowledge questions` proposes (with --tune)
reranked   with a cross-encoder over the first passages (with --reranker st:PATH)

    python -m benchmarks.retrieval ../shared/data/dev/scifact ../shared/data/dev/cranfield
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.config import load_settings
from benchmarks.measure import Table, arguments, machine, publish
from knowledge.analysis import query_terms
from knowledge.beir import read_beir
from knowledge.corpus import beir_queries, open_beir
from knowledge.embedders import build_embeddings
from knowledge.evaluate import evaluate
from knowledge.index import KnowledgeIndex
from knowledge.proposals import propose
from knowledge.query_adapter import QueryAdapter
from knowledge.reranking import build_reranker
from knowledge.retriever import HybridRetriever
from knowledge.tune import tune

Ranked = list[tuple[int, float]]
_RRF = 60


@dataclass(frozen=True)
class Way:
    """A way to rank that can be evaluated in the retriever's place."""

    index: KnowledgeIndex
    rank: Callable[[str, int], Ranked]


def by_words(retriever: HybridRetriever, query: str, k: int) -> Ranked:
    """BM25 alone."""
    rows, scores = retriever.index.search_lexical(dict.fromkeys(query_terms(query), 1.0), k)
    return list(zip(rows.tolist(), scores.tolist(), strict=True))


def by_meaning(retriever: HybridRetriever, query: str, k: int) -> Ranked:
    """Cosine alone."""
    rows, scores = retriever.index.search_dense(retriever.embeddings.query_vector(query), k)
    return list(zip(rows.tolist(), scores.tolist(), strict=True))


def by_rank_fusion(retriever: HybridRetriever, query: str, k: int) -> Ranked:
    """Reciprocal rank fusion (Cormack et al., SIGIR 2009)."""
    scores: dict[int, float] = {}
    for ranked in (by_words(retriever, query, k), by_meaning(retriever, query, k)):
        for place, (row, _) in enumerate(ranked, start=1):
            scores[row] = scores.get(row, 0.0) + 1 / (_RRF + place)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:k]


def by_reading(retriever: HybridRetriever, query: str, k: int) -> Ranked:
    """The retriever's ranking with the first passages reranked."""
    ranked = retriever.rank(query, k)
    first, rest = ranked[:30], ranked[30:]
    texts = [passage.text for passage in retriever.index.passages([row for row, _ in first])]
    scores = retriever.reranker.scores(query, texts)
    best = sorted(zip([row for row, _ in first], scores, strict=True), key=lambda item: -item[1])
    return best + rest


def ways(retriever: HybridRetriever, given: Any) -> Iterator[tuple[str, Any]]:
    """Every way to rank, by name, the simplest first."""
    index = retriever.index
    for name, rank in (("words", by_words), ("meaning", by_meaning), ("RRF", by_rank_fusion)):
        yield name, Way(index, lambda query, k, rank=rank: rank(retriever, query, k))  # type: ignore[misc]
    yield "fused", retriever.model_copy(update={"feedback": False})
    yield "feedback (default)", retriever
    if given.tune:
        report = tune(index, retriever.embeddings, list(propose(index, given.tune)))
        adapter = QueryAdapter.load(index.folder, retriever.embeddings.fingerprint)
        if report.accepted and adapter is not None:
            yield f"tuned on {report.questions} proposed questions", retriever.model_copy(update={"adapter": adapter})
        else:
            yield f"tuned on {report.questions} proposed questions: refused by its own measure", retriever
    if given.reranker:
        reading = retriever.model_copy(update={"reranker": build_reranker(given.reranker)})
        yield "reranked", Way(index, lambda query, k: by_reading(reading, query, k))


def measured(folder: Path, given: Any, home: Path, embeddings: Any) -> tuple[Table, dict[str, Any]]:
    """One test collection through every way."""
    beir = read_beir(folder, given.split)
    rows, results = [], {}
    with open_beir(beir, home, embeddings, None) as retriever:
        for name, way in ways(retriever, given):
            figures = evaluate(beir_queries(beir), way).to_json()
            low, high = figures["intervals"]["ndcg@10"]
            times = figures["milliseconds"]
            shown = [f"{figures[key]:.3f}" for key in ("ndcg@10", "recall@10", "recall@100", "mrr@10")]
            rows.append([name, shown[0], f"{low:.3f}–{high:.3f}", *shown[1:], times["p50"], times["p95"]])
            results[name] = figures
    head = ("way", "nDCG@10", "95 %", "recall@10", "recall@100", "MRR@10", "ms p50", "ms p95")
    return Table(f"{folder.name}, {given.split}: {len(beir_queries(beir))} queries", head, rows), results


def main() -> None:
    """Measure every folder named and print a table for each."""
    parser = arguments(__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="test collections in BEIR's form")
    parser.add_argument("--split", default="test")
    parser.add_argument("--tune", type=int, default=0, metavar="N", help="also with an adapter from N questions")
    parser.add_argument("--reranker", default="", metavar="SPEC", help="also with a cross-encoder, st:PATH")
    parser.add_argument("--keep", type=Path, help="keep the indexes in this folder for the next run")
    given = parser.parse_args()
    facts = machine()
    settings = load_settings()
    embeddings = build_embeddings(settings.knowledge.embedder, settings.models_folder)
    with tempfile.TemporaryDirectory() as work:
        done = [measured(folder, given, given.keep or Path(work), embeddings) for folder in given.folders]
    results = {folder.name: figures for folder, (_, figures) in zip(given.folders, done, strict=True)}
    publish(facts, results, [table for table, _ in done], given.json)


if __name__ == "__main__":
    main()
