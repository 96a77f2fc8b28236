"""SQLite, read only: opened without the right to write, every action asked of an allow-list, time and sizes limited.

https://www.sqlite.org/c3ref/set_authorizer.html and https://www.sqlite.org/security.html.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from tools.sql.rows import QueryFailed, Rows, Table, collect

MAX_TABLES = 100
_COUNT_SECONDS = 1.0
_STEPS = 5_000  # of the virtual machine between looks at the clock
_PRAGMAS = frozenset(
    "table_info table_xinfo table_list index_list index_info foreign_key_list data_version page_size".split()
)
_FUNCTIONS_REFUSED = frozenset("load_extension fts3_tokenizer readfile writefile edit sqlar_compress".split())
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 8_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 2_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 250_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 100,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 100,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


class SqliteEngine:
    """One SQLite file.

    Args:
        path: the file.
        seconds: how long everything together may take.
    """

    def __init__(self, path: str, seconds: float) -> None:
        self._path = path
        self._end = time.monotonic() + seconds

    def query(self, sql: str) -> Rows:
        """The result of one statement that reads."""
        for immutable in (_is_settled(self._path), False):
            state = _state(self._path)
            with closing(self._connect(immutable)) as connection, _told():
                cursor = connection.execute(sql)
                rows = collect([column[0] for column in cursor.description or ()], cursor)
            if not immutable or state == _state(self._path):
                break
        return rows

    def tables(self) -> list[Table]:
        """Tables and views with their columns, sizes and first rows."""
        with closing(self._connect(_is_settled(self._path))) as connection, _told():
            found = connection.execute(
                "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' "
                "ESCAPE '\\' ORDER BY name LIMIT ?",
                (MAX_TABLES,),
            ).fetchall()
            hidden = _shadows(connection)
            return [self._table(connection, name, kind) for name, kind in found if name not in hidden]

    def _table(self, connection: sqlite3.Connection, name: str, kind: str) -> Table:
        quoted = '"' + name.replace('"', '""') + '"'
        table = Table(name if name.isidentifier() and name.isascii() else quoted, kind, [])
        with suppress(sqlite3.Error):  # a view may be broken
            columns = connection.execute("SELECT name, type, pk FROM pragma_table_info(?)", (name,))
            table.columns = [[column, kind.lower() + " primary key" * bool(key)] for column, kind, key in columns]
            table.first = collect([], connection.execute(f"SELECT * FROM {quoted} LIMIT 3")).rows  # noqa: S608
        if kind == "table":
            end, self._end = self._end, min(self._end, time.monotonic() + _COUNT_SECONDS)
            with suppress(sqlite3.Error):
                (table.size,) = connection.execute(f"SELECT count(*) FROM {quoted}").fetchone()  # noqa: S608
            self._end = end
        return table

    def _connect(self, immutable: bool) -> sqlite3.Connection:
        mode = "mode=ro&immutable=1" if immutable else "mode=ro"
        with _told():
            connection = sqlite3.connect(
                f"file:{quote(self._path)}?{mode}", uri=True, isolation_level=None, cached_statements=0, timeout=5.0
            )
            for limit, value in _LIMITS.items():
                connection.setlimit(limit, value)
            connection.text_factory = _text
            for pragma in (
                "query_only=ON",
                "trusted_schema=OFF",
                "temp_store=MEMORY",
                "mmap_size=0",
                "cache_size=-32000",
            ):
                connection.execute(f"PRAGMA {pragma}")
            connection.set_progress_handler(lambda: time.monotonic() > self._end, _STEPS)
            connection.set_authorizer(_authorize)
            connection.execute("SELECT count(*) FROM sqlite_master")  # opens the file
            return connection


def _authorize(action: int, first: str | None, second: str | None, database: str | None, source: str | None) -> int:
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        refused = (second or "").lower() in _FUNCTIONS_REFUSED
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in _PRAGMAS:
        sets = (first or "").lower() in ("page_size", "data_version") and second is not None
        return sqlite3.SQLITE_DENY if sets else sqlite3.SQLITE_OK
    # So SQLite asks when it opens a virtual table. A statement that did update it would still fail: without
    # PRAGMA writable_schema nothing may, and the file is open for reading.
    opens = action == sqlite3.SQLITE_UPDATE and first == "sqlite_master"
    return sqlite3.SQLITE_OK if opens else sqlite3.SQLITE_DENY


def _shadows(connection: sqlite3.Connection) -> set[str]:
    """The tables in which virtual ones keep what they hold; SQLite tells since 3.37."""
    with suppress(sqlite3.Error):
        return {name for (name,) in connection.execute("SELECT name FROM pragma_table_list WHERE type = 'shadow'")}
    return set()


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _is_settled(path: str) -> bool:
    """Whether the file is in WAL mode with nothing waiting in its log, as it is while nobody has it open.

    Even a reader would then put files beside it, unless told that nothing changes; `query` makes sure of that
    afterwards and reads again, under locks, if something did.
    """
    with open(path, "rb") as file:
        file.seek(18)
        wal = file.read(2) == b"\2\2"
    log = Path(f"{path}-wal")
    return wal and (not log.exists() or log.stat().st_size == 0)


def _state(path: str) -> tuple[int, ...]:
    """What tells that a file in WAL mode, or its log, was written to."""
    with open(path, "rb") as file:
        header = file.read(100)
        status = os.fstat(file.fileno())
    log = Path(f"{path}-wal")
    size = log.stat().st_size if log.exists() else 0
    return status.st_ino, status.st_size, status.st_mtime_ns, size, int.from_bytes(header[24:28], "big")


class _told:  # noqa: N801 - used like a function
    """SQLite's errors as sentences for the model."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error | sqlite3.Warning):
            raise QueryFailed(_sentence(error)) from None


def _sentence(error: Exception) -> str:
    said = str(error)
    if "not authorized" in said or "prohibited" in said or "readonly" in said:
        return f"only reading is allowed here: one SELECT statement, no PRAGMA that sets, no ATTACH ({said})"
    if "one statement" in said:
        return "only one statement at a time"
    if said == "interrupted":
        return "interrupted"
    if "unable to open" in said:
        return "the file cannot be opened; if another program left it in WAL mode, open it there once and close it"
    return said
