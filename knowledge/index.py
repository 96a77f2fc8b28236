"""The index of one collection, open for search: by meaning in FAISS, by words in SQLite's FTS5.

Its files belong to one generation (`knowledge.generations`) and are opened only after their checksums
match: FAISS would load a damaged file and answer wrongly.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge import generations
from knowledge.contents import DENSE, FORMAT, PASSAGES, Contents, FileEntry
from knowledge.errors import EmbedderMismatch
from knowledge.lexical import match_any, query_terms
from knowledge.schema import Passage

if TYPE_CHECKING:
    import numpy as np

# Lists travel as one JSON parameter: their length has no limit and the statement never changes.
_ALL = "SELECT id, source, text, start_line, end_line, page, heading FROM passages ORDER BY row"
_SOME = """SELECT id, source, text, start_line, end_line, page, heading FROM passages
    WHERE id IN (SELECT value FROM json_each(?))"""
_IDS = "SELECT row, id FROM passages WHERE row IN (SELECT value FROM json_each(?))"
_ROWS = "SELECT id, row FROM passages WHERE id IN (SELECT value FROM json_each(?))"
# The weights of bm25 are those of heading, file name and text.
_BEST = """SELECT rowid, -bm25(words, 2.0, 1.0, 1.0) AS score FROM words WHERE words MATCH ?
    ORDER BY score DESC, rowid LIMIT ?"""
_COUNT = "SELECT count(*) FROM words WHERE words MATCH ?"
_AMONG = "SELECT rowid FROM words WHERE words MATCH ? AND rowid IN (SELECT value FROM json_each(?))"


class KnowledgeIndex:
    """One generation of an index, open for reading; it stays readable while a newer one is written.

    Safe to use from several threads. Build it with `open`.
    """

    def __init__(self, folder: Path, generation: generations.Generation) -> None:
        import faiss
        import numpy as np

        self.folder = folder
        self.generation = generation.path.name
        self.roots: tuple[str, ...] = tuple(generation.notes["roots"])
        dense = generation.verified(DENSE).read_bytes()
        database = generation.verified(PASSAGES).absolute()
        self._dense = faiss.deserialize_index(np.frombuffer(dense, dtype=np.uint8))
        self._lock = threading.Lock()
        # Immutable: a generation never changes, so SQLite needs neither locks nor a journal.
        self._database = sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        self.size = int(self._dense.ntotal)

    @classmethod
    def open(cls, folder: Path, embedder_fingerprint: str) -> KnowledgeIndex:
        """Open the current generation, every byte of it checked.

        Raises:
            IndexMissing: nothing has been ingested into `folder`.
            IndexCorrupt: a file is damaged, or the index was written by another version of Ratchet.
            EmbedderMismatch: its vectors come from another embedder.
        """
        generation = generations.current(folder)
        if generation.notes.get("format") != FORMAT:
            raise generations.corrupt(folder, "it was written by another version of Ratchet")
        made_by = str(generation.notes["embedder"])
        if made_by != embedder_fingerprint:
            old, new = _name(made_by), _name(embedder_fingerprint)
            if old == new:
                new = f"this version of it ({embedder_fingerprint})"
            raise EmbedderMismatch(
                f"The index in {folder} was made with the embedder {old}, not with {new}.",
                kept="The index is kept.",
                fix="Set knowledge.embedder back, or run `ratchet ingest FOLDER --rebuild` to make it anew.",
            )
        return cls(folder, generation)

    def search_dense(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
        """The k nearest passages as (id, cosine), best first; `vector` has unit length."""
        import numpy as np

        k = min(k, self.size)
        if k < 1:
            return []
        scores, rows = self._dense.search(np.ascontiguousarray(vector, dtype=np.float32).reshape(1, -1), k)
        ids = self._ids(rows[0].tolist())
        return [(ids[row], float(score)) for row, score in zip(rows[0].tolist(), scores[0], strict=True)]

    def search_lexical(self, query: str, k: int) -> list[tuple[str, float]]:
        """The k passages that match the query's words best, as (id, BM25 score > 0), best first."""
        terms = query_terms(query)
        if not terms or k < 1:
            return []
        rows = self._query(_BEST, (match_any(terms), k))
        ids = self._ids([row for row, _ in rows])
        return [(ids[row], score) for row, score in rows]

    def similarities(self, vector: np.ndarray, ids: Iterable[str]) -> dict[str, float]:
        """Cosine of each passage to a unit vector."""
        rows = self._rows(ids)
        return {name: float(vector @ self._dense.reconstruct(row)) for name, row in rows.items()}

    def coverage(self, query: str, ids: Iterable[str]) -> dict[str, float]:
        """How much of the query each passage speaks of: its words, weighted by rarity, in [0, 1]."""
        names = {row: name for name, row in self._rows(ids).items()}
        found = dict.fromkeys(names.values(), 0.0)
        total = 0.0
        for term in query_terms(query):
            word = match_any([term])
            (count,) = self._query(_COUNT, (word,))[0]
            weight = math.log(1 + (self.size - count + 0.5) / (count + 0.5))
            total += weight
            for (row,) in self._query(_AMONG, (word, json.dumps(list(names)))) if count else ():
                found[names[row]] += weight
        return {name: value / total if total else 0.0 for name, value in found.items()}

    def passages(self, ids: Sequence[str]) -> list[Passage]:
        """The passages of these ids, in their order; unknown ids are left out."""
        rows = self._query(_SOME, (json.dumps(list(ids)),))
        found = {row[0]: Passage(*row) for row in rows}
        return [found[name] for name in ids if name in found]

    def sources(self) -> dict[str, FileEntry]:
        """Every file the index knows, readable or not, by absolute path."""
        rows = self._query("SELECT * FROM files ORDER BY source")
        return {row[0]: FileEntry(*row) for row in rows}

    def contents(self) -> Contents:
        """Everything, in memory: what an ingest starts from."""
        rows = self._query(_ALL)
        vectors = self._dense.reconstruct_n(0, self.size)
        return Contents([Passage(*row) for row in rows], vectors, self.sources(), self.roots)

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._database.close()

    def _query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._database.execute(statement, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise generations.corrupt(self.folder, f"{PASSAGES} cannot be read ({error})") from error

    def _ids(self, rows: Sequence[int]) -> dict[int, str]:
        """Row → id; SQLite's rows and FAISS's positions are the same numbers."""
        return dict(self._query(_IDS, (json.dumps(list(rows)),)))

    def _rows(self, ids: Iterable[str]) -> dict[str, int]:
        return dict(self._query(_ROWS, (json.dumps(list(ids)),)))


def _name(fingerprint: str) -> str:
    return fingerprint.partition(":")[0]
