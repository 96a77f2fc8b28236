"""Bytes → passages, one file at a time: hashed, read in the confined worker, split, and checked to have stood still."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.chunking import split
from knowledge.errors import DocumentError, RatchetError
from knowledge.index import FileEntry
from knowledge.ingest.scan import Found, reason
from knowledge.loaders import MAX_FILE_BYTES
from knowledge.loaders.worker import Reader
from knowledge.schema import Passage

if TYPE_CHECKING:
    from langchain_core.documents import Document

_ATTEMPTS = 3
_AT_ONCE = 64  # files given to the worker at once, so that it reads on while we split
# Should a pipe have taken the file's place, opening it must not wait for a writer.
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one file.

    Attributes:
        file: the file as its folder listed it.
        entry: what to note about it; None when it has vanished.
        passages: its content; None when that is what the index holds already, or nothing could be read.
    """

    file: Found
    entry: FileEntry | None
    passages: list[Passage] | None = None


class FileReader:
    """Looks into files that may have changed. The worker process starts with the first that must be parsed.

    Args:
        known: what the index knows of each file.
        reader: what reads them; closed together with this.
        retry: read files that failed again, though their content is the same.
    """

    def __init__(self, known: Mapping[str, FileEntry], reader: Reader, *, retry: bool) -> None:
        self._known = known
        self._retry = retry
        self._reader = reader
        self._closed = False

    def outcomes(self, files: Sequence[Found]) -> Iterator[Outcome]:
        """Look into files; what needs no parsing comes first of every few, the others in their order."""
        for start in range(0, len(files), _AT_ONCE):
            wanted: Sequence[Found] = files[start : start + _AT_ONCE]
            for attempt in range(_ATTEMPTS + 1):
                waiting: list[tuple[Found, FileEntry]] = []
                for file in wanted:
                    seen = self._look(file)
                    if isinstance(seen, Outcome):
                        yield seen
                    elif attempt == _ATTEMPTS:
                        unread = replace(seen, sha256="", checked_ns=0)
                        yield _failed(file, unread, "keeps changing while it is read")
                    else:
                        waiting.append((file, seen))
                wanted = yield from self._parse(waiting)

    def _look(self, file: Found) -> Outcome | FileEntry:
        """What is known without parsing; else the file's size, time and hash."""
        if self._closed:  # the ingest has been stopped: nobody waits for this file any more
            return Outcome(file, None)
        known = self._known.get(file.source)
        try:
            entry = look_at(file.source)
        except OSError as error:
            return _unopened(file, error)
        if known and known.sha256 and known.sha256 == entry.sha256 and not (known.failure and self._retry):
            return Outcome(file, replace(entry, passages=known.passages, failure=known.failure))
        return Outcome(file, entry) if entry.failure else entry

    def _parse(self, waiting: Sequence[tuple[Found, FileEntry]]) -> Generator[Outcome, None, list[Found]]:
        """The content of files; those that changed meanwhile are returned."""
        changed: list[Found] = []
        paths = [Path(file.source) for file, _ in waiting]
        for (file, entry), (_, documents) in zip(waiting, self._reader.read_many(paths), strict=False):
            try:
                outcome = _made(file, entry, documents)
                stands_still = _stands_still(entry)
            except OSError as error:
                yield _unopened(file, error)
                continue
            if stands_still:
                yield outcome
            else:
                changed.append(file)
        return changed

    def close(self) -> None:
        """End the worker process, and with it what it is parsing."""
        self._closed = True
        self._reader.close()


def look_at(source: str) -> FileEntry:
    """A file's size, time and SHA-256 as of now; without the last when it is too long for any loader.

    Raises:
        OSError: it cannot be opened or read.
    """
    checked = time.time_ns()
    handle = os.open(source, _OPEN)
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        entry = FileEntry(source, "", status.st_size, status.st_mtime_ns, 0, checked_ns=checked)
        if not stat.S_ISREG(status.st_mode):
            return replace(entry, failure=f"{os.path.basename(source)} is not a regular file.")
        if status.st_size > MAX_FILE_BYTES:
            return entry
        return replace(entry, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def _stands_still(entry: FileEntry) -> bool:
    status = os.stat(entry.source)
    return (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns)


def _made(file: Found, entry: FileEntry, read: list[Document] | DocumentError | OSError) -> Outcome:
    if isinstance(read, OSError):
        raise read
    if isinstance(read, DocumentError):
        return Outcome(file, replace(entry, failure=str(read)))
    try:
        passages = list(split(read, file.source))
    except RatchetError:
        raise
    except Exception as error:  # whatever one file provokes must not cost the others
        return _failed(file, entry, f"cannot be split into passages: {type(error).__name__}: {error}")
    if not passages:
        return _failed(file, entry, "holds no text")
    return Outcome(file, replace(entry, passages=len(passages)), passages)


def _failed(file: Found, entry: FileEntry, why: str) -> Outcome:
    return Outcome(file, replace(entry, failure=f"{os.path.basename(file.source)} {why}."))


def _unopened(file: Found, error: OSError) -> Outcome:
    if isinstance(error, FileNotFoundError) and not os.path.lexists(file.source):
        return Outcome(file, None)
    failure = f"{os.path.basename(file.source)} cannot be read: {reason(error)}."
    return Outcome(file, FileEntry(file.source, "", file.size, file.mtime_ns, 0, failure))
