"""Which rows hold which term, and how often: four arrays of numbers per segment, memory-mapped.

    terms.u64    64-bit hashes of the terms, ascending
    starts.i64   where each term's postings begin, and the end of the last
    rows.u32     rows that hold the term, ascending within a term
    counts.u8    how often each of those rows holds it, at most 255: BM25 has levelled off long before
    lengths.u32  terms per row, repeats included

A term is known by its hash alone. Among a million terms the chance that any two share one is 3 in 10^8, and
all it would do is rank some passages too high; in return, segments are merged without a look at a string.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from knowledge.index.sealing import mapped

if TYPE_CHECKING:
    import numpy as np

FILES = ("terms.u64", "starts.i64", "rows.u32", "counts.u8", "lengths.u32")
_DTYPES = ("<u8", "<i8", "<u4", "u1", "<u4")
_MOST_COUNT = 255
_AT_ONCE = 4_000_000  # postings merged in memory at a time


@dataclass(frozen=True, slots=True)
class Postings:
    """The arrays of one segment, as described above."""

    terms: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    counts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def open(cls, path: Callable[[str], Path]) -> Postings:
        """Map the arrays; `path` gives the file of a name."""
        return cls(*(mapped(path(name), dtype) for name, dtype in zip(FILES, _DTYPES, strict=True)))

    def find(self, term: int) -> slice:
        """Where the postings of a term's hash lie in `rows` and `counts`; empty when there are none."""
        import numpy as np

        at = int(np.searchsorted(self.terms, np.uint64(term)))
        if at == len(self.terms) or int(self.terms[at]) != term:
            return slice(0, 0)
        return slice(int(self.starts[at]), int(self.starts[at + 1]))


@lru_cache(maxsize=100_000)
def term_hash(term: str) -> int:
    """The 64 bits by which a term is known."""
    return int.from_bytes(hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class TermCollector:
    """Gathers the terms of rows, in order, until they are turned into postings."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._found = array("I")
        self._lengths = array("I")

    def __len__(self) -> int:
        return len(self._lengths)

    def add(self, terms: Sequence[str]) -> None:
        """The terms of the next row."""
        numbers = self._numbers
        self._found.extend([numbers.setdefault(term, len(numbers)) for term in terms])
        self._lengths.append(len(terms))

    def postings(self) -> Postings:
        """What was gathered so far."""
        import numpy as np

        hashes = np.fromiter(map(term_hash, self._numbers), dtype=np.uint64, count=len(self._numbers))
        terms, place = np.unique(hashes, return_inverse=True)
        lengths = np.array(self._lengths, dtype=np.int64)
        width = max(len(lengths), 1)
        keys = place[np.array(self._found, dtype=np.int64)] * width + np.repeat(np.arange(len(lengths)), lengths)
        keys, counts = np.unique(keys, return_counts=True)
        starts = np.searchsorted(keys, np.arange(len(terms) + 1) * width)
        counts = np.minimum(counts, _MOST_COUNT).astype("u1")
        return Postings(terms, starts, (keys % width).astype("<u4"), counts, lengths.astype("<u4"))


@dataclass(frozen=True, slots=True)
class Part:
    """Postings that shall become part of others.

    Attributes:
        postings: of the part.
        target: for each of its rows the row it becomes, ascending; -1 for those that are left out.
    """

    postings: Postings
    target: np.ndarray


def store(postings: Postings, folder: Path) -> None:
    """Write postings into `folder`, raw.

    Raises:
        OSError: the disk refused.
    """
    arrays = (postings.terms, postings.starts, postings.rows, postings.counts, postings.lengths)
    for name, dtype, values in zip(FILES, _DTYPES, arrays, strict=True):
        with (folder / name).open("xb") as file:
            file.write(values.astype(dtype, copy=False).tobytes())


def merge(parts: Sequence[Part], folder: Path) -> None:
    """Write the postings of all parts together, a bounded number of them in memory at a time.

    Args:
        parts: in the order of their target rows; together they fill all rows from 0.
        folder: where the files go.

    Raises:
        OSError: the disk refused.
    """
    import numpy as np

    with _Output(folder) as output:
        lengths = [part.postings.lengths[part.target >= 0] for part in parts]
        output.write("lengths.u32", np.concatenate(lengths))
        total = 0
        for low, high in _chunks([part.postings for part in parts]):
            terms, sizes, rows, counts = _merged(parts, low, high)
            output.write("terms.u64", terms)
            output.write("rows.u32", rows)
            output.write("counts.u8", counts)
            output.write("starts.i64", total + np.cumsum(sizes) - sizes)
            total += int(sizes.sum())
        output.write("starts.i64", np.array([total]))


def _chunks(parts: Sequence[Postings]) -> Iterator[tuple[int, int]]:
    """Ranges of hashes, both ends included, that hold about `_AT_ONCE` postings each."""
    import numpy as np

    terms = np.unique(np.concatenate([part.terms for part in parts]))
    sizes = np.zeros(len(terms), dtype=np.int64)
    for part in parts:
        sizes[np.searchsorted(terms, part.terms)] += np.diff(part.starts)
    group = (np.cumsum(sizes) - sizes) // _AT_ONCE
    edges = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(terms)]
    for start, end in zip(edges, edges[1:], strict=False):
        if start < end:
            yield int(terms[start]), int(terms[end - 1])


def _merged(parts: Iterable[Part], low: int, high: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Terms between two hashes, how many postings each has, and their rows and counts, of all parts."""
    import numpy as np

    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for part in parts:
        postings = part.postings
        start = int(np.searchsorted(postings.terms, np.uint64(low)))
        end = int(np.searchsorted(postings.terms, np.uint64(high), side="right"))
        starts = postings.starts[start : end + 1]
        span = slice(int(starts[0]), int(starts[-1]))
        rows = part.target[postings.rows[span]]
        kept = rows >= 0
        found.append(
            (np.repeat(postings.terms[start:end], np.diff(starts))[kept], rows[kept], postings.counts[span][kept])
        )
    hashes, rows, counts = (np.concatenate([each[place] for each in found]) for place in range(3))
    order = np.argsort(hashes, kind="stable")  # rows ascend from part to part and within each
    terms, sizes = np.unique(hashes, return_counts=True)
    return terms, sizes, rows[order], counts[order]


class _Output:
    """The files of new postings, open for appending."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}

    def __enter__(self) -> _Output:
        for name in FILES:
            self._files[name] = (self._folder / name).open("xb")
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files.values():
            file.close()

    def write(self, name: str, values: np.ndarray) -> None:
        self._files[name].write(values.astype(_DTYPES[FILES.index(name)], copy=False).tobytes())
