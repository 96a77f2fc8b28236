"""Records: every finished turn and every feedback, appended and never rewritten. Training data come from here."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.database import connect, mapped_errors, migrate
from agent.errors import RecordError
from agent.schema import Feedback, Turn

TITLE_CHARS = 60

_MIGRATIONS = (
    """
    CREATE TABLE threads (
        thread_id TEXT PRIMARY KEY, title TEXT NOT NULL, created_at TEXT NOT NULL);
    CREATE TABLE turns (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT, turn_id TEXT NOT NULL UNIQUE,
        thread_id TEXT NOT NULL REFERENCES threads ON DELETE CASCADE, created_at TEXT NOT NULL,
        question TEXT NOT NULL, answer TEXT NOT NULL, status TEXT NOT NULL, model TEXT NOT NULL,
        adapter TEXT NOT NULL, prompt_version TEXT NOT NULL, payload TEXT NOT NULL, retracted_at TEXT);
    CREATE INDEX turns_by_thread ON turns (thread_id, sequence);
    CREATE TABLE feedback (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT, feedback_id TEXT NOT NULL UNIQUE,
        turn_id TEXT NOT NULL REFERENCES turns (turn_id) ON DELETE CASCADE, rating INTEGER NOT NULL,
        correction TEXT NOT NULL, comment TEXT NOT NULL, created_at TEXT NOT NULL);
    CREATE INDEX feedback_by_turn ON feedback (turn_id, sequence)
    """,
)


@dataclass(frozen=True, slots=True)
class ThreadSummary:
    """One line in a list of conversations; times are UTC ISO 8601."""

    thread_id: str
    title: str
    turns: int
    created_at: str
    updated_at: str


class Records:
    """The records of a database file. Thread-safe; a write is durable when its method returns.

    Raises:
        DatabaseError: the file cannot be used (from any method).
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._lock = threading.RLock()
        self._connection = connect(database, autocommit=True)
        migrate(self._connection, database, _MIGRATIONS)

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock, mapped_errors(self._database):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, mapped_errors(self._database):
            return self._connection.execute(sql, values).fetchall()

    def append(self, turn: Turn) -> None:
        """Record a turn; doing it twice records it once."""
        payload = json.dumps(turn.to_json(), ensure_ascii=False)
        lineage = (turn.model, turn.adapter, turn.prompt_version)
        with self._write() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO threads VALUES (?, ?, ?)",
                (turn.thread_id, title_of(turn.question), turn.created_at),
            )
            connection.execute(
                "INSERT OR IGNORE INTO turns (turn_id, thread_id, created_at, question, answer, status, model, "
                "adapter, prompt_version, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (turn.turn_id, turn.thread_id, turn.created_at, turn.question, turn.answer, turn.status, *lineage)
                + (payload,),
            )

    def turn(self, turn_id: str) -> Turn | None:
        """A turn by its id, retracted or not."""
        rows = self._read("SELECT payload FROM turns WHERE turn_id = ?", turn_id)
        return Turn.from_json(json.loads(rows[0][0])) if rows else None

    def turns(self, thread_id: str) -> list[Turn]:
        """The turns of a thread that were not retracted, oldest first."""
        sql = "SELECT payload FROM turns WHERE thread_id = ? AND retracted_at IS NULL ORDER BY sequence"
        return [Turn.from_json(json.loads(row[0])) for row in self._read(sql, thread_id)]

    def retract(self, turn_id: str) -> None:
        """Take a turn out of its conversation; it stays in the records, marked."""
        with self._write() as connection:
            connection.execute("UPDATE turns SET retracted_at = ? WHERE turn_id = ?", (_now(), turn_id))

    def find_turn(self, prefix: str) -> str:
        """The id of the one turn that starts with `prefix`.

        Raises:
            RecordError: none or several do.
        """
        return self._only("turn_id", "turns", prefix, "ratchet threads show THREAD")

    def find_thread(self, prefix: str) -> str:
        """The id of the one thread that starts with `prefix`.

        Raises:
            RecordError: none or several do.
        """
        return self._only("thread_id", "threads", prefix, "ratchet threads list")

    def _only(self, column: str, table: str, prefix: str, where: str) -> str:
        sql = f"SELECT {column} FROM {table} WHERE substr({column}, 1, ?) = ? LIMIT 2"  # noqa: S608 - fixed names
        rows = self._read(sql, len(prefix), prefix) if prefix else []
        if len(rows) != 1:
            kind = table.removesuffix("s")
            what = f'"{prefix}" fits several {table}.' if rows else f'There is no {kind} "{prefix}".'
            raise RecordError(what, fix=f"`{where}` shows the ids.")
        return str(rows[0][0])

    def add_feedback(self, turn_id: str, rating: int, correction: str = "", comment: str = "") -> Feedback:
        """Append what a person thought of a turn; the latest feedback of a turn is the one that counts.

        Raises:
            RecordError: there is no such turn, or the rating is not -1, 0 or 1.
        """
        if rating not in (-1, 0, 1):
            raise RecordError(f"A rating is 1, 0 or -1, not {rating}.", kept="Nothing was recorded.")
        feedback = Feedback(secrets.token_hex(8), self.find_turn(turn_id), rating, correction, comment, _now())
        with self._write() as connection:
            connection.execute(
                "INSERT INTO feedback (feedback_id, turn_id, rating, correction, comment, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (feedback.feedback_id, feedback.turn_id, rating, correction, comment, feedback.created_at),
            )
        return feedback

    def feedback(self, turn_id: str | None = None) -> list[Feedback]:
        """All feedback, or that of one turn, oldest first."""
        columns = "SELECT feedback_id, turn_id, rating, correction, comment, created_at FROM feedback "
        if turn_id is None:
            return [Feedback(*row) for row in self._read(columns + "ORDER BY sequence")]
        rows = self._read(columns + "WHERE turn_id = ? ORDER BY sequence", turn_id)
        return [Feedback(*row) for row in rows]

    def threads(self) -> list[ThreadSummary]:
        """All conversations, the most recently used first."""
        rows = self._read(
            "SELECT threads.thread_id, title, count(turns.turn_id), threads.created_at, "
            "coalesce(max(turns.created_at), threads.created_at) AS updated_at FROM threads LEFT JOIN turns "
            "ON turns.thread_id = threads.thread_id AND retracted_at IS NULL "
            "GROUP BY threads.thread_id ORDER BY updated_at DESC"
        )
        return [ThreadSummary(*row) for row in rows]

    def rename_thread(self, thread_id: str, title: str) -> None:
        """Give a conversation another title.

        Raises:
            RecordError: there is no such thread.
        """
        found = self.find_thread(thread_id)
        with self._write() as connection:
            connection.execute("UPDATE threads SET title = ? WHERE thread_id = ?", (title_of(title), found))

    def delete_thread(self, thread_id: str) -> None:
        """Delete a conversation with its turns and feedback, for good.

        Raises:
            RecordError: there is no such thread.
        """
        found = self.find_thread(thread_id)
        with self._write() as connection:
            connection.execute("DELETE FROM threads WHERE thread_id = ?", (found,))

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        with self._lock:
            self._connection.close()


def title_of(question: str) -> str:
    """The first words of a question, at most `TITLE_CHARS` characters: a title that costs no model call."""
    text = " ".join(question.split())
    if len(text) <= TITLE_CHARS:
        return text
    return text[: TITLE_CHARS - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def _now() -> str:
    return datetime.now(UTC).isoformat()
