"""Who may use the model now: as many answers as it can give side by side, the others in the order they came."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class AnswerQueue:
    """A queue for each kind of model. A thread of conversation has one answer at a time, so none can starve another."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._waiting: dict[str, deque[object]] = {}
        self._busy: Counter[str] = Counter()

    @property
    def length(self) -> int:
        """How many answers wait, for all models together."""
        with self._moved:
            return sum(map(len, self._waiting.values()))

    @contextmanager
    def place(self, kind: str, most: int, given_up: Callable[[], bool]) -> Iterator[bool]:
        """Wait for a place at the model and hold it; yields whether it was had before it was given up.

        Args:
            kind: which queue.
            most: answers given side by side.
            given_up: asked whenever the queue moves, and after `look`.
        """
        ticket = object()
        with self._moved:
            line = self._waiting.setdefault(kind, deque())
            line.append(ticket)
            try:
                self._moved.wait_for(lambda: given_up() or (line[0] is ticket and self._busy[kind] < most))
                granted = not given_up()
            finally:
                line.remove(ticket)
                self._moved.notify_all()
            if granted:
                self._busy[kind] += 1
        try:
            yield granted
        finally:
            if granted:
                with self._moved:
                    self._busy[kind] -= 1
                    self._moved.notify_all()

    def look(self) -> None:
        """Somebody may have given up."""
        with self._moved:
            self._moved.notify_all()
