"""Documents read on a thread of their own: a page that is reloaded, or another tab, finds the work going on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from agent.config import Settings
from agent.errors import DocumentError, IndexBusy, RatchetError, SourceMissing
from knowledge.schema import FileFailure, IngestProgress, IngestReport
from ui.uploads import FOLDER, refusal, save

OnProgress = Callable[[IngestProgress], None]
Work = Callable[[OnProgress], "Outcome"]
Outcome = tuple[IngestReport | None, tuple[FileFailure, ...]]


class IngestStopped(RatchetError):
    """A person stopped the work."""


class IngestJob:
    """One piece of work on a collection, from its start to the last look at its outcome. Thread-safe.

    Args:
        title: what is being done, for people.
        work: does it; told how to report progress, it returns the report (None if there was nothing to read) and
            what could not be found or fetched.

    Attributes:
        progress: the latest step.
        report: what was done, once it is.
        failures: what was named and could not be found or fetched.
        error: why it broke off, or None.
    """

    def __init__(self, title: str, work: Work) -> None:
        self.title = title
        self.progress = IngestProgress("scanning")
        self.report: IngestReport | None = None
        self.failures: tuple[FileFailure, ...] = ()
        self.error: RatchetError | None = None
        self._stopped = threading.Event()
        self._ended = threading.Event()
        # Not kept: it holds the files that are uploaded.
        threading.Thread(target=self._run, args=(work,), name="ratchet-ingest", daemon=True).start()

    @property
    def finished(self) -> bool:
        """Whether it has ended, well or not."""
        return self._ended.is_set()

    @property
    def stopping(self) -> bool:
        """Whether it was stopped and has not ended yet."""
        return self._stopped.is_set() and not self.finished

    def stop(self) -> None:
        """End it after the page or the passages at hand; what is finished stays in the index."""
        self._stopped.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has ended; whether it has."""
        return self._ended.wait(timeout)

    def _run(self, work: Work) -> None:
        try:
            self.report, self.failures = work(self._told)
        except RatchetError as error:
            self.error = error
        except Exception as error:  # nobody waits for this thread: what is not kept here is never heard of
            self.error = RatchetError(
                f"Reading broke off unexpectedly: {type(error).__name__}: {error}.",
                kept="What was finished before is in the index.",
                fix="Try again; if it happens again, `ratchet doctor` tells what is wrong.",
            )
        finally:
            self._ended.set()

    def _told(self, step: IngestProgress) -> None:
        self.progress = step
        # Before a page is fetched there is nothing to save, and while files are read it is saved on the way out.
        if self._stopped.is_set() and step.phase in ("fetching", "working"):
            raise IngestStopped("Reading was stopped.", fix="Add the same again: it continues where it stopped.")


class IngestJobs:
    """The work on each collection, at most one at a time. Thread-safe."""

    def __init__(self) -> None:
        self._latest: dict[Path, IngestJob] = {}
        self._lock = threading.Lock()

    def latest(self, settings: Settings) -> IngestJob | None:
        """What is, or was last, done to the collection of these settings, until it is dismissed."""
        return self._latest.get(settings.index_folder)

    def start(self, settings: Settings, title: str, work: Work) -> IngestJob:
        """Begin.

        Raises:
            IndexBusy: something is being done to the collection already.
        """
        with self._lock:
            before = self._latest.get(settings.index_folder)
            if before is not None and not before.finished:
                raise IndexBusy(
                    f"This collection is busy: {before.title}.",
                    kept="Nothing was started.",
                    fix="Wait until that is done, or stop it.",
                )
            job = self._latest[settings.index_folder] = IngestJob(title, work)
        return job

    def dismiss(self, settings: Settings) -> None:
        """Forget the outcome of what has ended."""
        with self._lock:
            job = self._latest.get(settings.index_folder)
            if job is not None and job.finished:
                del self._latest[settings.index_folder]

    def stop(self) -> None:
        """Stop everything."""
        for job in list(self._latest.values()):
            job.stop()


def adding(settings: Settings, sources: Sequence[str | Path], *, allow_private: bool = False) -> Work:
    """Read files, folders and web pages; what is missing or cannot be fetched is told, and the rest is read."""

    def work(report: OnProgress) -> Outcome:
        from agent.documents import add, local_paths, open_embeddings

        paths: list[Path] = []
        failures: list[FileFailure] = []
        for number, source in enumerate(sources):
            report(IngestProgress("fetching", number, len(sources), detail=str(source)))
            try:
                found = local_paths(settings, [source], allow_private=allow_private)
                for path in found:
                    _check(path)
                paths += found
            except (DocumentError, SourceMissing) as error:
                failures.append(FileFailure(str(source), " ".join(filter(None, (error.what, error.fix)))))
        if not paths:
            return None, tuple(failures)
        with closing(open_embeddings(settings)) as embeddings:
            return add(settings, embeddings, paths, on_progress=report), tuple(failures)

    return work


def keeping(settings: Settings, uploads: Sequence[tuple[str, bytes]]) -> Work:
    """Keep uploaded files (name, content) in the home and read them; those that cannot be read are told."""

    def work(report: OnProgress) -> Outcome:
        from agent.documents import file_endings

        endings, kept = file_endings(settings), []
        refused = []
        for name, content in uploads:
            failure = refusal(name, content, endings)
            if failure is not None:
                refused.append(failure)
            else:
                kept.append(save(settings.home / FOLDER, name, content))
        done, failures = adding(settings, kept)(report)
        return done, (*refused, *failures)

    return work


def refreshing(settings: Settings, *, retry: bool = False, rebuild: bool = False) -> Work:
    """Read everything that was added before: what changed (`retry`: and what failed; `rebuild`: all of it)."""

    def work(report: OnProgress) -> Outcome:
        from agent.documents import add, open_embeddings

        with closing(open_embeddings(settings)) as embeddings:
            return add(settings, embeddings, [], retry=retry, rebuild=rebuild, on_progress=report), ()

    return work


def embedding_anew(settings: Settings) -> Work:
    """Make the vectors anew with the embedder of the settings, from the texts that the index holds."""

    def work(report: OnProgress) -> Outcome:
        from agent.documents import open_embeddings
        from knowledge.ingest import reindex

        with closing(open_embeddings(settings)) as embeddings:
            return reindex(settings.index_folder, embeddings, on_progress=report), ()

    return work


def _check(path: Path) -> None:
    from knowledge.ingest.places import check_existence

    check_existence(os.path.abspath(path))
