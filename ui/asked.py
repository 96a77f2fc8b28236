"""Questions that have been asked and not yet answered, kept on the disk: a server that ends loses none of them.

home/asked/HASH.json    one for each thread, from the question to the recorded answer

The conversation itself keeps a turn from its first step on; this is for what comes before, and for what stops a turn
from outside.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.adapters import write_json
from knowledge.schema import SearchFilter

FOLDER = "asked"
_CLOCK = 2.0  # seconds by which two readings of when a process began may differ
_NOBODY = (0, 0.0)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that has no recorded answer yet.

    Attributes:
        thread_id: of the conversation.
        question: what was asked.
        where: which files to look into (`SearchFilter` as plain data); empty for all.
        instead: the turn that the answer replaces, if it is still the thread's last.
        at: when it was asked, UTC ISO 8601.
        process: which process answers, and when that began, seconds since the epoch.
    """

    thread_id: str
    question: str
    where: dict[str, Any] = field(default_factory=dict)
    instead: str = ""
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    process: tuple[int, float] = _NOBODY

    def here(self) -> Asked:
        """The same, answered by this process."""
        return replace(self, process=(os.getpid(), _began(os.getpid()) or 0.0))

    def released(self) -> Asked:
        """The same, to be gone on with by any process: it waits for a person, failed, or was cut off."""
        return replace(self, process=_NOBODY)

    @property
    def search_filter(self) -> SearchFilter | None:
        """`where` as the session takes it."""
        if not self.where:
            return None
        return SearchFilter(
            paths=tuple(self.where.get("paths", ())),
            suffixes=tuple(self.where.get("suffixes", ())),
            modified_after=self.where.get("modified_after"),
            modified_before=self.where.get("modified_before"),
        )

    @property
    def elsewhere(self) -> bool:
        """Whether another process that is still alive answers it."""
        number, began = self.process
        if number in (_NOBODY[0], os.getpid()):
            return False
        found = _began(number)
        return found is not None and abs(found - began) < _CLOCK


class AskedQuestions:
    """The questions of one home. Losing one to a full disk is no reason not to answer it.

    Args:
        home: `settings.home`.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def keep(self, asked: Asked) -> None:
        """Keep a question until `drop`; one for each thread."""
        with contextlib.suppress(OSError, UnicodeEncodeError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_json(self._path(asked.thread_id), asdict(asked))

    def drop(self, thread_id: str) -> None:
        """The question of a thread has its answer, or is not wanted any more."""
        with contextlib.suppress(OSError):
            self._path(thread_id).unlink(missing_ok=True)

    def get(self, thread_id: str) -> Asked | None:
        """The question of a thread, or None."""
        return _read(self._path(thread_id))

    def all(self) -> list[Asked]:
        """The questions of all threads."""
        return [asked for path in sorted(self._folder.glob("*.json")) if (asked := _read(path)) is not None]

    def _path(self, thread_id: str) -> Path:
        # The id may come from an address that somebody typed, so it does not become a path.
        name = hashlib.sha256(thread_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self._folder / f"{name}.json"


def _read(path: Path) -> Asked | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        number, began = found.pop("process")
        return Asked(**found, process=(int(number), float(began)))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _began(number: int) -> float | None:
    """When a process began, seconds since the epoch; None where there is none."""
    import psutil

    try:
        return float(psutil.Process(number).create_time())
    except (psutil.Error, ValueError, OverflowError):
        return None
