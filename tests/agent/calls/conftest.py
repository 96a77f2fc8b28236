"""Sessions over tools that only leave a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.config import Settings
from agent.session import ChatSession
from tests.agent.witness import Witness, session_of

Open = Callable[..., ChatSession]


@pytest.fixture
def open_session(settings: Settings, witness: Witness) -> Iterator[Open]:
    """Opens a session whose model plays a script; closed at the end."""
    opened: list[ChatSession] = []

    def open_one(*script: Any, **how: Any) -> ChatSession:
        opened.append(session_of(settings, *script, **how))
        return opened[-1]

    yield open_one
    for session in opened:
        session.close()
