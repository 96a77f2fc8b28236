"""Visitors and their conversations: every access goes through one check of whose it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import RatchetError, SessionBusy
from ui.share_parts.ownership import Ownership, Visitor, unknown

if TYPE_CHECKING:
    from agent.records import ThreadSummary
    from agent.schema import Feedback, Turn
    from ui.answering import LiveAnswer
    from ui.desk import Desk, ThreadView

MOST_AT_ONCE = 2  # answers that one visitor may have in progress
_IN_PROGRESS = {"queued", "retrieving", "answering"}


class VisitorDesk:
    """A desk as one visitor may use it: his own conversations, and no model, file, memory or approval.

    Raises:
        RecordError: the conversation is not his, or does not exist; the two are not told apart (from any method).
    """

    def __init__(self, reception: Reception, visitor: Visitor) -> None:
        self._desk, self._ownership, self._inbox = reception.desk, reception.ownership, reception.inbox
        self._beginning = reception.beginning
        self.visitor = visitor

    def _mine(self, thread_id: str) -> str:
        if not thread_id or not self._ownership.owns(self.visitor, thread_id):
            raise unknown()
        return thread_id

    def threads(self, search: str = "") -> list[ThreadSummary]:
        """His conversations, the most recently used first; with `search`, those that hold all of its words."""
        mine = self._ownership.threads(self.visitor)
        return [thread for thread in self._desk.threads(search) if thread.thread_id in mine] if mine else []

    def view(self, thread_id: str) -> ThreadView:
        """The turns of a conversation, and the answer in progress."""
        return self._desk.view(self._mine(thread_id))

    def live(self, thread_id: str) -> LiveAnswer | None:
        """The answer of a conversation that is not among its turns, if there is one."""
        return self._desk.live(self._mine(thread_id))

    def ask(self, thread_id: str, question: str) -> LiveAnswer:
        """Ask a question, in a new conversation if `thread_id` is empty.

        Raises:
            SessionBusy: he has other answers in progress, or too many questions wait.
            QuestionError: the question is empty or too long.
        """
        if thread_id:
            self._mine(thread_id)
        with self._one_more():
            if thread_id:
                return self._desk.ask(thread_id, question)
            begun = self._desk.new_thread()
            self._ownership.claim(begun, self.visitor)
            try:
                return self._desk.ask(begun, question)
            except RatchetError:
                self._ownership.release(begun)
                raise

    def resume(self, thread_id: str) -> LiveAnswer | None:
        """Go on with an answer that was interrupted."""
        return self._desk.resume(self._mine(thread_id))

    def regenerate(self, thread_id: str) -> LiveAnswer:
        """Answer the last question again.

        Raises:
            SessionBusy: as `ask`.
        """
        self._mine(thread_id)
        with self._one_more():
            return self._desk.regenerate(thread_id)

    def fork(self, thread_id: str, turn_id: str, question: str) -> LiveAnswer:
        """Ask another question in place of an earlier one, in a conversation of its own.

        Raises:
            SessionBusy, QuestionError: as `ask`.
        """
        self._mine(thread_id)
        with self._one_more():
            forked, live = self._desk.fork(thread_id, turn_id, question)
            self._ownership.claim(forked, self.visitor)
            return live

    def stop(self, thread_id: str) -> None:
        """Stop the answer in progress, if there is one."""
        if (live := self.live(thread_id)) is not None:
            live.stop()

    def rename(self, thread_id: str, title: str) -> None:
        """Give a conversation another title."""
        self._desk.rename(self._mine(thread_id), title)

    def delete(self, thread_id: str) -> None:
        """Delete a conversation for good."""
        self._desk.delete(self._mine(thread_id))
        self._ownership.release(thread_id)

    def feedback(self, thread_id: str, turn_id: str, rating: int, correction: str = "") -> None:
        """Record what he thought of an answer of his, and put the two before the owner.

        What he found wrong with it before stays, unless he now says otherwise.
        """
        turn, before = self.turn(thread_id, turn_id), self._desk.judgement(turn_id)
        comment = ""
        if before is not None and rating < 0:
            correction, comment = correction or before.correction, before.comment
        self._inbox(turn, self._desk.feedback(turn_id, rating, correction, comment))

    def flag_citation(self, thread_id: str, turn_id: str, number: int) -> None:
        """Record that a citation of an answer of his is wrong, and put it before the owner."""
        turn = self.turn(thread_id, turn_id)
        self._inbox(turn, self._desk.flag_citation(turn_id, number))

    def turn(self, thread_id: str, turn_id: str) -> Turn:
        """One finished turn of a conversation of his."""
        for turn in self._desk.turns(self._mine(thread_id)):
            if turn.turn_id == turn_id:
                return turn
        raise unknown()

    def suggestions(self) -> list[str]:
        """First questions, made from the documents."""
        return self._desk.suggestions()

    @contextmanager
    def _one_more(self) -> Iterator[None]:
        """While an answer is begun, which nobody else does meanwhile; refused to those who have enough in progress."""
        with self._beginning:
            going = {thread for thread, status in self._desk.statuses().items() if status in _IN_PROGRESS}
            if len(going & self._ownership.threads(self.visitor)) >= MOST_AT_ONCE:
                raise SessionBusy("Your other answers are not finished yet.", fix="Wait for one of them, or stop it.")
            yield


class Reception:
    """What all visitors share: the desk, and whose each conversation is.

    Args:
        desk: with settings as `ui.share_parts.confined` makes them.
        inbox: the owner's database, which gets the answers that visitors rated or corrected, and no others.
    """

    def __init__(self, desk: Desk, inbox: Path) -> None:
        self.desk, self.ownership = desk, Ownership(desk.settings.home)
        self.beginning = threading.Lock()
        self._inbox = inbox

    def of(self, visitor: Visitor) -> VisitorDesk:
        """The desk as this visitor may use it."""
        return VisitorDesk(self, visitor)

    def inbox(self, turn: Turn, given: Feedback) -> None:
        """Put an answer and what a visitor thought of it among the owner's own, where a model can learn from it."""
        from agent.records import Records

        with closing(Records(self._inbox)) as records:
            records.append(replace(turn, thread_id=f"visitor-{turn.thread_id}"))
            records.add_feedback(turn.turn_id, given.rating, given.correction, given.comment)
