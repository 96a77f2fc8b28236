"""Whose each conversation is."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.errors import DatabaseError, RecordError

FILE_NAME = "owners.db"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who has logged in, in one browser.

    Attributes:
        key: 32 hex digits that stand for the account and the browser together; nobody can tell them from it.
        user: the name of the account.
        address: where the requests come from, for limits only.
    """

    key: str
    user: str
    address: str

    @classmethod
    def of(cls, user: str, secret: str, address: str) -> Visitor:
        """The visitor with this account whose browser holds this secret."""
        digest = hashlib.sha256(f"{user}\0{secret}".encode("utf-8", "surrogatepass")).hexdigest()
        return cls(digest[:32], user, address)


class Ownership:
    """Which conversation is whose, in a file of its own, so that it outlasts the server. Thread-safe.

    Raises:
        DatabaseError: the file cannot be used (from any method).
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        with self._open() as database:
            database.execute("CREATE TABLE IF NOT EXISTS owners (thread_id TEXT PRIMARY KEY, visitor TEXT NOT NULL)")
            database.execute("CREATE INDEX IF NOT EXISTS owners_visitor ON owners (visitor)")

    def claim(self, thread_id: str, visitor: Visitor) -> None:
        """Note that a new conversation is this visitor's.

        Raises:
            RecordError: it is somebody's already.
        """
        with self._open() as database:
            done = database.execute(
                "INSERT INTO owners VALUES (?, ?) ON CONFLICT (thread_id) DO NOTHING", (thread_id, visitor.key)
            )
            if not done.rowcount:
                raise unknown()

    def owns(self, visitor: Visitor, thread_id: str) -> bool:
        """Whether a conversation is this visitor's."""
        sql = "SELECT 1 FROM owners WHERE thread_id = ? AND visitor = ?"
        with self._open() as database:
            return database.execute(sql, (thread_id, visitor.key)).fetchone() is not None

    def threads(self, visitor: Visitor) -> set[str]:
        """The ids of this visitor's conversations."""
        with self._open() as database:
            rows = database.execute("SELECT thread_id FROM owners WHERE visitor = ?", (visitor.key,))
            return {str(row[0]) for row in rows}

    def release(self, thread_id: str) -> None:
        """Forget whose it was; nobody can claim to be its owner any more than of any other."""
        with self._open() as database:
            database.execute("DELETE FROM owners WHERE thread_id = ?", (thread_id,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, closing(sqlite3.connect(self._path, timeout=5)) as database, database:
                yield database
        except sqlite3.Error as error:
            raise DatabaseError(
                f"{self._path} cannot be used: {error}.", kept="No conversation was changed."
            ) from error


def unknown() -> RecordError:
    """A conversation that is somebody else's, or that does not exist; the two are not told apart."""
    return RecordError("There is no such conversation.", fix="Choose one from the list, or start a new one.")
