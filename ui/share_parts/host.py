"""What the page and the endpoint share: who is asking, and whether he may ask now."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.errors import SessionBusy
from ui.share_parts.limits import TokenBuckets
from ui.share_parts.ownership import Visitor
from ui.share_parts.visitors import Reception, VisitorDesk

if TYPE_CHECKING:
    import gradio as gr
    from starlette.requests import Request

MOST_WATCHED = 6  # answers that one visitor may watch at a time, in tabs and programs
PATIENCE = 1.0  # seconds in which somebody who watches an answer notices that it is no longer wanted


@dataclass(frozen=True, slots=True)
class Host:
    """What the handlers and the endpoint share.

    Attributes:
        reception: the conversations.
        questions: how many a visitor may ask.
        judgements: how many he may give.
    """

    reception: Reception
    questions: TokenBuckets = field(default_factory=lambda: TokenBuckets(10, 10))
    judgements: TokenBuckets = field(default_factory=lambda: TokenBuckets(30, 30))
    _watched: Counter[str] = field(default_factory=Counter)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def desk(self, request: gr.Request | Request) -> VisitorDesk:
        """The desk of the visitor whose request this is, as the gate found out."""
        visitor = request.state.visitor
        if not isinstance(visitor, Visitor):
            raise PermissionError("a request that did not come through the gate")
        return self.reception.of(visitor)

    def count_question(self, desk: VisitorDesk) -> None:
        """Count a question.

        Raises:
            SessionBusy: this visitor, or another one with his account and address, has asked too many just now.
        """
        _count(self.questions, desk.visitor, "questions", "asked")

    def count_judgement(self, desk: VisitorDesk) -> None:
        """Count a rating or a correction; raises as `count_question`."""
        _count(self.judgements, desk.visitor, "judgements", "passed on")

    @contextmanager
    def watching(self, desk: VisitorDesk) -> Iterator[bool]:
        """While somebody watches an answer; whether he may, since each who does holds a thread of the server."""
        key = desk.visitor.key
        with self._counting:
            self._watched[key] += 1
            allowed = self._watched[key] <= MOST_WATCHED
        try:
            yield allowed
        finally:
            with self._counting:
                self._watched[key] -= 1
                if not self._watched[key]:
                    del self._watched[key]


def _count(buckets: TokenBuckets, visitor: Visitor, what: str, done: str) -> None:
    if wait := buckets.take(f"{visitor.user} {visitor.address}"):
        raise SessionBusy(
            f"Those were too many {what} in a short time.",
            kept=f"The last one was not {done}.",
            fix=f"Wait {math.ceil(wait)} seconds, then send it again.",
        )
