"""A thread that reads ahead of the embedder, by so much and no more."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from knowledge.ingest.reading import FileReader, Outcome
from knowledge.ingest.scan import Found

_PASSAGES_AHEAD = 4_000
_FILES_AHEAD = 512
_GRACE = 0.5  # seconds for the file that is being read when nobody waits for it any more
_PATIENCE = 0.2  # seconds between two looks at whether to go on waiting


class ReadAhead:
    """Outcomes of files in their order, read on a thread of its own; leaving the context ends it.

    What waits to be taken is bounded: some thousand passages, or one file if that has more.
    """

    def __init__(self, reader: FileReader, files: Sequence[Found]) -> None:
        self._reader = reader
        self._files = files
        self._ready: deque[Outcome] = deque()
        self._passages = 0
        self._changed = threading.Condition()
        self._stopped = False
        self._finished = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ratchet-read-ahead")

    def __enter__(self) -> Self:
        if self._files:
            self._thread.start()
        else:
            self._finished = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(_GRACE)
            if self._thread.is_alive():
                self._reader.close()  # a file that takes long to parse ends with its worker
            self._thread.join()

    def take(self, *, wait: bool, unless: Callable[[], bool]) -> Outcome | None:
        """The next outcome; None when there are no more, or when none is ready and `wait` is False.

        Args:
            wait: until an outcome is ready.
            unless: asked now and then while waiting; True ends the wait.

        Raises:
            RatchetError: reading broke down, as opposed to one file failing.
        """
        with self._changed:
            while wait and not (self._ready or self._finished or unless()):
                self._changed.wait(_PATIENCE)
            if self._ready:
                outcome = self._ready.popleft()
                self._passages -= len(outcome.passages or ())
                self._changed.notify_all()
                return outcome
            if self._error is not None:
                raise self._error
            return None

    def _run(self) -> None:
        try:
            for outcome in self._reader.outcomes(self._files):
                if not self._offer(outcome):
                    return
        except BaseException as error:  # handed to whoever takes the outcomes
            self._error = error
        finally:
            self._reader.close()
            with self._changed:
                self._finished = True
                self._changed.notify_all()

    def _offer(self, outcome: Outcome) -> bool:
        """Let an outcome wait to be taken, when there is room; False when nobody will."""
        with self._changed:
            while not self._stopped and (self._passages >= _PASSAGES_AHEAD or len(self._ready) >= _FILES_AHEAD):
                self._changed.wait()
            self._ready.append(outcome)
            self._passages += len(outcome.passages or ())
            self._changed.notify_all()
            return not self._stopped
