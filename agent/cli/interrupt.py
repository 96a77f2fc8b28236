"""Ctrl-C during an answer stops the answer, not the program; a second one stops the program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.session import ChatSession


class Interrupts:
    """How often Ctrl-C was pressed while an answer was coming."""

    def __init__(self) -> None:
        self.count = 0


@contextmanager
def cancelling(session: ChatSession) -> Iterator[Interrupts]:
    """Within, the first Ctrl-C cancels the session's turn and the second raises KeyboardInterrupt."""
    interrupts = Interrupts()

    def on_interrupt(number: int, frame: Any) -> None:
        interrupts.count += 1
        if interrupts.count > 1:
            raise KeyboardInterrupt
        session.cancel()

    if threading.current_thread() is not threading.main_thread():  # only there can a handler be set
        yield interrupts
        return
    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, previous)
