"""Work that cannot look at a clock itself is ended, or left alone, when its time is over or the user wants to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

_LOOK_EVERY = 0.1  # seconds
Result = TypeVar("Result")


class Stopper:
    """While in a `with` block, calls `stop` once when time is over or the user wants to stop.

    Args:
        stop: ends the work, from another thread; it is called again every while until the block is left.
        seconds: time allowed.
        cancelled: whether the user has asked to stop.

    Attributes:
        late: whether time was over.
        cancelled: whether the user had asked to stop.
    """

    def __init__(self, stop: Callable[[], object], seconds: float, cancelled: Callable[[], bool]) -> None:
        self.late = False
        self.cancelled = False
        self._stop = stop
        self._seconds = seconds
        self._asked = cancelled
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Stopper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        end = time.monotonic() + self._seconds
        while not self._done.wait(_LOOK_EVERY):
            self.cancelled = self.cancelled or self._asked()
            self.late = self.late or time.monotonic() > end
            if self.cancelled or self.late:
                self._stop()


class Abandoned(Exception):
    """The user asked to stop; the work ends by itself, and nobody takes its result."""


def await_work(work: Callable[[], Result], cancelled: Callable[[], bool]) -> Result:
    """What `work` returns or raises, done on a thread of its own so that it can be left alone.

    Args:
        work: ends by itself within bounded time.
        cancelled: whether the user has asked to stop.

    Raises:
        Abandoned: the user did.
    """
    results: list[Result] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # it is raised again, in the thread that waits
            failures.append(error)
        finally:
            done.set()

    threading.Thread(target=run, daemon=True).start()
    while not done.wait(_LOOK_EVERY):
        if cancelled():
            raise Abandoned("stopped because the user asked to")
    if failures:
        raise failures[0]
    return results[0]
