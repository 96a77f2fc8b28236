"""How well the search finds what it should: over judged queries, with confidence intervals and every miss.

What is measured is the product itself: the same chunker, embedder, index and retriever as everywhere else. An
item (a document of a test collection, a place in one's own documents) ranks where its best passage ranks.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from knowledge.metrics import interval, ndcg, recall, reciprocal_rank
from knowledge.schema import IngestProgress, Passage

if TYPE_CHECKING:
    from knowledge.retriever import HybridRetriever

DEPTH = 300  # passages ranked per query: enough for a hundred documents of a few passages each
_SHOWN = 10
OnProgress = Callable[[IngestProgress], None]


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query and what should be found for it.

    Attributes:
        id: names the query in a report.
        text: what is searched for.
        gains: by item, how much it is worth; items not named are worth nothing.
        item: which item a passage found belongs to.
        expected: what should be found, for people: document ids, or a place.
    """

    id: str
    text: str
    gains: Mapping[str, int]
    item: Callable[[Passage], str]
    expected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one query found.

    Attributes:
        query: the query.
        found: the first items, best first, each with its best passage.
        rank: of the first relevant item, from 1; 0 when none was found.
        scores: by the name of the metric, in [0, 1].
        milliseconds: how long the search took, embedding included.
    """

    query: JudgedQuery
    found: tuple[tuple[str, Passage], ...]
    rank: int
    scores: Mapping[str, float]
    milliseconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values; of a passage found, its place and text."""
        found = [
            {
                "relevant": relevant,
                "source": hit.source,
                "heading": hit.heading,
                "locator": hit.locator,
                "text": hit.text,
            }
            for relevant, hit in self.hits()
        ]
        facts = {"id": self.query.id, "query": self.query.text, "rank": self.rank}
        return facts | {"expected": list(self.query.expected), "scores": dict(self.scores), "found": found}

    def hits(self) -> Iterator[tuple[bool, Passage]]:
        """What was found, best first, each with whether it is relevant."""
        return ((self.query.gains.get(item, 0) > 0, hit) for item, hit in self.found)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome of every query.

    Attributes:
        outcomes: in the order of the queries.
        passages: how many were searched.
        seconds: from the first query to the last.
    """

    outcomes: tuple[Outcome, ...]
    passages: int
    seconds: float

    @property
    def means(self) -> dict[str, float]:
        """Each metric's mean over the queries."""
        return {name: statistics.fmean(self._values(name)) for name in self.outcomes[0].scores}

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The 95 % confidence interval of each mean."""
        return {name: interval(self._values(name)) for name in self.outcomes[0].scores}

    def _values(self, name: str) -> list[float]:
        return [outcome.scores[name] for outcome in self.outcomes]

    def misses(self, most: int | None = None) -> list[Outcome]:
        """The queries that did not do as well as they could, worst first."""
        imperfect = [outcome for outcome in self.outcomes if outcome.scores["ndcg@10"] < 1]
        return sorted(imperfect, key=lambda outcome: (outcome.scores["ndcg@10"], -outcome.rank))[:most]

    def to_json(self) -> dict[str, Any]:
        """The means by name, `seconds`, and beside them intervals, counts and milliseconds per query."""
        times = sorted(outcome.milliseconds for outcome in self.outcomes)
        middle, late = times[len(times) // 2], times[min(len(times) - 1, len(times) * 95 // 100)]
        return {name: round(value, 4) for name, value in self.means.items()} | {
            "seconds": round(self.seconds, 2),
            "intervals": {name: [round(end, 4) for end in ends] for name, ends in self.intervals.items()},
            "queries": len(self.outcomes),
            "passages": self.passages,
            "milliseconds": {"p50": round(middle, 1), "p95": round(late, 1)},
        }


def evaluate(
    queries: Sequence[JudgedQuery],
    retriever: HybridRetriever,
    *,
    top_k: int = 5,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Search for every query and compare what comes first with what should.

    Args:
        queries: at least one.
        retriever: over the documents that the queries are about.
        top_k: how many passages an agent would be shown; `hit@top_k` is the share of queries that find a
            relevant item among those.
        on_progress: called after every query.

    Raises:
        EmbedderError, IndexCorrupt: the search failed.
    """
    started = time.perf_counter()
    retriever.rank(queries[0].text, 1)  # the first search loads the model, which is not the search's time
    outcomes = []
    for done, query in enumerate(queries, start=1):
        outcomes.append(_outcome(query, retriever, top_k))
        if on_progress:
            on_progress(IngestProgress("searching", done, len(queries)))
    return Evaluation(tuple(outcomes), retriever.index.size, time.perf_counter() - started)


def _outcome(query: JudgedQuery, retriever: HybridRetriever, top_k: int) -> Outcome:
    started = time.perf_counter()
    rows = [row for row, _ in retriever.rank(query.text, DEPTH)]
    milliseconds = 1000 * (time.perf_counter() - started)
    best: dict[str, Passage] = {}
    passages = retriever.index.passages(rows)
    for passage in passages:
        best.setdefault(query.item(passage), passage)
    order = list(best)
    rank = next((rank for rank, item in enumerate(order, start=1) if query.gains.get(item, 0) > 0), 0)
    shown = {query.item(passage) for passage in passages[:top_k]}
    scores = {
        "ndcg@10": ndcg(order, query.gains, 10),
        "recall@10": recall(order, query.gains, 10),
        "recall@100": recall(order, query.gains, 100),
        "mrr@10": reciprocal_rank(order, query.gains, 10),
        f"hit@{top_k}": float(any(query.gains.get(item, 0) > 0 for item in shown)),
    }
    return Outcome(query, tuple(islice(best.items(), _SHOWN)), rank, scores, milliseconds)
