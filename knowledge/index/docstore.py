"""The passages of one segment, by row, in an SQLite file that never changes once written."""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from knowledge.schema import Passage

FILE = "passages.sqlite"
Metadata = dict[str, Any]
_SCHEMA = """
CREATE TABLE sources (number INTEGER PRIMARY KEY, source TEXT UNIQUE NOT NULL) STRICT;
CREATE TABLE passages (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL, source INTEGER NOT NULL, text TEXT NOT NULL,
    start_line INTEGER NOT NULL, end_line INTEGER NOT NULL, page INTEGER, heading TEXT NOT NULL,
    part TEXT NOT NULL, unit TEXT NOT NULL, metadata TEXT
) STRICT;
"""
# Rows travel as one JSON parameter: their number has no limit and the statement never changes.
_SOME = """SELECT row, id, sources.source, text, start_line, end_line, page, heading, part, unit, metadata
    FROM passages JOIN sources ON sources.number = passages.source
    WHERE row IN (SELECT value FROM json_each(?))"""
_RANGE = """SELECT row, id, sources.source, text, start_line, end_line, page, heading, part, unit, metadata
    FROM passages JOIN sources ON sources.number = passages.source WHERE row >= ? AND row < ? ORDER BY row"""
_IDS = "SELECT row, id FROM passages WHERE row IN (SELECT value FROM json_each(?))"


class DocstoreWriter:
    """Appends passages to a new file; what is written can be read back before it is finished."""

    def __init__(self, folder: Path) -> None:
        self.rows = 0
        self._database = sqlite3.connect(folder / FILE, isolation_level=None)
        # The file counts only once it is sealed, so there is nothing to roll back and nothing to flush before.
        self._database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA} BEGIN")
        self._sources: dict[str, int] = {}

    def add(self, passages: Iterable[tuple[Passage, Metadata | None]]) -> None:
        """Append passages, each with metadata of its own or none.

        Raises:
            sqlite3.Error: the disk refused.
        """
        self._database.executemany("INSERT INTO passages VALUES (?,?,?,?,?,?,?,?,?,?,?)", map(self._record, passages))

    def _record(self, given: tuple[Passage, Metadata | None]) -> tuple[Any, ...]:
        p, metadata = given
        number = self._sources.get(p.source)
        if number is None:
            number = self._sources[p.source] = len(self._sources)
            self._database.execute("INSERT INTO sources VALUES (?,?)", (number, p.source))
        row, self.rows = self.rows, self.rows + 1
        extra = None if metadata is None else _json(metadata)
        return (row, p.id, number, p.text, p.start_line, p.end_line, p.page, p.heading, p.part, p.unit, extra)

    def read(self, first: int, count: int) -> Iterator[tuple[Passage, Metadata | None]]:
        """Some of the passages written so far."""
        return _stream(self._database, first, count)

    def close(self) -> None:
        """Write the rest and let go of the file.

        Raises:
            sqlite3.Error: the disk refused.
        """
        try:
            if self._database.in_transaction:
                self._database.execute("COMMIT")
        finally:
            self._database.close()

    def discard(self) -> None:
        """Let go of the file, which is of no use then."""
        self._database.close()


class Docstore:
    """Passages of one segment, open for reading. Safe to use from several threads.

    Raises:
        sqlite3.DatabaseError: from every method, when the file cannot be read any more.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        # Immutable: a segment never changes, so SQLite needs neither locks nor a journal.
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        self._database = sqlite3.connect(address, uri=True, check_same_thread=False)
        self._closed = weakref.finalize(self, self._database.close)
        self._database.execute("SELECT count(*) FROM sources").fetchone()  # opens the file before it can be removed

    def passages(self, rows: Sequence[int]) -> dict[int, tuple[Passage, Metadata | None]]:
        """Passages and their own metadata, by row."""
        return {row[0]: _passage(row) for row in self._query(_SOME, rows)}

    def ids(self, rows: Sequence[int]) -> dict[int, str]:
        """Row → id."""
        return dict(self._query(_IDS, rows))

    def stream(self, first: int, count: int) -> Iterator[tuple[Passage, Metadata | None]]:
        """Consecutive passages, not held in memory; from one thread only."""
        return _stream(self._database, first, count)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._closed()

    def _query(self, statement: str, rows: Sequence[int]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, (json.dumps(list(rows)),)).fetchall()


def _stream(database: sqlite3.Connection, first: int, count: int) -> Iterator[tuple[Passage, Metadata | None]]:
    return map(_passage, database.execute(_RANGE, (first, first + count)))


def _passage(row: tuple[Any, ...]) -> tuple[Passage, Metadata | None]:
    return Passage(*row[1:10]), None if row[10] is None else json.loads(row[10])


def _json(metadata: Metadata) -> str:
    try:
        return json.dumps(metadata, ensure_ascii=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"metadata must be JSON values: {error}") from error
