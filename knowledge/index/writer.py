"""Changes to an index: gathered in a new segment, then published as one generation."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.errors import IndexMissing
from knowledge.index import generations
from knowledge.index.compaction import Size, due
from knowledge.index.docstore import Metadata
from knowledge.index.entries import CATALOGUE, FileEntry, Place, pack
from knowledge.index.generations import Generation, storage_errors, writer_lock
from knowledge.index.ledger import Ledger
from knowledge.index.rows import Span
from knowledge.index.segments import SegmentSet
from knowledge.index.state import State, catalogue_of, check_embedder, earlier_roots, state_of
from knowledge.schema import Passage

if TYPE_CHECKING:
    import numpy as np


class IndexWriter:
    """The one who may change an index. Nothing is visible to readers before `commit`; leaving without changes nothing.

    Memory stays bounded: passages and vectors go to a new segment on the disk as they come. For one thread; of no
    more use after a StorageError. Build it with `open`.

    Attributes:
        roots: folders and files the user named, as of the last commit.
    """

    def __init__(self, folder: Path, fingerprint: str, dimension: int, base: Generation | None) -> None:
        self._folder = folder
        self._fingerprint = fingerprint
        self._dimension = dimension
        files = catalogue_of(base).values() if base else ()
        self._ledger = Ledger(files, changed=base is None)
        facts = state_of(base).segments if base else ()
        self._segments = SegmentSet(folder, dimension, facts, base.seals if base else {})
        self.roots: tuple[str, ...] = earlier_roots(folder)

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path, fingerprint: str, dimension: int, fresh: bool = False) -> Iterator[IndexWriter]:
        """Take the writer's lock and start from what is current.

        Args:
            folder: of the collection; made when it does not exist.
            fingerprint: of the embedder that makes the vectors.
            dimension: of the vectors.
            fresh: start from nothing; what is current stays so until `commit`.

        Raises:
            IndexBusy: another process, or another thread of this one, is writing.
            IndexCorrupt: what is current is damaged or of another version; `fresh` does not mind.
            EmbedderMismatch: it was made with another embedder; `fresh` does not mind.
            StorageError: the folder cannot be made or written.
        """
        with writer_lock(folder):
            generations.sweep(folder)
            base = None
            if not fresh:
                with contextlib.suppress(IndexMissing):
                    base = generations.current(folder)
                    check_embedder(folder, state_of(base), fingerprint)
            writer = cls(folder, fingerprint, dimension, base)
            try:
                yield writer
            finally:
                writer._segments.close()

    @property
    def files(self) -> Mapping[str, FileEntry]:
        """What is known of every file, changes not committed yet included, by source."""
        return self._ledger.entries

    def replace(
        self,
        entry: FileEntry,
        passages: Sequence[Passage],
        vectors: np.ndarray,
        metadata: Sequence[Metadata | None] | None = None,
    ) -> None:
        """The new content of a file, in reading order, whether or not it was known.

        Args:
            entry: of the file; its `passages` is set here.
            passages: all of that source; none for a file that failed.
            vectors: of the passages, of unit length, float32 [len(passages), d].
            metadata: JSON values to keep with each passage.

        Raises:
            StorageError: the disk refused.
            ValueError: passages and vectors do not belong together.
        """
        if passages and vectors.shape != (len(passages), self._dimension):
            raise ValueError(f"vectors of shape {vectors.shape} for {len(passages)} passages")
        if any(passage.source != entry.source for passage in passages):
            raise ValueError("passages of another source")
        place = Place()
        if passages:
            with self._storage_errors():
                builder = self._segments.growing()
                place = Place(builder.folder.name, builder.add(passages, vectors, metadata))
        self._ledger.put(replace(entry, passages=len(passages)), place)

    def keep(self, entry: FileEntry) -> None:
        """Another size or time for a file of the same content.

        Raises:
            KeyError: the file is not known.
        """
        known, place = self._ledger[entry.source]
        entry = replace(entry, passages=known.passages)
        if entry != known:
            self._ledger.put(entry, place)

    def move(self, old_source: str, entry: FileEntry, passages: Sequence[Passage]) -> None:
        """The texts of a known file, now under another path; their vectors and metadata are taken over.

        Args:
            old_source: the path under which the file is known.
            entry: of the file under its new path.
            passages: with the new path and ids, as many as before and in the same order.

        Raises:
            KeyError: the file is not known.
            ValueError: the texts are not the same.
            StorageError: the disk refused.
        """
        old, metadata, vectors = self._content(old_source)
        if [passage.text for passage in old] != [passage.text for passage in passages]:
            raise ValueError(f"{entry.source} does not hold what {old_source} held")
        self.replace(entry, passages, vectors, metadata)
        if old_source != entry.source:
            self.remove(old_source)

    def vectors_of(self, source: str) -> tuple[list[Passage], np.ndarray]:
        """Passages of a known file in reading order, and their vectors, float32 [n, d].

        Raises:
            KeyError: the file is not known.
            IndexCorrupt: its segment is damaged.
        """
        passages, _, vectors = self._content(source)
        return passages, vectors

    def remove(self, source: str) -> None:
        """Forget a file and its passages.

        Raises:
            KeyError: the file is not known.
        """
        self._ledger.remove(source)

    def commit(self, roots: Iterable[str]) -> bool:
        """Publish the changes as one new generation and merge segments where it is due.

        Args:
            roots: folders and files the user named, absolute.

        Returns:
            Whether there was anything to publish.

        Raises:
            StorageError: the disk refused; what was current is untouched.
            IndexCorrupt: a segment to be merged is damaged.
        """
        roots = tuple(roots)
        if not self._ledger.changed and roots == self.roots:
            return False
        with self._storage_errors():
            self._segments.finish()
            for group in due(self._sizes()):
                self._merge(group)
            self._publish(roots)
        return True

    def compact(self) -> bool:
        """Make one segment of all, without what was deleted, and publish that; commits other changes too.

        Returns:
            Whether there was anything to do.

        Raises:
            StorageError, IndexCorrupt: as `commit`.
        """
        with self._storage_errors():
            self._segments.finish()
            sizes = self._sizes()
            whole = len(sizes) < 2 and all(size.rows == size.live for size in sizes)
            if whole and not self._ledger.changed:
                return False
            if not whole:
                self._merge([size.name for size in sizes])
            self._publish(self.roots)
        return True

    def _content(self, source: str) -> tuple[list[Passage], list[Metadata | None], np.ndarray]:
        import numpy as np

        entry, place = self._ledger[source]
        count = entry.passages
        if not count:
            return [], [], np.empty((0, self._dimension), dtype=np.float32)
        if self._segments.grows(place.segment):
            stored, vectors = self._segments.growing().read(place.first, count)
        else:
            segment = self._segments.opened(place.segment)
            stored = list(segment.docs.stream(place.first, count))
            vectors = segment.dense.vectors(np.arange(place.first, place.first + count))
        return [passage for passage, _ in stored], [metadata for _, metadata in stored], vectors

    def _sizes(self) -> list[Size]:
        live = self._ledger.live(self._segments.facts)
        return [Size(name, facts.rows, live[name]) for name, facts in self._segments.facts.items()]

    def _merge(self, names: Sequence[str]) -> None:
        """Replace these segments by one with what is not deleted of them."""
        held = self._ledger.sources_in(names)
        if not held:
            return
        merged, firsts = self._segments.merge(
            {name: [self._span(source) for source in sources] for name, sources in held.items()}
        )
        for name, sources in held.items():
            self._ledger.relocate(sources, merged, firsts[name])

    def _span(self, source: str) -> Span:
        entry, place = self._ledger[source]
        return place.first, entry.passages

    def _publish(self, roots: tuple[str, ...]) -> None:
        for size in self._sizes():
            if not size.live:
                self._segments.drop(size.name)
        facts = list(self._segments.facts.values())
        files = len(self._ledger)
        state = State(self._fingerprint, self._dimension, roots, self._ledger.passages, files, facts)
        generations.publish(self._folder, {CATALOGUE: pack(self._ledger)}, self._segments.seals(), state.to_json())
        self.roots, self._ledger.changed = roots, False

    @contextlib.contextmanager
    def _storage_errors(self) -> Iterator[None]:
        """What the disk says, to Python and to SQLite alike, as a `StorageError`."""
        with storage_errors(self._folder):
            try:
                yield
            except sqlite3.Error as error:
                raise OSError(str(error)) from error
