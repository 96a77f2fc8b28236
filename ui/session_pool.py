"""The open sessions of a server: one for each thread, and no more of them than memory should hold."""

from __future__ import annotations

import gc
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.session import ChatSession

MOST_OPEN = 8
REST = 30.0  # seconds since a session was last asked for, in which it is not closed: a page may be using it


class SessionPool:
    """Opens sessions and closes those that have been idle longest. Thread-safe.

    Args:
        open_session: makes the session of a thread; it loads nothing yet.
        busy: whether a thread is being answered; its session is never closed.
        rest: as `REST`.
    """

    def __init__(
        self, open_session: Callable[[str], ChatSession], busy: Callable[[str], bool], rest: float = REST
    ) -> None:
        self._open, self._busy, self._rest = open_session, busy, rest
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, tuple[ChatSession, float]] = OrderedDict()

    def get(self, thread_id: str) -> ChatSession:
        """The session of a thread."""
        with self._lock:
            session = self._sessions[thread_id][0] if thread_id in self._sessions else self._open(thread_id)
            self._sessions[thread_id] = session, time.monotonic()
            self._sessions.move_to_end(thread_id)
            idle = self._take_idle()
        _close(idle)
        return session

    def drop(self, thread_id: str) -> None:
        """Close the session of a thread, if there is one."""
        with self._lock:
            session, _ = self._sessions.pop(thread_id, (None, 0.0))
        _close([session] if session is not None else [])

    def close(self) -> None:
        """Close all."""
        with self._lock:
            sessions = [session for session, _ in self._sessions.values()]
            self._sessions.clear()
        _close(sessions)

    def __len__(self) -> int:
        return len(self._sessions)

    def _take_idle(self) -> list[ChatSession]:
        """Those to be closed, taken out: the ones unused for longest."""
        now, taken = time.monotonic(), []
        for thread_id, (session, used) in list(self._sessions.items()):
            if len(self._sessions) <= MOST_OPEN:
                break
            if now - used >= self._rest and not self._busy(thread_id):
                taken.append(session)
                del self._sessions[thread_id]
        return taken


def _close(sessions: Sequence[ChatSession]) -> None:
    """Close sessions, and free what they held: weights, and files of the index, to which references go in circles."""
    for session in sessions:
        session.close()
    if sessions:
        gc.collect()
