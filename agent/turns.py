"""One thread of conversation over a session's runtime: its turns run, wait, resume and can be taken back."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Generator, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from agent import prompts
from agent.errors import RatchetError
from agent.forking import unfinished
from agent.schema import ApprovalRequested, Done, Event, Failed, Note, ToolCall, Turn
from agent.speech import Clock
from agent.state import fresh_turn

if TYPE_CHECKING:
    from agent.runtime import Runtime
    from knowledge.schema import SearchFilter


def beginning(thread_id: str, question: str, where: SearchFilter | None) -> dict[str, Any]:
    """What a new turn begins with."""
    return {
        "turn_id": uuid.uuid4().hex,
        "thread_id": thread_id,
        "question": question,
        "started_at": datetime.now(UTC).isoformat(),
        "where": {} if where is None else asdict(where),
    }


class ThreadTurns:
    """The turns of one thread.

    Attributes:
        broke: the error that ended the latest turn, if one did.
    """

    def __init__(self, runtime: Runtime, thread_id: str) -> None:
        self._runtime = runtime
        self._thread_id = thread_id
        limit = 2 * (runtime.settings.agent.max_steps + runtime.settings.tools.calls) + 10
        self._config: Any = {"configurable": {"thread_id": thread_id}, "recursion_limit": limit}
        self.broke: RatchetError | None = None

    def run(self, start: dict[str, Any] | None, cancelled: threading.Event) -> Generator[Event, None, None]:
        """The events of a turn; the last one is `Done`.

        Args:
            start: what a new turn begins with; None goes on with the one that is unfinished.
            cancelled: set to stop it; it still ends in order and is recorded.
        """
        runtime = self._runtime
        runtime.refresh_documents()
        runtime.deps.clock = Clock(cancelled)
        runtime.finished = None
        # A turn that goes on is finished by the adapter that began it.
        notes = [*filter(None, [runtime.refresh_adapter()]), *self._opening_notes()] if start else []
        yield from map(Note, notes)
        if start:
            runtime.ledger.withdraw(self._thread_id, "another question was asked")
        elif runtime.ledger.waiting(self._thread_id):
            yield from self._waits()
            return
        given = fresh_turn(start, notes) if start else None
        events = runtime.graph.stream(given, self._config, stream_mode="custom", durability="sync")
        try:
            # Not `yield from`: closing would then reach the graph, which waits for the model, before us.
            for event in events:
                yield cast(Event, event)
        except RatchetError as error:
            self.broke = error
            kept = error.kept or "The question is kept and can be resumed."
            yield Failed(error.what, kept, error.fix, error.exit_code)
            yield Done(self._turn(start or self.unfinished() or {}, "error"))
            return
        finally:
            # A consumer that leaves early cancels the turn, which still ends in order and is recorded.
            cancelled.set()
            for _ in events:
                pass
        runtime.checkpointer.prune([self._thread_id])
        if runtime.finished is not None:
            self.settle("the turn ended")
            yield Done(runtime.finished)
        elif self.unfinished() is not None:
            yield from self._waits()
        elif turns := runtime.records.turns(self._thread_id):  # another session has finished it meanwhile
            yield Done(turns[-1])

    def settle(self, why: str) -> None:
        """End the requests of a turn that is over: nobody can decide about them any more."""
        self._runtime.ledger.withdraw(self._thread_id, why)

    def tidy(self) -> None:
        """End requests that outlived their turn, as when the program ended between the two.

        Only the record tells that a turn is over: while another session works on it, nothing may seem to be left.
        """
        waiting = self._runtime.ledger.waiting(self._thread_id)
        if any(self._runtime.records.turn(request.call_id.rpartition("-")[0]) for request in waiting):
            self.settle("its turn is over")

    def _waits(self) -> Iterator[Event]:
        yield from map(ApprovalRequested, self._runtime.ledger.waiting(self._thread_id))
        yield Done(self._turn(self.unfinished() or {}, "waiting"))

    def _turn(self, values: dict[str, Any], status: Any) -> Turn:
        """What there is of a turn that is not finished."""
        return Turn(
            str(values.get("turn_id", "")),
            self._thread_id,
            str(values.get("question", "")),
            str(values.get("answer", "")) if status == "waiting" else "",
            status,
            tool_calls=tuple(ToolCall(**item) for item in values.get("tool_calls", [])),
            model=self._runtime.settings.model.name,
        )

    def _opening_notes(self) -> list[str]:
        notes = [] if self._runtime.deps.search else [prompts.NOTE_NO_INDEX]
        if (values := self.unfinished()) is not None:
            notes.append(prompts.NOTE_DROPPED.format(question=str(values["question"])[:80]))
        return notes

    def unfinished(self) -> dict[str, Any] | None:
        """The state of the turn that did not come to its end, or None."""
        return unfinished(self._runtime.graph, self._thread_id)

    def take_back(self, turn: Turn) -> None:
        """Take the thread's last turn out of the conversation; in the records it is marked as retracted."""
        runtime = self._runtime
        history = runtime.graph.get_state(self._config).values.get("history", [])
        place = next((i for i, message in enumerate(history) if message.id == turn.turn_id), len(history))
        # An empty focus is taken from what is left of the history.
        runtime.graph.update_state(self._config, {"history": history[:place], "focus": {}}, as_node="finalize")
        runtime.checkpointer.prune([self._thread_id])
        runtime.records.retract(turn.turn_id)
        self.settle("the turn was taken back")
