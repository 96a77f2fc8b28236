"""What an index knows of each file, and where its passages lie: one SQLite file per generation.

The passages of a file are consecutive rows of one segment. Rows that no file claims are deleted ones: there
is no second list of deletions that could disagree with this one.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

CATALOGUE = "catalogue.sqlite"
DOCUMENT = "document:"  # begins the source of a text that was added by a program and lies in no file
_SCHEMA = """
CREATE TABLE files (
    source TEXT PRIMARY KEY, sha256 TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    passages INTEGER NOT NULL, failure TEXT NOT NULL, checked_ns INTEGER NOT NULL,
    segment TEXT NOT NULL, first INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What the index knows of one file.

    Attributes:
        source: absolute path; or `DOCUMENT` and an id.
        sha256: of the file's bytes when last read; empty when it could not be opened.
        size: in bytes.
        mtime_ns: time of last modification, nanoseconds since the epoch.
        passages: how many it gave.
        failure: why it gave none, in one sentence; empty otherwise.
        checked_ns: when its content was last looked at, nanoseconds since the epoch; 0 when it could not be opened.
    """

    source: str
    sha256: str
    size: int
    mtime_ns: int
    passages: int
    failure: str = ""
    checked_ns: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the passages of a file lie.

    Attributes:
        segment: name of the segment; empty for a file without passages.
        first: row of the first one, counted in the segment.
    """

    segment: str = ""
    first: int = 0


def pack(files: Iterable[tuple[FileEntry, Place]]) -> bytes:
    """The catalogue of a generation, as the content of an SQLite file."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(_SCHEMA)
        with connection:
            connection.executemany(
                "INSERT INTO files VALUES (?,?,?,?,?,?,?,?,?)",
                ((*_values(entry), place.segment, place.first) for entry, place in files),
            )
        return connection.serialize()


def unpack(path: Path) -> Iterator[tuple[FileEntry, Place]]:
    """The inverse of `pack`, sorted by source.

    Raises:
        sqlite3.DatabaseError: it is no such file.
    """
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        for row in connection.execute("SELECT * FROM files ORDER BY source"):
            yield FileEntry(*row[:7]), Place(*row[7:])


def _values(e: FileEntry) -> tuple[str, str, int, int, int, str, int]:
    return e.source, e.sha256, e.size, e.mtime_ns, e.passages, e.failure, e.checked_ns
