"""One place that opens `ratchet.db`: durable, private to the user, migrated, with errors people can act on."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.errors import DatabaseError

BUSY_SECONDS = 10.0
_KEPT = "Everything recorded before this is unharmed."


def connect(database: Path, *, autocommit: bool = False, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open the database for reading and writing, creating it with mode 0600 if absent.

    Commits are durable when they return: write-ahead log with `synchronous=FULL`.

    Args:
        database: path of the file.
        autocommit: leave transactions to the caller's own BEGIN.
        busy_seconds: how long to wait for another process's write.

    Raises:
        DatabaseError: not a database, not writable, or locked.
    """
    with mapped_errors(database):
        try:
            database.parent.mkdir(parents=True, exist_ok=True)
            if not database.exists():
                os.close(os.open(database, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise DatabaseError(
                f"The database {database} cannot be created: {error.strerror}.",
                fix="Check the folder's permissions, or choose another with --home or RATCHET_HOME.",
            ) from error
        connection = sqlite3.connect(database, timeout=busy_seconds, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error:
            connection.close()
            raise
        if autocommit:
            connection.isolation_level = None
        return connection


@contextlib.contextmanager
def mapped_errors(database: Path) -> Iterator[None]:
    """Turn sqlite3's errors into `DatabaseError`, each with what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(database, error) from error


def _explain(database: Path, error: sqlite3.Error) -> DatabaseError:
    text = str(error).lower()
    if "locked" in text or "busy" in text:
        what = f"The database {database} is locked by another program."
        fix = "Close the other Ratchet window or backup that uses it, then try again."
    elif "readonly" in text or "read-only" in text or "unable to open" in text:
        what = f"The database {database} cannot be written."
        fix = "Make the file and its folder writable, or choose another folder with --home or RATCHET_HOME."
    elif "full" in text:
        what = f"The disk is full: {database} cannot grow."
        fix = "Free some space and ask again."
    elif "not a database" in text or "malformed" in text:
        what = f"The file {database} is not a Ratchet database, or it is damaged."
        fix = "Move it away or restore a backup; `ratchet doctor` shows what can still be read."
    else:
        what, fix = f"The database {database} failed: {error}.", "Run `ratchet doctor`."
    return DatabaseError(what, kept=_KEPT, fix=fix)


def migrate(connection: sqlite3.Connection, database: Path, steps: Sequence[str]) -> None:
    """Apply the migrations that this file has not seen; step n takes `user_version` from n to n+1.

    Raises:
        DatabaseError: the file was written by a newer version.
    """
    with mapped_errors(database):
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version > len(steps):
                raise DatabaseError(
                    f"The database {database} was written by a newer version of Ratchet (format {version}).",
                    kept="Nothing was changed.",
                    fix="Upgrade Ratchet, or use another folder with --home.",
                )
            for number, step in enumerate(steps[version:], version + 1):
                for statement in filter(str.strip, step.split(";")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def check(database: Path) -> list[str]:
    """What SQLite's integrity check finds; empty when all is well."""
    with mapped_errors(database), contextlib.closing(connect(database)) as connection:
        rows = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    return [] if rows == ["ok"] else rows
