"""Threads as they lie on the disk: listed, looked at, copied and deleted without a model or an index."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.calls.ledger import CallLedger
from agent.database import Tables
from agent.errors import RecordError
from agent.records import Records
from agent.schema import Event, Note, Retrieved, Token, ToolCall, ToolCallFinished, ToolCallProposed, Turn
from knowledge.schema import Passage

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from agent.memory import PrunedSqliteSaver


class StoredThreads:
    """The threads of a database file. Thread-safe; what only conversations need is opened when first asked for.

    Args:
        database: path of the file.

    Attributes:
        records: turns and feedback.
        ledger: tool calls with effects.

    Raises:
        DatabaseError: the file cannot be used (from any method).
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self.records = Records(database)
        self.ledger = CallLedger(database)
        self._checkpoints = _Checkpoints(database)
        self._lock = threading.Lock()
        self._opened: tuple[PrunedSqliteSaver, CompiledStateGraph[Any]] | None = None

    def unfinished(self, thread_id: str) -> dict[str, Any] | None:
        """The state of the turn that did not come to its end: it was interrupted, or waits for a person; or None."""
        from agent.forking import unfinished

        if not self._checkpoints.has(thread_id):  # so that a new thread costs no import of LangGraph
            return None
        return unfinished(self._conversations()[1], thread_id)

    def fork(self, thread_id: str, turn_id: str, into: str) -> str:
        """As `agent.forking.fork`."""
        from agent.forking import fork

        return fork(self.records, self._conversations()[0], thread_id, turn_id, into)

    def delete(self, thread_id: str) -> None:
        """Delete a conversation for good; one that is not there is no error."""
        # Checkpoints first: if the program dies in between, the thread is still listed and can be deleted again.
        if self._checkpoints.has(thread_id):
            self._conversations()[0].delete_thread(thread_id)
        self.ledger.delete_thread(thread_id)
        try:
            self.records.delete_thread(thread_id)
        except RecordError:  # none of its turns was ever finished
            return

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            if self._opened is not None:
                self._opened[0].close()
                self._opened = None
        for tables in (self.records, self.ledger, self._checkpoints):
            tables.close()

    def _conversations(self) -> tuple[PrunedSqliteSaver, CompiledStateGraph[Any]]:
        with self._lock:
            if self._opened is None:
                from agent.forking import storage_graph
                from agent.memory import open_checkpointer

                checkpointer = open_checkpointer(self._database)
                self._opened = checkpointer, storage_graph(checkpointer)
            return self._opened


class _Checkpoints(Tables):
    def has(self, thread_id: str) -> bool:
        """Whether there is anything of a conversation; LangGraph makes its table with the first one."""
        if not self._read("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'checkpoints'"):
            return False
        return bool(self._read("SELECT 1 FROM checkpoints WHERE thread_id = ? LIMIT 1", thread_id))


def told(state: dict[str, Any]) -> list[Event]:
    """What a turn that is not finished has told so far, as events."""
    passages = tuple(Passage.from_json(item) for item in state.get("passages", []))
    events: list[Event] = []
    if state.get("searched"):
        seconds = float(state.get("timings", {}).get("retrieve", 0.0))
        events.append(Retrieved(passages, bool(state.get("relevant")), seconds, str(state.get("query", ""))))
    events += map(Note, state.get("notes", []))
    for item in state.get("tool_calls", []):
        call = ToolCall(**item)
        events += [ToolCallProposed(call), ToolCallFinished(call)]
    if answer := str(state.get("answer", "")):
        events.append(Token(answer))
    return events


def waiting_turn(thread_id: str, state: dict[str, Any]) -> Turn:
    """What there is of a turn that waits for a person."""
    calls = tuple(ToolCall(**item) for item in state.get("tool_calls", []))
    question, answer = str(state.get("question", "")), str(state.get("answer", ""))
    return Turn(str(state.get("turn_id", "")), thread_id, question, answer, "waiting", tool_calls=calls)
