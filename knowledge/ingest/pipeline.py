"""`ingest`: bring an index up to date with folders, in whole files, in so little work as can be.

A file whose size and time are as they were is taken as it stands; else its SHA-256 decides. Content that
stands elsewhere now keeps its vectors. Of a changed file only text that it did not hold before is embedded.
What is finished becomes visible to readers every now and then, so that an interruption costs little.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.chunking import moved_to
from knowledge.errors import (
    IndexCorrupt,
    IndexMissing,
    IngestInterrupted,
    RatchetError,
    SourceMissing,
    StorageError,
)
from knowledge.index import FileEntry, IndexWriter, KnowledgeIndex
from knowledge.index.generations import current
from knowledge.index.state import state_of
from knowledge.ingest.ahead import ReadAhead
from knowledge.ingest.batching import Batches, File
from knowledge.ingest.interrupt import Interrupt
from knowledge.ingest.pace import Pace
from knowledge.ingest.planning import Plan, is_below, known_below, make_plan
from knowledge.ingest.reading import FileReader, Outcome
from knowledge.ingest.scan import scan
from knowledge.loaders import LOADERS
from knowledge.loaders.worker import Reader
from knowledge.schema import FileFailure, IngestProgress, IngestReport

if TYPE_CHECKING:
    from knowledge.embedders import Embedder

_COMMIT_SECONDS = 60.0
_COMMIT_PASSAGES = 20_000
_CONTINUE = "Run the same command again: it continues."
OnProgress = Callable[[IngestProgress], None]


def ingest(
    paths: Sequence[Path],
    index_folder: Path,
    embeddings: Embedder,
    *,
    on_progress: OnProgress | None = None,
    rebuild: bool = False,
    retry: bool = False,
    reader: Reader | None = None,
) -> IngestReport:
    """Bring the index up to date with the files at and below `paths`.

    What was ingested from elsewhere before stays. A file that cannot be read is reported once, with the
    reason, and tried again when it changes. When it is interrupted or breaks down, the files finished so
    far are in the index, and the same call goes on where it stopped.

    Args:
        paths: files and folders; together with those of earlier calls they form the collection. None at
            all: those of earlier calls.
        index_folder: where the collection's index stands or shall stand.
        embeddings: what turns text into vectors.
        on_progress: called after every file and every batch.
        rebuild: make everything anew, with this embedder, from `paths` and those of earlier calls; the old
            index is current until the new one is complete.
        retry: read files that failed again though they are unchanged.
        reader: what reads the files, with its limits and loaders of one's own; closed at the end.

    Raises:
        SourceMissing: one of the paths does not exist.
        IndexMissing: there are neither paths nor earlier calls.
        IndexBusy: another process is writing to the index.
        IndexCorrupt, EmbedderMismatch: the present index cannot be extended; see `rebuild`.
        StorageError: the disk refused.
        IngestInterrupted: Ctrl-C.
    """
    named = [os.path.abspath(path.expanduser()) for path in paths]
    for root in named:
        if not os.path.lexists(root):
            raise SourceMissing(f"There is no file or folder {root}.", fix="Check the spelling of its path.")
    with IndexWriter.open(index_folder, embeddings.fingerprint, embeddings.dimension, fresh=rebuild) as writer:
        how = _How(reader or Reader(), retry, rebuild)
        run = _Ingest(index_folder, writer, embeddings, on_progress or (lambda progress: None), how)
        with run.interrupt:
            return run.run(named)


@dataclass(slots=True)
class _Counts:
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    failing: int = 0
    failed: list[FileFailure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _How:
    """What the caller asked for; `whole`: nothing becomes visible before everything is there."""

    reader: Reader
    retry: bool
    whole: bool


class _Ingest:
    """One ingest under way."""

    def __init__(self, folder: Path, writer: IndexWriter, embeddings: Embedder, report: OnProgress, how: _How) -> None:
        self._folder = folder
        self._writer = writer
        self._embeddings = embeddings
        self._report = report
        self._how = how
        self._started = self._committed = time.monotonic()
        self.interrupt = Interrupt()
        self._counts = _Counts()
        self._before = dict(writer.files)
        self._roots: tuple[str, ...] = writer.roots
        self._batches = Batches(embeddings, self._told, lambda: self.interrupt.requested)
        self._uncommitted = 0

    def run(self, named: Sequence[str]) -> IngestReport:
        """Do it all; the paths must exist."""
        self._report(IngestProgress("scanning"))
        roots, missing = self._choose(named)
        found = scan(roots, LOADERS.keys() | self._how.reader.loaders.keys())
        plan = make_plan(found, self._before, roots, retry=self._how.retry)
        self._counts.unchanged, self._counts.failing = plan.unchanged, plan.failing
        self._pace = Pace(plan.work, self._report)
        try:
            self._follow(plan)
            if missing and self._how.whole:
                self._carry_over(missing)
            reader = FileReader(self._before, self._how.reader, retry=self._how.retry)
            with ReadAhead(reader, plan.work) as ahead:
                self._embed(ahead)
        except (IndexCorrupt, StorageError):
            raise
        except RatchetError as error:  # the embedder, most likely
            kept = self._save_finished(len(plan.work))
            raise type(error)(error.what, kept=kept, fix=error.fix or _CONTINUE) from error
        if self.interrupt.requested:
            raise IngestInterrupted("Interrupted.", kept=self._save_finished(len(plan.work)), fix=_CONTINUE)
        self._commit()
        return self._outcome(found.skipped, missing)

    def _choose(self, named: Sequence[str]) -> tuple[list[str], list[str]]:
        """The folders and files to scan, and those of earlier that are not there."""
        earlier = self._roots
        wanted = list(dict.fromkeys((*earlier, *named) if self._how.whole or not named else named))
        roots = [root for root in wanted if os.path.lexists(root)]
        roots += known_below(roots, earlier)
        self._roots = tuple(dict.fromkeys((*earlier, *named)))
        if not self._roots:
            raise IndexMissing("Nothing has been ingested yet.", fix="Name a folder: `ratchet ingest FOLDER`.")
        return roots, [root for root in wanted if root not in roots]

    def _follow(self, plan: Plan) -> None:
        """What needs no reading: files that moved, vanished, or cannot be opened."""
        for old, entry in plan.moved:
            passages, _ = self._writer.vectors_of(old)
            self._writer.move(old, entry, [moved_to(passage, entry.source) for passage in passages])
        self._counts.moved = len(plan.moved)
        for source in plan.gone:
            self._forget(source)
        for entry in plan.refused:
            self._fail(entry)

    def _carry_over(self, missing: Sequence[str]) -> None:
        """Into a new index, what the old one holds of places that are not there: it may come back any day."""
        try:
            old = KnowledgeIndex.open(self._folder, state_of(current(self._folder)).embedder)
        except (IndexMissing, IndexCorrupt):
            why = "It is not there, and the damaged index does not give what was read from it."
            self._counts.failed += [FileFailure(root, why) for root in missing]
            return
        with closing(old):
            for entry in old.sources().values():
                if is_below(entry.source, missing):
                    self._pace.expect(entry.passages)
                    self._batches.add(entry, old.passages(old.rows_of(entry.source)))
                    for file in self._batches.flush():
                        self._writer.replace(file.entry, file.passages, file.vectors)

    def _embed(self, ahead: ReadAhead) -> None:
        while not self.interrupt.requested:
            outcome = ahead.take(wait=not self._batches, unless=lambda: self.interrupt.requested)
            if outcome is not None:
                self._take(outcome)
            elif not self._batches:
                return
            if outcome is None or self._batches.full:
                self._store_embedded()
                self._commit_when_due()

    def _take(self, outcome: Outcome) -> None:
        entry = outcome.entry
        self._pace.read(outcome.file, None if outcome.passages is None else len(outcome.passages))
        if entry is not None and outcome.passages:
            known = self._before.get(entry.source)
            old = self._writer.vectors_of(entry.source) if known is not None and known.passages else None
            self._batches.add(entry, outcome.passages, old)
            return
        if entry is None:
            self._forget(outcome.file.source)
        elif entry.failure:
            self._fail(entry)
        else:
            self._writer.keep(entry)
            self._counts.unchanged += 1
        self._pace.finished(outcome.file.source)

    def _told(self, passages: int, source: str) -> None:
        self._pace.embedded(passages)
        self._pace.tell(source)

    def _store_embedded(self) -> None:
        for file in self._batches.flush():
            self._store(file)

    def _store(self, file: File) -> None:
        self._writer.replace(file.entry, file.passages, file.vectors)
        self._uncommitted += len(file.passages)
        known = self._before.get(file.entry.source)
        if known is not None and not known.failure:
            self._counts.updated += 1
        else:
            self._counts.added += 1
        self._pace.finished(file.entry.source)

    def _forget(self, source: str) -> None:
        """A file is gone; one that never could be read goes unmentioned."""
        known = self._before.get(source)
        if known is not None:
            self._writer.remove(source)
            self._counts.removed += not known.failure

    def _fail(self, entry: FileEntry) -> None:
        """Note a file that cannot be read; it is reported unless it was for this very reason before."""
        import numpy as np

        known = self._before.get(entry.source)
        if known is not None and known.failure == entry.failure and not self._how.retry:
            self._counts.failing += 1
        else:
            self._counts.failed.append(FileFailure(entry.source, entry.failure))
        if known != entry:
            self._writer.replace(entry, [], np.empty((0, self._embeddings.dimension), dtype=np.float32))

    def _commit_when_due(self) -> None:
        waited = time.monotonic() - self._committed
        if not self._how.whole and (waited > _COMMIT_SECONDS or self._uncommitted >= _COMMIT_PASSAGES):
            self._commit()

    def _commit(self) -> None:
        self._pace.tell(phase="saving")
        self._writer.commit(self._roots)
        self._committed, self._uncommitted = time.monotonic(), 0

    def _save_finished(self, files: int) -> str:
        """Save what is finished; the sentence that says so."""
        if self._how.whole:
            return "The index stands as it was; the vectors made so far are kept for the next time."
        self._commit()
        finished = self._counts.added + self._counts.updated
        return f"What was finished is in the index: {finished:,} of {files:,} files."

    def _outcome(self, skipped: int, missing: Sequence[str]) -> IngestReport:
        counts = self._counts
        return IngestReport(
            added=counts.added,
            updated=counts.updated,
            unchanged=counts.unchanged,
            removed=counts.removed,
            failed=tuple(counts.failed),
            passages=sum(entry.passages for entry in self._writer.files.values()),
            embedded=self._batches.embedded,
            seconds=time.monotonic() - self._started,
            skipped=skipped,
            moved=counts.moved,
            failing=counts.failing,
            missing=tuple(missing),
        )
