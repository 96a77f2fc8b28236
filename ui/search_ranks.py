"""How a search came about: where each passage stands by meaning, by words, and by both together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from knowledge.schema import Passage

if TYPE_CHECKING:
    from knowledge.retriever import HybridRetriever

DEPTH = 10  # places of each ranking that are compared


@dataclass(frozen=True, slots=True)
class Standing:
    """One passage in the three rankings; a place is counted from 1, None when it is not among the best `DEPTH`.

    Attributes:
        passage: what was found.
        meaning: its place by likeness of meaning.
        words: its place by the words it shares with the query.
        fused: its place by both.
        cosine: likeness of meaning, in [-1, 1].
        bm25: weight of the shared words, at least 0.
        score: what `fused` goes by.
        shown: whether a chat would give it to the model.
    """

    passage: Passage
    meaning: int | None
    words: int | None
    fused: int | None
    cosine: float
    bm25: float
    score: float
    shown: bool


@dataclass(frozen=True, slots=True)
class SearchRanks:
    """The outcome of `search_ranks`.

    Attributes:
        query: what was searched for.
        terms: the words of the query as the index knows them.
        standings: best by both together first, then those that only one ranking found.
        relevant: whether a chat would show any of it to the model.
        confidence: probability in [0, 1] that the passages answer the query.
        seconds: how long the search took, as a chat would do it.
    """

    query: str
    terms: tuple[str, ...]
    standings: tuple[Standing, ...]
    relevant: bool
    confidence: float
    seconds: float

    def ordered(self, ranking: Callable[[Standing], int | None]) -> list[Standing]:
        """Those that have a place in a ranking, in its order."""
        placed = [(place, each) for each in self.standings if (place := ranking(each)) is not None]
        return [each for _, each in sorted(placed, key=lambda pair: pair[0])]


def search_ranks(retriever: HybridRetriever, query: str, depth: int = DEPTH) -> SearchRanks:
    """Search as a chat does, and each way by itself.

    Args:
        retriever: over an open index.
        query: a question or key words.
        depth: places of each ranking.

    Raises:
        EmbedderError: the query cannot be embedded.
        IndexCorrupt: the index cannot be read any more.
    """
    import numpy as np

    from knowledge.analysis import query_terms

    found = retriever.search(query)
    query = found.query
    if not query or not retriever.index.size:
        return SearchRanks(query, (), (), False, 0.0, found.seconds)
    index, terms = retriever.index, query_terms(query)
    weights = dict.fromkeys(terms, 1.0)
    vector = retriever.embeddings.query_vector(query)
    moved = vector if retriever.adapter is None else retriever.adapter.apply(vector)
    near = index.search_dense(moved, depth)[0].tolist()
    worded = index.search_lexical(weights, depth)[0].tolist()
    fused = dict(retriever.rank(query, depth))
    rows = list(dict.fromkeys((*fused, *near, *worded)))
    cosines = (index.vectors(np.array(rows)) @ vector).tolist()
    weighed = index.lexical_scores(weights, np.array(rows)).tolist()
    by_meaning, by_words, by_both = (_places(ranking) for ranking in (near, worded, list(fused)))
    shown = {passage.id for passage in found.passages} if found.relevant else set()
    standings = [
        Standing(
            passage,
            by_meaning.get(row),
            by_words.get(row),
            by_both.get(row),
            cosine,
            bm25,
            fused.get(row, 0.0),
            passage.id in shown,
        )
        for row, passage, cosine, bm25 in zip(rows, index.passages(rows), cosines, weighed, strict=True)
    ]
    return SearchRanks(query, tuple(terms), tuple(standings), found.relevant, found.confidence, found.seconds)


def _places(rows: list[int]) -> dict[int, int]:
    return {row: place for place, row in enumerate(rows, 1)}
