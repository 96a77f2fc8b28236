"""One place that opens `ratchet.db`: durable, private to the user, migrated, with errors people can act on.

The checkpointer, the facts and the records share the file, each over its own connection. None of them opens
a transaction but through `writing`, which takes the write lock at once: a transaction that reads first and
asks for the lock later can be refused it without waiting (SQLite, "Isolation in SQLite").
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agent.errors import DatabaseError

BUSY_SECONDS = 10.0

# Step n takes `user_version` from n to n+1. Steps are never edited, only added.
MIGRATIONS: tuple[Sequence[str], ...] = (
    (
        "CREATE TABLE threads (thread_id TEXT PRIMARY KEY, title TEXT NOT NULL, created_at TEXT NOT NULL)",
        "CREATE TABLE turns ("
        "sequence INTEGER PRIMARY KEY AUTOINCREMENT, turn_id TEXT NOT NULL UNIQUE, "
        "thread_id TEXT NOT NULL REFERENCES threads ON DELETE CASCADE, created_at TEXT NOT NULL, "
        "question TEXT NOT NULL, answer TEXT NOT NULL, status TEXT NOT NULL, model TEXT NOT NULL, "
        "adapter TEXT NOT NULL, prompt_version TEXT NOT NULL, payload TEXT NOT NULL, retracted_at TEXT)",
        "CREATE INDEX turns_by_thread ON turns (thread_id, sequence)",
        "CREATE TABLE feedback ("
        "sequence INTEGER PRIMARY KEY AUTOINCREMENT, feedback_id TEXT NOT NULL UNIQUE, "
        "turn_id TEXT NOT NULL REFERENCES turns (turn_id) ON DELETE CASCADE, rating INTEGER NOT NULL, "
        "correction TEXT NOT NULL, comment TEXT NOT NULL, created_at TEXT NOT NULL)",
        "CREATE INDEX feedback_by_turn ON feedback (turn_id, sequence)",
    ),
    (
        "CREATE TABLE calls ("
        "call_id TEXT PRIMARY KEY, turn_id TEXT NOT NULL, thread_id TEXT NOT NULL, person TEXT NOT NULL, "
        "tool TEXT NOT NULL, risk TEXT NOT NULL, identity TEXT NOT NULL, proposed TEXT NOT NULL, "
        "arguments TEXT NOT NULL, digest TEXT NOT NULL, preview TEXT NOT NULL, why TEXT NOT NULL, "
        "sources TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, proposed_at TEXT NOT NULL, result TEXT)",
        "CREATE INDEX calls_by_thread ON calls (thread_id, state)",
        "CREATE TABLE grants (thread_id TEXT NOT NULL, person TEXT NOT NULL, tool TEXT NOT NULL, "
        "granted_at TEXT NOT NULL, PRIMARY KEY (thread_id, person, tool))",
        "CREATE TABLE audit ("
        "sequence INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, person TEXT NOT NULL, "
        "thread_id TEXT NOT NULL, turn_id TEXT NOT NULL, call_id TEXT NOT NULL, tool TEXT NOT NULL, "
        "event TEXT NOT NULL, arguments TEXT, digest TEXT NOT NULL, detail TEXT)",
        "CREATE INDEX audit_by_thread ON audit (thread_id, sequence)",
    ),
    (
        "CREATE TABLE consent (thread_id TEXT PRIMARY KEY REFERENCES threads ON DELETE CASCADE, "
        "given INTEGER NOT NULL, set_at TEXT NOT NULL)",
        "CREATE TABLE choices ("
        "sequence INTEGER PRIMARY KEY AUTOINCREMENT, choice_id TEXT NOT NULL UNIQUE, "
        "turn_id TEXT NOT NULL REFERENCES turns (turn_id) ON DELETE CASCADE, "
        "first TEXT NOT NULL, second TEXT NOT NULL, first_adapter TEXT NOT NULL, second_adapter TEXT NOT NULL, "
        "chosen INTEGER, created_at TEXT NOT NULL)",
        "CREATE INDEX choices_by_turn ON choices (turn_id, sequence)",
    ),
    (
        # No reference to `threads`: a model can be chosen before the first answer.
        "CREATE TABLE thread_models (thread_id TEXT PRIMARY KEY, model TEXT NOT NULL, adapter TEXT NOT NULL)",
    ),
)

_PRAGMAS = (
    "synchronous=FULL",  # a commit is on the disk when it returns
    "foreign_keys=ON",
    "secure_delete=ON",  # what the user deletes is overwritten, not merely unlinked
)
_UNHARMED = "Everything recorded before this is unharmed."
_UNCHANGED = "The file was not changed."
_LOCKED = (
    "The database {} is locked by another program.",
    _UNHARMED,
    "Close the other Ratchet window or backup that uses it, then try again.",
)
_NOT_WRITABLE = (
    "The database {} cannot be written.",
    _UNHARMED,
    "Make the file and its folder writable, or choose another folder with --home or RATCHET_HOME.",
)
# SQLite's primary result codes (sqlite.org/rescode.html) → what happened, what was kept, what to do.
_CAUSES = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: _NOT_WRITABLE,
    sqlite3.SQLITE_PERM: _NOT_WRITABLE,
    sqlite3.SQLITE_FULL: ("The disk is full: {} cannot grow.", _UNHARMED, "Free some space and ask again."),
    sqlite3.SQLITE_IOERR: (
        "The disk refused to read or write {}.",
        _UNHARMED,
        "Check that the disk has space and is healthy, then try again; `ratchet doctor` checks the file.",
    ),
    sqlite3.SQLITE_NOTADB: (
        "The file {} is not a Ratchet database.",
        _UNCHANGED,
        "Move it away, or choose another folder with --home or RATCHET_HOME.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "The database {} is damaged.",
        _UNCHANGED,
        "Run `ratchet doctor`, then move the file away or restore a backup.",
    ),
}


class _Connection(sqlite3.Connection):
    """A connection whose scripts stay inside the open transaction.

    The stock `executescript` commits first, so a program killed halfway through the set-up of LangGraph's
    tables, or two programs doing it at once, would leave a file that no later set-up can finish.
    """

    def executescript(self, script: str, /) -> sqlite3.Cursor:
        cursor, statement = self.cursor(), ""
        for piece in script.split(";"):
            statement += f"{piece};"
            if sqlite3.complete_statement(statement):
                cursor.execute(statement)
                statement = ""
        return cursor


def connect(database: Path, *, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open the database for reading and writing, created with mode 0600 if absent, and migrate it.

    The connection is in autocommit mode and may be used from any thread, one at a time.

    Args:
        database: path of the file.
        busy_seconds: how long to wait for another program's write.

    Raises:
        DatabaseError: not a database, from a newer version, not writable, or locked.
    """
    _keep_private(database)
    with mapped_errors(database), contextlib.ExitStack() as on_failure:
        connection = sqlite3.connect(
            database, busy_seconds, isolation_level=None, check_same_thread=False, factory=_Connection
        )
        on_failure.callback(connection.close)
        _log_ahead(connection, busy_seconds)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        migrate(connection, database, MIGRATIONS)
        on_failure.pop_all()
        return connection


class Tables:
    """Some tables of the database file, over a connection of their own. Thread-safe.

    Raises:
        DatabaseError: the file cannot be used (from any method).
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._lock = threading.RLock()
        self._connection = connect(database)

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock, writing(self._connection, self._database):
            yield self._connection

    def _read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, mapped_errors(self._database):
            return self._connection.execute(sql, values).fetchall()

    def _scrub(self) -> None:
        with self._lock:
            scrub(self._connection)

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        with self._lock:
            self._connection.close()


def _keep_private(database: Path) -> None:
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        if not database.exists():
            os.close(os.open(database, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise DatabaseError(
            f"The database {database} cannot be created: {error.strerror}.",
            fix="Check the folder's permissions, or choose another with --home or RATCHET_HOME.",
        ) from error
    # SQLite gives its log the mode of the database; a copied or restored file may have come open to others.
    for path in (database, Path(f"{database}-wal"), Path(f"{database}-shm")):
        with contextlib.suppress(OSError):
            mode = path.stat().st_mode
            if mode & 0o077:
                path.chmod(mode & 0o700)


def _log_ahead(connection: sqlite3.Connection, busy_seconds: float) -> None:
    # While another program writes to a new file, SQLite refuses this without the wait it was asked for.
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if _cause(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def migrate(connection: sqlite3.Connection, database: Path, steps: Sequence[Sequence[str]]) -> None:
    """Apply the steps that this file has not seen, all or none.

    Args:
        connection: in autocommit mode.
        database: path of the file, for the messages.
        steps: the statements of each step.

    Raises:
        DatabaseError: the file was written by a newer version, or a step failed.
    """
    # A file that is up to date is not locked, so that it can be read where it cannot be written.
    if _version(connection, database, len(steps)) == len(steps):
        return
    with writing(connection, database):
        for step in steps[_version(connection, database, len(steps)) :]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(steps)}")


def _version(connection: sqlite3.Connection, database: Path, newest: int) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > newest:
        raise DatabaseError(
            f"The database {database} was written by a newer version of Ratchet (format {version}).",
            kept=_UNCHANGED,
            fix="Upgrade Ratchet, or choose another folder with --home or RATCHET_HOME.",
        )
    return version


@contextlib.contextmanager
def writing(connection: sqlite3.Connection, database: Path) -> Iterator[None]:
    """A write transaction: all of it is on the disk afterwards, or none of it.

    Raises:
        DatabaseError: the write lock cannot be had, or the disk refuses.
    """
    with mapped_errors(database):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite has already rolled back after some errors
                connection.execute("ROLLBACK")
            raise


def scrub(connection: sqlite3.Connection) -> None:
    """Empty the write-ahead log, where text that was just deleted may still stand.

    The deletion itself is already on the disk: where this fails, or another program still reads the log, the
    last program to close the database empties it.
    """
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def storable(text: str) -> str:
    """The text, with lone surrogates (bytes of the command line that are no UTF-8) as question marks."""
    return text.encode("utf-8", "replace").decode()


@contextlib.contextmanager
def mapped_errors(database: Path) -> Iterator[None]:
    """Turn sqlite3's errors into `DatabaseError`, each with what to do."""
    try:
        yield
    except sqlite3.Error as error:
        known = _CAUSES.get(_cause(error))
        what, kept, fix = known or (f"The database {{}} failed: {error}.", _UNHARMED, "Run `ratchet doctor`.")
        raise DatabaseError(what.replace("{}", str(database)), kept=kept, fix=fix) from error


def _cause(error: sqlite3.Error) -> int:
    # The low byte is the primary code; errors of Python's own layer carry none.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
