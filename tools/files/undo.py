"""What files held before they were written, kept on disk, so that a write can be taken back after a restart."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

MOST_VERSIONS = 100
MOST_BYTES = 64 * 2**20
_SUFFIX = ".version"
_LOCK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Version:
    """A file as it was before one write.

    Attributes:
        number: rises with every write.
        path: below the workspace.
        existed: False when the write made the file.
        after: SHA-256 hex digest of what was written.
        at: when, UTC ISO 8601.
    """

    number: int
    path: str
    existed: bool
    after: str
    at: str


def digest(data: bytes) -> str:
    """SHA-256 as hex digits."""
    return hashlib.sha256(data).hexdigest()


class UndoStore:
    """Earlier versions of the files of one workspace: one file each, a line of JSON and then the old bytes.

    At most `MOST_VERSIONS` and `MOST_BYTES` are kept; the oldest go first.

    Args:
        state: the folder where tools keep what lasts.
        workspace: the folder whose files these are.
    """

    def __init__(self, state: Path, workspace: Path) -> None:
        self._folder = state / "undo" / digest(str(workspace.resolve()).encode())[:16]

    def locked(self) -> AbstractContextManager[object]:
        """Keep other threads and processes from writing to the workspace through this store.

        Raises:
            TimeoutError: another one did not finish in time.
        """
        from filelock import FileLock

        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(self._folder / "lock", timeout=_LOCK_SECONDS)

    def keep(self, path: str, before: bytes | None, after: bytes) -> Version:
        """Record, durably, what a file holds that is about to hold `after`; None when there is none yet."""
        numbers = self._numbers()
        number = numbers[-1] + 1 if numbers else 1
        version = Version(number, path, before is not None, digest(after), datetime.now(UTC).isoformat())
        partial = self._folder / "partial"
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(json.dumps(asdict(version)).encode() + b"\n" + (before or b""))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self._file(number))
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._trim([*numbers, number])
        return version

    def versions(self, path: str) -> list[Version]:
        """What is kept of a file, newest first."""
        found = []
        for number in reversed(self._numbers()):
            with suppress(OSError, ValueError, TypeError):  # a damaged one is none
                with self._file(number).open("rb") as file:
                    version = Version(**json.loads(file.readline()))
                if version.path == path:
                    found.append(version)
        return found

    def content(self, version: Version) -> bytes:
        """The bytes of an earlier version."""
        with self._file(version.number).open("rb") as file:
            file.readline()
            return file.read()

    def drop(self, version: Version) -> None:
        """Forget a version."""
        self._file(version.number).unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:012d}{_SUFFIX}"

    def _numbers(self) -> list[int]:
        return sorted(int(file.stem) for file in self._folder.glob(f"*{_SUFFIX}") if file.stem.isdigit())

    def _trim(self, numbers: list[int]) -> None:
        total = 0
        for kept, number in enumerate(reversed(numbers)):
            file = self._file(number)
            total += file.stat().st_size
            if kept and (kept >= MOST_VERSIONS or total > MOST_BYTES):
                file.unlink()
