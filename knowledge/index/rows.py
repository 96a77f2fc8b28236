"""Rows of an index: numbers that run through its segments, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from knowledge.index.bm25 import best

if TYPE_CHECKING:
    import numpy as np

Span = tuple[int, int]  # first row and number of rows
Scored = tuple["np.ndarray", "np.ndarray"]  # rows and their scores, best first


def split(rows: Sequence[int] | np.ndarray, starts: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The distinct rows by segment, counted in it, ascending; only segments that have any.

    Args:
        rows: of the index.
        starts: the first row of every segment, and the number of all rows.
    """
    import numpy as np

    rows = np.unique(np.asarray(rows, dtype=np.int64))
    edges = np.searchsorted(rows, starts)
    for number, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        if low < high:
            yield number, rows[low:high] - starts[number]


def unclaimed(spans: Sequence[Span], starts: np.ndarray) -> list[np.ndarray]:
    """For each segment the rows, counted in it, that lie in none of the spans."""
    import numpy as np

    changes = np.zeros(int(starts[-1]) + 1, dtype=np.int64)
    if spans:
        firsts, counts = np.array(spans, dtype=np.int64).T
        np.add.at(changes, firsts, 1)
        np.add.at(changes, firsts + counts, -1)
    free = np.cumsum(changes)[:-1] == 0
    return [np.flatnonzero(free[low:high]) for low, high in zip(starts, starts[1:], strict=False)]


def best_of(found: Sequence[Scored], k: int) -> Scored:
    """The k best of what the segments found: (rows int64, scores float32), best first."""
    import numpy as np

    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    rows, scores = (np.concatenate([each[place] for each in found]) for place in (0, 1))
    order = best(scores, k)
    return rows[order].astype(np.int64), scores[order]
