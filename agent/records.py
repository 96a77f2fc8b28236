"""Records: every finished turn and feedback, appended and never rewritten. Training data come from here."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.database import Tables, storable
from agent.errors import RecordError
from agent.schema import AnswerChoice, Feedback, Turn

TITLE_CHARS = 60
_SUMMARIES = (
    "SELECT threads.thread_id, title, count(turns.turn_id), threads.created_at, "
    "coalesce(max(turns.created_at), threads.created_at) AS updated_at FROM threads LEFT JOIN turns "
    "ON turns.thread_id = threads.thread_id AND retracted_at IS NULL {where} "
    "GROUP BY threads.thread_id ORDER BY updated_at DESC, max(sequence) DESC"
)
_WHERE = {"turn": "ratchet threads show THREAD", "thread": "ratchet threads list"}


@dataclass(frozen=True, slots=True)
class ThreadSummary:
    """One line in a list of conversations; times are UTC ISO 8601."""

    thread_id: str
    title: str
    turns: int
    created_at: str
    updated_at: str


class Records(Tables):
    """The records of a database file. Thread-safe; a write is durable when its method returns.

    Raises:
        DatabaseError: the file cannot be used (from any method).
    """

    def append(self, turn: Turn) -> None:
        """Record a turn; doing it twice records it once."""
        payload = storable(json.dumps(turn.to_json(), ensure_ascii=False))
        question, answer = storable(turn.question), storable(turn.answer)
        lineage = (turn.status, turn.model, turn.adapter, turn.prompt_version)
        # Not INSERT OR IGNORE, which would drop a turn that breaks any constraint without a word.
        with self._write() as connection:
            connection.execute(
                "INSERT INTO threads VALUES (?, ?, ?) ON CONFLICT (thread_id) DO NOTHING",
                (turn.thread_id, title_of(question), turn.created_at),
            )
            connection.execute(
                "INSERT INTO turns (turn_id, thread_id, created_at, question, answer, status, model, "
                "adapter, prompt_version, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (turn_id) DO NOTHING",
                (turn.turn_id, turn.thread_id, turn.created_at, question, answer, *lineage, payload),
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
        """Take a turn out of its conversation; it stays in the records, marked with the time.

        Raises:
            RecordError: there is no such turn.
        """
        with self._write() as connection:
            sql = "UPDATE turns SET retracted_at = coalesce(retracted_at, ?) WHERE turn_id = ?"
            if not connection.execute(sql, (_now(), turn_id)).rowcount:
                raise _missing("turn", turn_id)

    def find_turn(self, prefix: str) -> str:
        """The id of the turn named, or of the one that starts so.

        Raises:
            RecordError: none or several do.
        """
        return self._only("turn", prefix)

    def find_thread(self, prefix: str) -> str:
        """The id of the thread named, or of the one that starts so.

        Raises:
            RecordError: none or several do.
        """
        return self._only("thread", prefix)

    def _only(self, kind: str, prefix: str) -> str:
        name, prefix = f"{kind}_id", storable(prefix)
        sql = f"SELECT {name} FROM {kind}s WHERE substr({name}, 1, ?) = ? ORDER BY length({name}) LIMIT 2"  # noqa: S608
        rows = self._read(sql, len(prefix), prefix) if prefix else []
        if not rows:
            raise _missing(kind, prefix)
        if len(rows) > 1 and rows[0][0] != prefix:
            raise RecordError(f'"{prefix}" fits several {kind}s.', fix=f"`{_WHERE[kind]}` shows the ids.")
        return str(rows[0][0])

    def add_feedback(self, turn_id: str, rating: int, correction: str = "", comment: str = "") -> Feedback:
        """Append what a person thought of a turn; the latest feedback of a turn is the one that counts.

        Raises:
            RecordError: there is no such turn, or the rating is not -1, 0 or 1.
        """
        if rating not in (-1, 0, 1):
            raise RecordError(f"A rating is 1, 0 or -1, not {rating}.", kept="Nothing was recorded.")
        with self._write() as connection:
            found, correction, comment = self.find_turn(turn_id), storable(correction), storable(comment)
            feedback = Feedback(secrets.token_hex(8), found, rating, correction, comment, _now())
            connection.execute(
                "INSERT INTO feedback (feedback_id, turn_id, rating, correction, comment, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (feedback.feedback_id, found, rating, correction, comment, feedback.created_at),
            )
        return feedback

    def feedback(self, turn_id: str | None = None) -> list[Feedback]:
        """All feedback, or that of one turn, oldest first."""
        columns = "SELECT feedback_id, turn_id, rating, correction, comment, created_at FROM feedback "
        if turn_id is None:
            return [Feedback(*row) for row in self._read(columns + "ORDER BY sequence")]
        rows = self._read(columns + "WHERE turn_id = ? ORDER BY sequence", turn_id)
        return [Feedback(*row) for row in rows]

    def add_choice(
        self, turn_id: str, answers: tuple[str, str], chosen: int | None, adapters: tuple[str, str] = ("", "")
    ) -> AnswerChoice:
        """Append which of two answers to a turn's question a person preferred.

        Args:
            turn_id: the turn, or the start of its id.
            answers: as they were shown.
            chosen: 0 or 1, an index of `answers`; None when neither was preferred.
            adapters: which adapter gave each.

        Raises:
            RecordError: there is no such turn, or the choice is none of the two.
        """
        if chosen not in (0, 1, None):
            raise RecordError(f"A choice is 0, 1 or None, not {chosen}.", kept="Nothing was recorded.")
        first, second = map(storable, answers)
        with self._write() as connection:
            found = self.find_turn(turn_id)
            given = AnswerChoice(secrets.token_hex(8), found, (first, second), adapters, chosen, _now())
            connection.execute(
                "INSERT INTO choices (choice_id, turn_id, first, second, first_adapter, second_adapter, chosen, "
                "created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (given.choice_id, found, first, second, *adapters, chosen, given.created_at),
            )
        return given

    def choices(self, turn_id: str | None = None) -> list[AnswerChoice]:
        """All choices between two answers, or those of one turn, oldest first."""
        sql = "SELECT choice_id, turn_id, first, second, first_adapter, second_adapter, chosen, created_at FROM choices"
        where, values = ("", ()) if turn_id is None else (" WHERE turn_id = ?", (turn_id,))
        rows = self._read(f"{sql}{where} ORDER BY sequence", *values)
        return [AnswerChoice(row[0], row[1], (row[2], row[3]), (row[4], row[5]), *row[6:]) for row in rows]

    def set_consent(self, thread_id: str, given: bool) -> None:
        """Say whether a model may learn from a thread; it can be changed at any time.

        Args:
            thread_id: the full id; `find_thread` completes one.
            given: whether it may.

        Raises:
            RecordError: there is no such thread.
        """
        with self._write() as connection:
            if not connection.execute("SELECT 1 FROM threads WHERE thread_id = ?", (thread_id,)).fetchone():
                raise _missing("thread", thread_id)
            connection.execute(
                "INSERT INTO consent VALUES (?, ?, ?) ON CONFLICT (thread_id) DO UPDATE SET given = excluded.given, "
                "set_at = excluded.set_at",
                (thread_id, int(given), _now()),
            )

    def consent(self, thread_id: str) -> bool:
        """Whether a model may learn from a thread: as was set; else whether its user has judged an answer in it.

        Who rates or corrects an answer, or chooses between two, gives it for that purpose. Nothing else is consent, a
        mere comment neither.
        """
        said = self._read("SELECT given FROM consent WHERE thread_id = ?", thread_id)
        if said:
            return bool(said[0][0])
        judged = (
            "SELECT 1 FROM feedback JOIN turns USING (turn_id) WHERE thread_id = ? "
            "AND (rating != 0 OR correction != '') LIMIT 1",
            "SELECT 1 FROM choices JOIN turns USING (turn_id) WHERE thread_id = ? LIMIT 1",
        )
        return any(self._read(sql, thread_id) for sql in judged)

    def threads(self) -> list[ThreadSummary]:
        """All conversations, the most recently used first."""
        return [ThreadSummary(*row) for row in self._read(_SUMMARIES.format(where=""))]

    def thread(self, thread_id: str) -> ThreadSummary | None:
        """A conversation by its full id; None before its first answer."""
        rows = self._read(_SUMMARIES.format(where="WHERE threads.thread_id = ?"), thread_id)
        return ThreadSummary(*rows[0]) if rows else None

    def threads_with(self, words: Sequence[str]) -> set[str]:
        """The ids of the threads that hold all of these words in their title, questions and answers, in any case."""
        held = (
            "SELECT thread_id FROM threads WHERE instr(folded(title), ?) UNION SELECT thread_id FROM turns "
            "WHERE retracted_at IS NULL AND instr(folded(question || ' ' || answer), ?)"
        )
        with self._lock:
            self._connection.create_function("folded", 1, str.casefold, deterministic=True)
            found = [{str(row[0]) for row in self._read(held, *(storable(word).casefold(),) * 2)} for word in words]
        return set.intersection(*found) if found else {thread.thread_id for thread in self.threads()}

    def rename_thread(self, thread_id: str, title: str) -> None:
        """Give a conversation another title.

        Args:
            thread_id: the full id; `find_thread` completes one.
            title: shortened to `TITLE_CHARS` characters.

        Raises:
            RecordError: there is no such thread, or the title is blank.
        """
        title = title_of(storable(title))
        if not title:
            raise RecordError("A title needs at least one letter.", kept="The old one stays.")
        with self._write() as connection:
            sql = "UPDATE threads SET title = ? WHERE thread_id = ?"
            if not connection.execute(sql, (title, thread_id)).rowcount:
                raise _missing("thread", thread_id)

    def choose_model(self, thread_id: str, model: str, adapter: str) -> None:
        """Keep which model answers a thread.

        Args:
            thread_id: the full id; the thread may have no turn yet.
            model: as in `model.name` of the settings; empty: the settings decide again.
            adapter: as in `model.adapter`.
        """
        with self._write() as connection:
            if not model:
                connection.execute("DELETE FROM thread_models WHERE thread_id = ?", (storable(thread_id),))
                return
            connection.execute(
                "INSERT INTO thread_models VALUES (?, ?, ?) ON CONFLICT (thread_id) DO UPDATE SET "
                "model = excluded.model, adapter = excluded.adapter",
                (storable(thread_id), storable(model), storable(adapter)),
            )

    def chosen_model(self, thread_id: str) -> tuple[str, str] | None:
        """Model and adapter that were chosen for a thread; None where the settings decide."""
        rows = self._read("SELECT model, adapter FROM thread_models WHERE thread_id = ?", storable(thread_id))
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    def delete_thread(self, thread_id: str) -> None:
        """Delete a conversation with its turns, feedback and choices for good, and its text from the disk.

        Only the full id is accepted, so that the caller deletes the checkpoints of the same thread.

        Raises:
            RecordError: there is no such thread.
        """
        with self._write() as connection:
            connection.execute("DELETE FROM thread_models WHERE thread_id = ?", (thread_id,))
            found = connection.execute("DELETE FROM threads WHERE thread_id = ?", (thread_id,)).rowcount
        self._scrub()
        if not found:
            raise _missing("thread", thread_id)


def title_of(question: str) -> str:
    """The first words of a question, at most `TITLE_CHARS` characters: a title that costs no model call."""
    text = " ".join(question.split())
    if len(text) <= TITLE_CHARS:
        return text
    return text[: TITLE_CHARS - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def _missing(kind: str, name: str) -> RecordError:
    return RecordError(f'There is no {kind} "{name}".', fix=f"`{_WHERE[kind]}` shows the ids.")


def _now() -> str:
    return datetime.now(UTC).isoformat()
