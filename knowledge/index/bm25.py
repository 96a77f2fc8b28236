"""BM25 over the postings of one segment, with statistics of the whole index.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the idf of Lucene,
which is never negative. Frequent terms are left out of the count where they cannot change the best rows any
more: Turtle and Flood, "Query evaluation: strategies and optimizations" (1995), known as MaxScore.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from knowledge.index.postings import Postings

if TYPE_CHECKING:
    import numpy as np

K1 = 1.5  # terms are counted twice where they stand, see `segment.terms_in_context`
B = 0.6
_WORTH_A_LOOK = 0.01  # postings of a term per row of the segment, above which leaving it out is considered
Weighted = tuple[int, float]


def idf(documents: int, frequency: int) -> float:
    """How much a term says that `frequency` of so many documents hold."""
    return math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))


def best(scores: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k highest scores, highest first; of equal ones the earlier first."""
    import numpy as np

    if k < 1:
        return np.empty(0, dtype=np.int64)
    found = np.argpartition(scores, len(scores) - k)[len(scores) - k :] if k < len(scores) else np.arange(len(scores))
    return found[np.lexsort((found, -scores[found]))]


class Scorer:
    """Scores rows of one segment.

    Args:
        postings: of the segment.
        average: terms per row in the whole index.
    """

    def __init__(self, postings: Postings, average: float) -> None:
        self._postings = postings
        norm = K1 * (1 - B + B * postings.lengths / max(average, 1.0))
        self._norm = norm.astype("f4")
        # The same words are asked for again and again; bounded, as queries come from outside.
        self._find = lru_cache(maxsize=10_000)(postings.find)

    def scores(self, terms: Sequence[Weighted], rows: np.ndarray) -> np.ndarray:
        """BM25 of some rows, which ascend; float32 [len(rows)]."""
        import numpy as np

        found = np.zeros(len(rows), dtype=np.float32)
        for term, factor in terms:
            self._add(found, rows, self._find(term), factor)
        return found

    def search(self, terms: Sequence[Weighted], k: int, excluded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The k best rows that hold any of the terms, with their scores, best first.

        Args:
            terms: hashes with factors above 0: idf times the weight in the query.
            k: how many rows at most.
            excluded: rows that shall not be found.
        """
        import numpy as np

        spans = [(self._find(term), factor) for term, factor in terms]
        spans = sorted((each for each in spans if each[0].stop > each[0].start), key=_length)
        scores = np.zeros(len(self._norm), dtype=np.float32)
        ahead = sum(factor for _, factor in spans)
        for number, (span, factor) in enumerate(spans):
            if number and _length((span, factor)) > _WORTH_A_LOOK * len(scores):
                scores[excluded] = 0
                rows = _within_reach(scores, k, ahead)
                if rows is not None:
                    found = scores[rows]
                    for later, weight in spans[number:]:
                        self._add(found, rows, later, weight)
                    return _top(rows, found, k)
            rows = self._postings.rows[span]
            scores[rows] += self._parts(rows, self._postings.counts[span], factor)
            ahead -= factor
        scores[excluded] = 0
        rows = np.flatnonzero(scores)
        return _top(rows, scores[rows], k)

    def _add(self, found: np.ndarray, rows: np.ndarray, span: slice, factor: float) -> None:
        """Add what one term contributes to some rows, which ascend."""
        import numpy as np

        holders = self._postings.rows[span]
        if not len(holders) or not len(rows):
            return
        at = np.minimum(np.searchsorted(holders, rows.astype(holders.dtype)), len(holders) - 1)
        hit = np.flatnonzero(holders[at] == rows)
        found[hit] += self._parts(rows[hit], self._postings.counts[span][at[hit]], factor)

    def _parts(self, rows: np.ndarray, counts: np.ndarray, factor: float) -> np.ndarray:
        import numpy as np

        frequency = counts.astype(np.float32)
        parts: np.ndarray = frequency / (frequency + self._norm[rows])
        parts *= np.float32(factor)
        return parts


def _within_reach(scores: np.ndarray, k: int, ahead: float) -> np.ndarray | None:
    """Rows that can still be among the k best when at most `ahead` is added; None when rows without a score can."""
    import numpy as np

    rows = np.flatnonzero(scores)
    if len(rows) <= k:
        return None
    values = scores[rows]
    threshold = float(np.partition(values, len(values) - k)[len(values) - k])
    if ahead >= threshold:
        return None
    return rows[values + ahead * 1.000001 >= threshold]  # sums of float32 round either way


def _length(each: tuple[slice, float]) -> int:
    return int(each[0].stop - each[0].start)


def _top(rows: np.ndarray, scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    order = best(scores, min(k, len(rows)))
    return rows[order], scores[order]
