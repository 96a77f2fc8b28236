"""Ratchet's agent: `from agent import ChatSession`. Names load when they are first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.calls.approvals import ApprovalRequest
    from agent.config import Settings, load_settings
    from agent.errors import RatchetError
    from agent.models import build_chat_model
    from agent.schema import Citation, Event, Feedback, Turn
    from agent.session import ChatSession

__all__ = [
    "ApprovalRequest",
    "ChatSession",
    "Citation",
    "Event",
    "Feedback",
    "RatchetError",
    "Settings",
    "Turn",
    "build_chat_model",
    "load_settings",
]

_HOMES = {
    "ApprovalRequest": "agent.calls.approvals",
    "ChatSession": "agent.session",
    "Citation": "agent.schema",
    "Event": "agent.schema",
    "Feedback": "agent.schema",
    "RatchetError": "agent.errors",
    "Settings": "agent.config",
    "Turn": "agent.schema",
    "build_chat_model": "agent.models",
    "load_settings": "agent.config",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'agent' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
