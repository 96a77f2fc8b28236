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
    StorageError,
)
from knowledge.index import FileEntry, IndexWriter
from knowledge.index.entries import DOCUMENT
from knowledge.ingest.ahead import ReadAhead
from knowledge.ingest.batching import Batches, File
from knowledge.ingest.earlier import EarlierIndex, carry_over
from knowledge.ingest.interrupt import Interrupt
from knowledge.ingest.pace import Pace
from knowledge.ingest.places import Places, Survey, check_existence
from knowledge.ingest.planning import Plan, make_plan, tells_more
from knowledge.ingest.reading import FileReader, Outcome
from knowledge.ingest.scan import Scan, scan
from knowledge.loaders import LOADERS
from knowledge.loaders.worker import Reader
from knowledge.schema import FileFailure, IngestProgress, IngestReport

if TYPE_CHECKING:
    from knowledge.embedders import Embedder

_COMMIT_SECONDS = 60.0
_COMMIT_PASSAGES = 20_000
_CONTINUE = "Run the same command again: it continues."
_LOST = "It is not there, and the damaged index does not give what was read from it."
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
    reason, and tried again when it changes. A folder that is away, gone or empty where it held files before,
    is reported, and what was read from it stays. When it is interrupted or breaks down, the files finished so
    far are in the index, and the same call goes on where it stopped.

    Args:
        paths: files and folders; together with those of earlier calls they form the collection. None at
            all: those of earlier calls.
        index_folder: where the collection's index stands or shall stand.
        embeddings: what turns text into vectors.
        on_progress: called after every file and every batch.
        rebuild: make everything anew, with this embedder, from `paths` and those of earlier calls; the old
            index is current until the new one is complete. What no file tells any more is taken over from it:
            what was read from folders that are away, and texts that a program added.
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
        check_existence(root)
    with (
        IndexWriter.open(index_folder, embeddings.fingerprint, embeddings.dimension, fresh=rebuild) as writer,
        closing(EarlierIndex(index_folder if rebuild else None)) as earlier,
    ):
        how = _How(reader or Reader(), retry, rebuild)
        run = _Ingest(writer, earlier, embeddings, on_progress or (lambda progress: None), how)
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

    def __init__(
        self, writer: IndexWriter, earlier: EarlierIndex, embeddings: Embedder, report: OnProgress, how: _How
    ) -> None:
        self._writer = writer
        self._earlier = earlier
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
        self._survey = Survey(
            self._wanted(named), self._roots, self._earlier.files if self._how.whole else self._before
        )
        self._roots = tuple(dict.fromkeys((*self._roots, *named)))
        found = self._scan()
        kept = Places((*found.closed, *self._survey.away))
        plan = make_plan(found, self._before, Places(self._survey.present), kept, retry=self._how.retry)
        self._counts.unchanged, self._counts.failing = plan.unchanged, plan.failing
        self._pace = Pace(plan.work, self._report)
        try:
            self._pace.tell()
            self._follow(plan)
            self._carry_over(lambda source: source in kept or source.startswith(DOCUMENT))
            reader = FileReader(self._before, self._how.reader, retry=self._how.retry)
            with ReadAhead(reader, plan.work) as ahead:
                self._embed(ahead)
            late = Places(root for root in self._survey.away if root not in kept)
            self._carry_over(late.__contains__)
        except (IndexCorrupt, StorageError):
            raise
        except RatchetError as error:  # the embedder, most likely
            saved = self._save_finished(len(plan.work))
            raise type(error)(error.what, kept=saved, fix=error.fix or _CONTINUE) from error
        if self.interrupt.requested:
            raise IngestInterrupted("Interrupted.", kept=self._save_finished(len(plan.work)), fix=_CONTINUE)
        self._commit()
        return self._outcome(found.skipped)

    def _wanted(self, named: Sequence[str]) -> list[str]:
        """The folders and files that are meant."""
        wanted = list(dict.fromkeys((*self._roots, *named) if self._how.whole or not named else named))
        if wanted or self._earlier.files:
            return wanted
        if self._earlier.damaged:
            raise IndexMissing(
                "The index is damaged and does not tell any more which folders it was made from.",
                kept="Your documents are untouched.",
                fix="Name the folders: `ratchet ingest FOLDER --rebuild`.",
            )
        raise IndexMissing("Nothing has been ingested yet.", fix="Name a folder: `ratchet ingest FOLDER`.")

    def _scan(self) -> Scan:
        """What is there, and still is when all is listed."""
        found = scan(self._survey.present, LOADERS.keys() | self._how.reader.loaders.keys())
        self._survey.look_again()
        away = Places(self._survey.away)
        found.files = {source: file for source, file in found.files.items() if source not in away}
        return found

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

    def _carry_over(self, wanted: Callable[[str], bool]) -> None:
        """Into a new index, what the old one holds of files that are away, and of none: it may be all there is."""
        writer = self._writer
        contents = self._earlier.contents(lambda source: source not in writer.files and wanted(source))
        self._counts.failed += carry_over(contents, writer, self._batches, self._pace.expect)

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
        unopened = entry is None or (entry.failure and not entry.sha256)
        if unopened and self._survey.has_taken(outcome.file.source):
            pass  # what was read from it before stays
        elif entry is None:
            self._forget(outcome.file.source)
        elif entry.failure:
            self._fail(entry)
        else:
            self._keep(entry)
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

    def _keep(self, entry: FileEntry) -> None:
        if tells_more(self._before[entry.source], entry):
            self._writer.keep(entry)
        self._counts.unchanged += 1

    def _fail(self, entry: FileEntry) -> None:
        """Note a file that cannot be read; it is reported unless it was for this very reason before."""
        import numpy as np

        known = self._before.get(entry.source)
        if known is not None and known.failure == entry.failure and not self._how.retry:
            self._counts.failing += 1
        else:
            self._counts.failed.append(FileFailure(entry.source, entry.failure))
        if known is None or tells_more(known, entry):
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

    def _outcome(self, skipped: int) -> IngestReport:
        counts = self._counts
        away = tuple(self._survey.away)
        # An index that does not tell its files has given nothing to keep.
        lost = tuple(FileFailure(root, _LOST) for root in away) if self._earlier.damaged else ()
        return IngestReport(
            added=counts.added,
            updated=counts.updated,
            unchanged=counts.unchanged,
            removed=counts.removed,
            failed=(*counts.failed, *lost),
            passages=sum(entry.passages for entry in self._writer.files.values()),
            embedded=self._batches.embedded,
            seconds=time.monotonic() - self._started,
            skipped=skipped,
            moved=counts.moved,
            failing=counts.failing,
            missing=() if lost else away,
        )
