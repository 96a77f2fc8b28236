"""An answer in progress: given on a thread of its own, watched by any number of pages, from any time on.

A page that reloads finds the answer again where it stands, as it belongs to no page. What is recorded of it is
recorded by the session that gives it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from agent.errors import RatchetError
from agent.schema import (
    ApprovalRequested,
    Done,
    Event,
    Failed,
    Note,
    Retrieved,
    Token,
    ToolCall,
    ToolCallFinished,
    ToolCallProposed,
    Turn,
)

if TYPE_CHECKING:
    from knowledge.schema import Passage

Status = Literal["queued", "retrieving", "answering", "waiting", "done", "failed"]
RUNNING = "running"  # the status of a tool call that has begun and has no result yet

_PACE = 0.02  # seconds between two pictures of an answer, for a model faster than the eye

_log = logging.getLogger(__name__)


class LiveAnswer:
    """A question and the answer it is getting. Thread-safe; made by `ui.desk.Desk`.

    Attributes:
        thread_id: the conversation.
        question: what was asked.
        status: "queued" (others are answered first, or the model is loading), "retrieving" (until there is something
            to show), "answering", "waiting" (for an approval: `Desk.waiting`, `Desk.decide`), "done" (`turn` is
            recorded; its status may be "cancelled"), or "failed" (`failed` says why; `Desk.resume` tries again).
        passages: what was found for the question.
        turn: what `Done` brought, once it did: the recorded turn, or what there is of one that waits or failed.
        failed: why there is no answer, or None.
        version: grows with every change; for `wait`.
        turns_before: see below.

    Args:
        thread_id, question: as above.
        answer: gives the events; called once, on the answer's own thread. It calls `begins` when the answer is no
            longer queued. A `RatchetError` out of it becomes a `Failed`.
        earlier: events of the same turn from before it was interrupted.
        turns_before: how many recorded turns of the thread stand before the one that this will become.
        on_end: called once everything is over, also on that thread.
    """

    def __init__(
        self,
        thread_id: str,
        question: str,
        answer: Callable[[LiveAnswer], Iterator[Event]],
        *,
        earlier: Sequence[Event] = (),
        turns_before: int = 0,
        on_end: Callable[[LiveAnswer], None] = lambda live: None,
    ) -> None:
        self.thread_id = thread_id
        self.question = question
        self.status: Status = "queued"
        self.passages: tuple[Passage, ...] = ()
        self.turn: Turn | None = None
        self.failed: Failed | None = None
        self.version = 0
        self.turns_before = turns_before
        self._answer = answer
        self._on_end = on_end
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._pieces: list[str] = []
        self._steps: dict[str, ToolCall] = {}
        self._notes: list[str] = []
        self._stopped = False
        self._ended = False
        self._interrupt: Callable[[], None] = lambda: None
        with self._changed:
            for event in earlier:
                self._take(event)
        self.status = "queued"
        self._thread = threading.Thread(target=self._run, name=f"answer-{thread_id}", daemon=True)

    def start(self) -> LiveAnswer:
        """Begin; the answer itself is returned."""
        self._thread.start()
        return self

    @property
    def text(self) -> str:
        """The answer so far."""
        with self._changed:
            if len(self._pieces) > 1:
                self._pieces = ["".join(self._pieces)]
            return self._pieces[0] if self._pieces else ""

    @property
    def steps(self) -> list[ToolCall]:
        """The tool calls in order; one that runs has the status "running"."""
        with self._changed:
            return list(self._steps.values())

    @property
    def notes(self) -> list[str]:
        """The honest asides so far."""
        with self._changed:
            return list(self._notes)

    @property
    def finished(self) -> bool:
        """Whether nothing more will come: it is done, waits for a person, or has failed."""
        return self._ended

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop and has not ended yet."""
        return self._stopped and not self._ended

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._stopped

    def wait(self, version: int, timeout: float) -> bool:
        """Block until something is newer than `version` or the answer has ended; whether there is something newer.

        Args:
            version: what the caller has seen.
            timeout: seconds to wait at most.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.version > version or self._ended, timeout)
            return self.version > version

    def pictures(self, patience: float) -> Iterator[bool]:
        """The moments at which to show the answer while it has not ended: now, and after each change.

        Args:
            patience: seconds without a change after which there is such a moment all the same.

        Yields:
            Whether there is something new to show.
        """
        news = True
        while not self._ended:
            version, shown = self.version, time.monotonic()
            yield news
            if news := self.wait(version, patience):
                time.sleep(max(0.0, _PACE - (time.monotonic() - shown)))

    def events(self, after: int = 0) -> Iterator[Event]:
        """The events from number `after` on: those that were, then those that come, until it has ended."""
        while new := self._since(after):
            yield from new
            after += len(new)

    def _since(self, seen: int) -> list[Event]:
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) > seen or self._ended)
            return self._events[seen:]

    def stop(self) -> None:
        """Stop the answer at the next token; what was said stays. Returns at once; one that is queued never begins."""
        with self._changed:
            self._stopped = True
            interrupt = self._interrupt
            self._announce()
        interrupt()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, at most `timeout` seconds; whether it has."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended, timeout)
            return self._ended

    def on_stop(self, interrupt: Callable[[], None]) -> None:
        """What makes the present stage of the answer stop; called at once if it was told to stop before."""
        with self._changed:
            self._interrupt = interrupt
            stopped = self._stopped
        if stopped:
            interrupt()

    def begins(self) -> None:
        """It is this answer's turn, and the model is there."""
        with self._changed:
            self.status = "retrieving"
            self._announce()

    def _run(self) -> None:
        try:
            for event in self._answer(self):
                with self._changed:
                    self._take(event)
                    stopped, interrupt = self._stopped, self._interrupt
                if stopped:  # it may have been told so while the session was not yet listening
                    interrupt()
        except RatchetError as error:
            self._fail(Failed(error.what, error.kept, error.fix, error.exit_code))
        # Nobody else would ever hear of it, and the page would wait for good.
        except Exception as error:
            _log.exception("an answer broke")
            what = f"Something went wrong that should not have: {type(error).__name__}: {error}"[:500]
            self._fail(Failed(what, "The question is kept.", "Try again; `ratchet doctor` looks for what is amiss."))
        finally:
            self._end()

    def _end(self) -> None:
        try:
            with self._changed:
                self.status = self._outcome()
            self._on_end(self)
        except Exception:  # those who watch must hear of the end, whatever the books make of it
            _log.exception("an answer could not be put away")
        finally:
            with self._changed:
                self._ended = True
                self._interrupt = lambda: None
                self._announce()

    def _outcome(self) -> Status:
        if self.failed is not None:
            return "failed"
        return "waiting" if self.turn is not None and self.turn.status == "waiting" else "done"

    def _fail(self, failed: Failed) -> None:
        with self._changed:
            self._take(failed)

    def _announce(self) -> None:
        self.version += 1
        self._changed.notify_all()

    def _take(self, event: Event) -> None:
        """Keep an event and what follows from it; the caller holds the lock."""
        self._events.append(event)
        match event:
            case Retrieved():
                self.passages = event.passages
            case Token():
                self._pieces.append(event.text)
            case ToolCallProposed():
                self._steps[event.call.id] = replace(event.call, status=RUNNING)
            case ToolCallFinished():
                self._steps[event.call.id] = event.call
            case Note():
                self._notes.append(event.text)
            case Failed():
                self.failed = event
            case Done():
                self.turn = event.turn
                if event.turn.answer:
                    self._pieces = [event.turn.answer]
        if not isinstance(event, Note | ApprovalRequested | Failed | Done):
            self.status = "answering"
        self._announce()
