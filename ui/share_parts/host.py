"""What the page and the endpoint share: who is asking, and whether he may ask now."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ui.share_parts.limits import TokenBuckets
from ui.share_parts.ownership import Visitor
from ui.share_parts.visitors import Reception, VisitorDesk

if TYPE_CHECKING:
    import gradio as gr

MOST_WATCHED = 6  # answers that one visitor may watch at a time, in tabs and programs
PATIENCE = 1.0  # seconds in which somebody who watches an answer notices that it is no longer wanted


@dataclass(frozen=True, slots=True)
class Host:
    """What the handlers and the endpoint share.

    Attributes:
        reception: the conversations.
        questions: how many a visitor may ask.
    """

    reception: Reception
    questions: TokenBuckets = field(default_factory=lambda: TokenBuckets(10, 10))
    _watched: Counter[str] = field(default_factory=Counter)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def desk(self, request: gr.Request) -> VisitorDesk:
        """The desk of the visitor whose request this is, as the gate found out."""
        visitor = request.state.visitor
        if not isinstance(visitor, Visitor):
            raise PermissionError("a request that did not come through the gate")
        return self.reception.of(visitor)

    def too_soon(self, desk: VisitorDesk) -> float:
        """Count a question: 0.0, or the seconds until this visitor may ask the next."""
        return self.questions.take(f"{desk.visitor.user} {desk.visitor.address}")

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
