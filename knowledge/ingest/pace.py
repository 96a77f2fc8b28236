"""How far an ingest is and how long it will take, told honestly from its first second.

How many passages a file holds is known once it is read. Until then its length tells: by what the files of
its type gave so far, and before there are any, by what such files usually give.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable

from knowledge.ingest.scan import Found
from knowledge.schema import IngestProgress

_USUAL = {".pdf": 8_000, ".docx": 8_000, ".pptx": 40_000, ".xlsx": 400, ".epub": 1_500, ".zip": 400, ".html": 1_500}
_USUAL_ELSE = 500  # bytes per passage
_TRUST = 20  # passages of a type until experience outweighs what is usual
_WINDOW = 20.0  # seconds over which the rate is taken


class Pace:
    """Keeps count of files, bytes and passages.

    Args:
        files: everything that will be looked into.
        report: told after every step.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        files: Iterable[Found],
        report: Callable[[IngestProgress], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._clock = clock
        self._ahead: dict[str, int] = defaultdict(int)  # bytes of files not read yet, by type
        self._read: dict[str, list[int]] = defaultdict(lambda: [0, 0])  # bytes and passages of those that are
        self._files = 0
        for file in files:
            self._files += 1
            self._ahead[_kind(file)] += file.size
        self._files_done = 0
        self._known = 0
        self._done = 0
        self._marks: deque[tuple[float, int]] = deque([(clock(), 0)])

    def read(self, file: Found, passages: int | None) -> None:
        """A file has been looked into: it has so many passages to embed; None if it was not parsed."""
        kind = _kind(file)
        self._ahead[kind] -= file.size
        if passages is not None:
            seen = self._read[kind]
            seen[0] += file.size
            seen[1] += passages
            self._known += passages

    def expect(self, passages: int) -> None:
        """So many passages are to be embedded that come from no file."""
        self._known += passages

    def embedded(self, passages: int) -> None:
        """So many more passages have their vectors."""
        self._done += passages
        now = self._clock()
        self._marks.append((now, self._done))
        while len(self._marks) > 2 and now - self._marks[0][0] > _WINDOW:
            self._marks.popleft()

    def finished(self, source: str) -> None:
        """A file is done with; says how things stand."""
        self._files_done += 1
        self.tell(source)

    def tell(self, detail: str = "", phase: str = "working") -> None:
        """Say how things stand."""
        total = self._expected()
        rate = self.rate
        left = (total - self._done) / rate if rate else None
        if phase != "working":
            left = None
        self._report(IngestProgress(phase, self._files_done, self._files, self._done, total, rate, left, detail))

    @property
    def rate(self) -> float:
        """Passages per second of late; 0.0 while there is nothing to tell it from."""
        (since, before), now = self._marks[0], self._clock()
        return (self._done - before) / (now - since) if now > since else 0.0

    def _expected(self) -> int:
        """Passages in all: those counted and those that the lengths of the other files promise."""
        promised = 0.0
        for kind, ahead in self._ahead.items():
            usual = _USUAL.get(kind, _USUAL_ELSE)
            seen_bytes, seen_passages = self._read[kind]
            promised += max(ahead, 0) * (seen_passages + _TRUST) / (seen_bytes + _TRUST * usual)
        return self._known + round(promised)


def _kind(file: Found) -> str:
    return os.path.splitext(file.source)[1].lower()
