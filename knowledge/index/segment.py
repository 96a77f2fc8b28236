"""One immutable part of an index: passages, postings and vectors of the same rows."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from knowledge.analysis import terms
from knowledge.index import dense, docstore, postings
from knowledge.index.docstore import Metadata
from knowledge.index.generations import SHARED, Generation, corrupt
from knowledge.index.rows import Span
from knowledge.index.sealing import Seal, seal, sync_folder
from knowledge.schema import Passage

if TYPE_CHECKING:
    import numpy as np

_RAW = "vectors.f32"
_BLOCK = 50_000  # rows whose terms are held in memory
_BATCH = 10_000
_OWN_WEIGHT = 2
_HEADING_WEIGHT = 2
_AROUND = 2  # passages before and behind
FILES = (docstore.FILE, dense.FILE, *postings.FILES)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the manifest says of a segment.

    Attributes:
        name: of its folder.
        rows: how many it was written with.
        terms: total of the rows' terms.
        layout: how its vectors are kept.
    """

    name: str
    rows: int
    terms: int
    layout: dense.Layout

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return {"name": self.name, "rows": self.rows, "terms": self.terms, "dense": self.layout.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Facts:
        """The inverse of `to_json`."""
        return cls(data["name"], data["rows"], data["terms"], dense.Layout(**data["dense"]))


class Segment:
    """An open segment. Safe to use from several threads.

    Args:
        generation: has the hashes of its files.
        facts: what the manifest says of it.
        hidden: rows that no search finds, ascending; default: none.

    Raises:
        IndexCorrupt: a file is damaged.
    """

    def __init__(self, generation: Generation, facts: Facts, hidden: np.ndarray | None = None) -> None:
        self.facts = facts
        try:
            names = {name: generation.verified(f"{SHARED}/{facts.name}/{name}") for name in FILES}
            self.postings = postings.Postings.open(names.__getitem__)
            self.dense = dense.Dense(names[dense.FILE], facts.layout, hidden)
            self.docs = docstore.Docstore(names[docstore.FILE])
        except (OSError, RuntimeError, sqlite3.DatabaseError) as error:
            raise corrupt(generation.folder, f"{facts.name} cannot be opened ({error})") from error

    def close(self) -> None:
        """Let go of the files."""
        self.docs.close()


def terms_in_context(passages: Sequence[Passage]) -> Iterator[list[str]]:
    """What each passage is found by, in order.

    Its text and its heading count twice, the name of its file and the passages around it below the same heading
    once: a question's words are often spread over a paragraph more than a passage holds.

    Args:
        passages: of one file, in reading order.
    """
    own = [terms(passage.text) for passage in passages]
    for place, passage in enumerate(passages):
        found = (
            own[place] * _OWN_WEIGHT + terms(passage.heading) * _HEADING_WEIGHT + terms(PurePath(passage.source).stem)
        )
        for near in range(max(0, place - _AROUND), min(len(passages), place + _AROUND + 1)):
            if near != place and _section(passages[near]) == _section(passage):
                found += own[near]
        yield found


def _section(passage: Passage) -> tuple[str, str, str]:
    return passage.source, passage.part, passage.heading


class SegmentBuilder:
    """Writes a new segment, in bounded memory however long it becomes.

    Args:
        folder: new and empty; below `generations.SHARED`.
        dimension: of the vectors.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self.folder = folder
        self._dimension = dimension
        self._docs = docstore.DocstoreWriter(folder)
        self._vectors = (folder / _RAW).open("x+b")
        self._collector = postings.TermCollector()
        self._parts: list[postings.Part] = []
        self._in_parts = 0

    @property
    def rows(self) -> int:
        """How many there are so far."""
        return self._docs.rows

    def add(
        self, passages: Sequence[Passage], vectors: np.ndarray, metadata: Sequence[Metadata | None] | None = None
    ) -> int:
        """Append passages and return the row of the first.

        Raises:
            OSError, sqlite3.Error: the disk refused.
        """
        import numpy as np

        first = self.rows
        self._docs.add(zip(passages, metadata or [None] * len(passages), strict=True))
        self._vectors.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
        for found in terms_in_context(passages):
            self._collector.add(found)
        if len(self._collector) >= _BLOCK:
            self._spill()
        return first

    def add_segment(self, segment: Segment, spans: Iterable[Span]) -> list[int]:
        """Append rows of another segment; its terms are taken as they are.

        Args:
            segment: stays open until `finish`.
            spans: of rows to take, ascending.

        Returns:
            For each span, the row of its first passage here.

        Raises:
            OSError, sqlite3.Error: the disk refused.
        """
        import numpy as np

        self._spill()
        target = np.full(segment.facts.rows, -1, dtype=np.int64)
        firsts = []
        for first, count in spans:
            firsts.append(self.rows)
            target[first : first + count] = np.arange(self.rows, self.rows + count)
            for start in range(first, first + count, _BATCH):
                size = min(_BATCH, first + count - start)
                self._docs.add(segment.docs.stream(start, size))
                self._vectors.write(segment.dense.vectors(np.arange(start, start + size)).astype("<f4").tobytes())
        self._parts.append(postings.Part(segment.postings, target))
        self._in_parts = self.rows
        return firsts

    def read(self, first: int, count: int) -> tuple[list[tuple[Passage, Metadata | None]], np.ndarray]:
        """Passages and vectors written before."""
        import numpy as np

        self._vectors.flush()
        size = 4 * self._dimension
        self._vectors.seek(first * size)
        data = self._vectors.read(count * size)
        self._vectors.seek(0, 2)
        return list(self._docs.read(first, count)), np.frombuffer(data, dtype="<f4").reshape(count, self._dimension)

    def finish(self) -> tuple[Facts, dict[str, Seal]]:
        """Write what is missing, flush everything to the disk, and say what there is.

        Raises:
            OSError, sqlite3.Error: the disk refused.
        """
        import numpy as np

        self._docs.close()
        self._vectors.close()
        raw = self.folder / _RAW
        vectors = np.memmap(raw, dtype="<f4", mode="r", shape=(self.rows, self._dimension))
        layout = dense.build(self.folder / dense.FILE, vectors)
        del vectors
        raw.unlink()
        self._spill()
        postings.merge(self._parts, self.folder)
        terms = int(sum(int(part.postings.lengths[part.target >= 0].sum()) for part in self._parts))
        self._parts.clear()
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        seals = {f"{SHARED}/{self.folder.name}/{name}": seal(self.folder / name) for name in FILES}
        sync_folder(self.folder)
        sync_folder(self.folder.parent)
        return Facts(self.folder.name, self.rows, terms, layout), seals

    def discard(self) -> None:
        """Remove everything written so far; at any time, after an error too."""
        self._docs.discard()
        with contextlib.suppress(OSError):  # what is still to be written may not fit
            self._vectors.close()
        self._parts.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spill(self) -> None:
        """Turn the terms gathered so far into postings on the disk."""
        import numpy as np

        if not len(self._collector):
            return
        gathered = self._collector.postings()
        folder = self.folder / f"part-{len(self._parts)}"
        if len(self._collector) >= _BLOCK:
            folder.mkdir()
            postings.store(gathered, folder)
            gathered = postings.Postings.open(folder.__truediv__)
        self._parts.append(postings.Part(gathered, np.arange(self._in_parts, self.rows)))
        self._in_parts = self.rows
        self._collector = postings.TermCollector()
