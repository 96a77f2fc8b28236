"""What is done to an index as a whole: with another embedder, without some files, in one piece."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from knowledge.errors import IngestInterrupted
from knowledge.index import IndexWriter, KnowledgeIndex
from knowledge.index.generations import current
from knowledge.index.state import state_of
from knowledge.ingest.batching import Batches
from knowledge.ingest.interrupt import Interrupt
from knowledge.ingest.pipeline import OnProgress
from knowledge.ingest.places import Places
from knowledge.schema import IngestProgress, IngestReport

if TYPE_CHECKING:
    from knowledge.embedders import Embedder


def reindex(index_folder: Path, embeddings: Embedder, *, on_progress: OnProgress | None = None) -> IngestReport:
    """Make the vectors anew with another embedder, from the texts that the index holds.

    No document is read, so that none need be there any more. The old index is current, and answers, until
    the new one stands; what an interrupted run has embedded is known to the next one if it was cached.

    Args:
        index_folder: of the collection.
        embeddings: the new embedder.
        on_progress: called after every batch.

    Raises:
        IndexMissing: there is no index.
        IndexCorrupt: the index cannot be read; make it anew with `ingest(…, rebuild=True)`.
        IndexBusy, StorageError: it cannot be written; the old one stays.
        IngestInterrupted: Ctrl-C; the old one stays.
    """
    with (
        Interrupt() as interrupt,
        IndexWriter.open(index_folder, embeddings.fingerprint, embeddings.dimension, fresh=True) as writer,
        closing(KnowledgeIndex.open(index_folder, state_of(current(index_folder)).embedder)) as old,
    ):
        return _Reindex(old, writer, embeddings, interrupt, on_progress or (lambda progress: None)).run()


class _Reindex:
    """A reindex under way."""

    def __init__(
        self,
        old: KnowledgeIndex,
        writer: IndexWriter,
        embeddings: Embedder,
        interrupt: Interrupt,
        report: OnProgress,
    ) -> None:
        self._old = old
        self._files = old.sources()
        self._writer = writer
        self._interrupt = interrupt
        self._report = report
        self._batches = Batches(embeddings, self._told, lambda: interrupt.requested)
        self._started = time.monotonic()
        self._stored = self._done = 0

    def run(self) -> IngestReport:
        """Do it all."""
        for entry in self._files.values():
            self._batches.add(entry, self._old.passages(self._old.rows_of(entry.source)))
            if self._batches.full:
                self._store()
        self._store()
        self._report(IngestProgress("saving", self._stored, len(self._files), self._done, self._old.size))
        self._writer.commit(self._old.roots)
        failing = sum(bool(entry.failure) for entry in self._files.values())
        return IngestReport(
            added=0,
            updated=0,
            unchanged=len(self._files) - failing,
            removed=0,
            failed=(),
            passages=self._old.size,
            embedded=self._batches.embedded,
            seconds=time.monotonic() - self._started,
            failing=failing,
        )

    def _store(self) -> None:
        for file in self._batches.flush():
            metadata = self._old.metadata(self._old.rows_of(file.entry.source))
            self._writer.replace(file.entry, file.passages, file.vectors, metadata)
            self._stored += 1
        if self._interrupt.requested:
            raise IngestInterrupted(
                "Interrupted.",
                kept="The index stands as it was; the vectors made so far are kept for the next time.",
                fix="Run the same command again: it continues.",
            )

    def _told(self, passages: int, source: str) -> None:
        self._done += passages
        elapsed = time.monotonic() - self._started
        rate = self._done / elapsed if elapsed else 0.0
        left = (self._old.size - self._done) / rate if rate else None
        files = len(self._files)
        self._report(IngestProgress("working", self._stored, files, self._done, self._old.size, rate, left, source))


class Forgotten(NamedTuple):
    """What was taken out of an index.

    Attributes:
        files: that are no longer in it.
        roots: files and folders named for earlier ingests that are no longer followed.
    """

    files: list[str]
    roots: list[str]


def forget(paths: Sequence[Path], index_folder: Path) -> Forgotten:
    """Take files, and all files below folders, out of an index; nothing happens to the files themselves.

    A folder ingested before is no longer followed when it is named, or lies below one that is.

    Raises:
        IndexMissing, IndexCorrupt, IndexBusy, StorageError: the index cannot be changed.
    """
    named = Places(os.path.abspath(path.expanduser()) for path in paths)
    state = state_of(current(index_folder))
    with IndexWriter.open(index_folder, state.embedder, state.dimension) as writer:
        taken = Forgotten(
            [source for source in writer.files if source in named], [root for root in writer.roots if root in named]
        )
        for source in taken.files:
            writer.remove(source)
        writer.commit([root for root in writer.roots if root not in named])
    return taken


def compact(index_folder: Path) -> bool:
    """Write an index in one piece, without what was deleted; search becomes a little faster.

    Returns:
        Whether there was anything to do.

    Raises:
        IndexMissing, IndexCorrupt, IndexBusy, StorageError: the index cannot be changed.
    """
    state = state_of(current(index_folder))
    with IndexWriter.open(index_folder, state.embedder, state.dimension) as writer:
        return writer.compact()
