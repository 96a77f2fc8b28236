"""The index of one collection, open for search: by meaning, by words, by file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from knowledge.errors import IndexCorrupt
from knowledge.index import bm25, filters
from knowledge.index.bm25 import Scorer
from knowledge.index.entries import FileEntry, Place
from knowledge.index.generations import Generation, corrupt, current, read_pointer
from knowledge.index.postings import term_hash
from knowledge.index.rows import Span, best_of, split, unclaimed
from knowledge.index.segment import Segment
from knowledge.index.state import catalogue_of, check_embedder, state_of
from knowledge.schema import Passage, SearchFilter

if TYPE_CHECKING:
    import numpy as np

_T = TypeVar("_T")
_MOST_FREQUENCIES = 200_000  # terms whose frequency is remembered while the index is open


class KnowledgeIndex:
    """One generation of an index, open for reading; it stays readable while newer ones are written.

    Passages are known by their row: a number that is theirs as long as this object is open. Rows passed to
    its methods are those that it gave. Safe to use from several threads. Build it with `open`.

    Attributes:
        folder: of the collection.
        generation: "gen-000007".
        roots: folders and files the user named, absolute.
        dimension: of the vectors.
        size: how many passages there are.
    """

    def __init__(self, generation: Generation) -> None:
        import numpy as np

        state = state_of(generation)
        self.folder = generation.folder
        self.generation = generation.name
        self.roots, self.dimension, self.size = state.roots, state.dimension, state.passages
        self._files = catalogue_of(generation)
        self._starts = np.cumsum([0, *(facts.rows for facts in state.segments)])
        self._first = {facts.name: int(start) for facts, start in zip(state.segments, self._starts, strict=False)}
        self._rows = int(self._starts[-1])
        self._deleted = unclaimed(
            [self._span(*each) for each in self._files.values() if each[0].passages], self._starts
        )
        hidden = zip(state.segments, self._deleted, strict=True)
        self._segments = [Segment(generation, facts, deleted) for facts, deleted in hidden]
        average = sum(facts.terms for facts in state.segments) / max(self._rows, 1)
        self._frequencies: dict[str, int] = {}
        self._scorers = [Scorer(segment.postings, average) for segment in self._segments]

    @classmethod
    def open(cls, folder: Path, embedder_fingerprint: str) -> KnowledgeIndex:
        """Open the current generation, every byte of it checked.

        Raises:
            IndexMissing: nothing has been ingested into `folder`.
            IndexCorrupt: a file is damaged, or the index was written by another version of Ratchet.
            EmbedderMismatch: its vectors come from another embedder.
        """
        while True:
            pointer = read_pointer(folder)
            generation = current(folder)
            check_embedder(folder, state_of(generation), embedder_fingerprint)
            try:
                return cls(generation)
            except IndexCorrupt:
                if read_pointer(folder) == pointer:  # else a writer has removed what was current a moment ago
                    raise

    def search_dense(self, vector: np.ndarray, k: int, rows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k passages nearest in meaning, best first: (rows int64 [m], cosines float32 [m]).

        Args:
            vector: of unit length, float32 [d].
            k: how many at most.
            rows: search among these only.
        """
        import numpy as np

        vector = np.ascontiguousarray(vector, dtype=np.float32)
        found = []
        if rows is None:
            for start, segment in zip(self._starts, self._segments, strict=False):
                near, cosines = segment.dense.search(vector, k)
                found.append((near + start, cosines))
        else:
            for number, local in split(rows, self._starts):
                near, cosines = self._segments[number].dense.search_among(vector, k, local)
                found.append((near + self._starts[number], cosines))
        return best_of(found, k)

    def search_lexical(
        self, weights: Mapping[str, float], k: int, rows: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k passages that match the terms best, best first: (rows int64 [m], BM25 scores float32 [m]).

        Args:
            weights: weight in the query, by analysed term; those not above 0 count nothing.
            k: how many at most.
            rows: search among these only.
        """
        import numpy as np

        terms = self._weighted(weights)
        found = []
        if rows is None:
            for number, scorer in enumerate(self._scorers):
                best, scores = scorer.search(terms, k, self._deleted[number])
                found.append((best + self._starts[number], scores))
        else:
            for number, local in split(rows, self._starts):
                scores = self._scorers[number].scores(terms, local)
                hits = np.flatnonzero(scores)
                found.append((local[hits] + self._starts[number], scores[hits]))
        return best_of(found, k)

    def lexical_scores(self, weights: Mapping[str, float], rows: np.ndarray) -> np.ndarray:
        """BM25 of each of these rows, float32 [len(rows)]; 0 for those without any of the terms."""
        import numpy as np

        rows = np.asarray(rows, dtype=np.int64)
        terms = self._weighted(weights)
        result = np.zeros(len(rows), dtype=np.float32)
        for number, local in split(rows, self._starts):
            scores = self._scorers[number].scores(terms, local)
            inside = np.flatnonzero((rows >= self._starts[number]) & (rows < self._starts[number + 1]))
            result[inside] = scores[np.searchsorted(local, rows[inside] - self._starts[number])]
        return result

    def document_frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """How many passages hold each term; deleted ones count until their segment is rewritten."""
        return {term: self._frequency(term) for term in terms}

    def rarity(self, terms: Iterable[str]) -> dict[str, float]:
        """How much each term says: its idf in BM25, above 0."""
        return {term: self._idf(term) for term in terms}

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of these rows, float32 [len(rows), d]; of large segments right to 3 decimals (float16)."""
        import numpy as np

        rows = np.asarray(rows, dtype=np.int64)
        result = np.empty((len(rows), self.dimension), dtype=np.float32)
        segments = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(segments).tolist():
            inside = np.flatnonzero(segments == number)
            result[inside] = self._segments[number].dense.vectors(rows[inside] - self._starts[number])
        return result

    def passages(self, rows: Sequence[int] | np.ndarray) -> list[Passage]:
        """The passages of these rows, in their order."""
        return [passage for passage, _ in self._documents(rows)]

    def metadata(self, rows: Sequence[int] | np.ndarray) -> list[dict[str, Any] | None]:
        """What was stored with each of these rows beside the passage."""
        return [metadata for _, metadata in self._documents(rows)]

    def ids(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """The passages' ids, in the order of the rows."""
        found: dict[int, str] = {}
        for number, local in split(rows, self._starts):
            start = int(self._starts[number])
            ids = self._read(number, lambda: self._segments[number].docs.ids(local.tolist()))  # noqa: B023
            found |= {start + row: name for row, name in ids.items()}
        return [found[int(row)] for row in rows]

    def neighbours(self, row: int, before: int, after: int) -> list[Passage]:
        """A passage with those around it on the same page and part of its file, in reading order.

        Args:
            row: of the passage.
            before: how many passages in front of it at most.
            after: how many behind it at most.
        """
        (own,) = self.passages([row])
        first, count = self._span(*self._files[own.source])
        low, high = max(first, row - before), min(first + count, row + after + 1)
        around = self.passages(range(low, high))
        return [each for each in around if (each.page, each.part) == (own.page, own.part)]

    def rows_of(self, source: str) -> np.ndarray:
        """Rows of one file's passages in reading order, int64; none for an unknown file."""
        import numpy as np

        known = self._files.get(source)
        if known is None or not known[0].passages:
            return np.empty(0, dtype=np.int64)
        first, count = self._span(*known)
        return np.arange(first, first + count)

    def rows_where(self, wanted: SearchFilter) -> np.ndarray:
        """Rows of all passages from files that the filter lets through, int64, ascending."""
        import numpy as np

        chosen = filters.matching(wanted, (entry for entry, _ in self._files.values() if entry.passages))
        rows = [self.rows_of(source) for source in chosen]
        return np.sort(np.concatenate(rows)) if rows else np.empty(0, dtype=np.int64)

    def sources(self) -> dict[str, FileEntry]:
        """Every file the index knows, readable or not, by absolute path."""
        return {source: entry for source, (entry, _) in self._files.items()}

    def close(self) -> None:
        """Let go of the files."""
        for segment in self._segments:
            segment.close()

    def _span(self, entry: FileEntry, place: Place) -> Span:
        """First row and number of a file's passages."""
        return self._first[place.segment] + place.first, entry.passages

    def _documents(self, rows: Sequence[int] | np.ndarray) -> list[tuple[Passage, dict[str, Any] | None]]:
        found: dict[int, tuple[Passage, dict[str, Any] | None]] = {}
        for number, local in split(rows, self._starts):
            start = int(self._starts[number])
            read = self._read(number, lambda: self._segments[number].docs.passages(local.tolist()))  # noqa: B023
            found |= {start + row: each for row, each in read.items()}
        return [found[int(row)] for row in rows]

    def _read(self, number: int, query: Callable[[], _T]) -> _T:
        try:
            return query()
        except sqlite3.DatabaseError as error:
            name = self._segments[number].facts.name
            raise corrupt(self.folder, f"the passages of {name} cannot be read ({error})") from error

    def _idf(self, term: str) -> float:
        # Over all rows, deleted ones too: the frequencies count those as well.
        return bm25.idf(self._rows, self._frequency(term))

    def _frequency(self, term: str) -> int:
        known = self._frequencies.get(term)
        if known is None:
            hashed = term_hash(term)
            spans = [segment.postings.find(hashed) for segment in self._segments]
            known = sum(span.stop - span.start for span in spans)
            if len(self._frequencies) < _MOST_FREQUENCIES:
                self._frequencies[term] = known
        return known

    def _weighted(self, weights: Mapping[str, float]) -> list[tuple[int, float]]:
        """Hashes of the terms, with what they contribute at most."""
        return [(term_hash(term), weight * self._idf(term)) for term, weight in weights.items() if weight > 0]
