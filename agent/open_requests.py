"""What a tool still waits for: "Oslo", said after "Which city?", is no new question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.intent import declines, is_question, is_small_talk
from agent.models.missing_arguments import is_request

if TYPE_CHECKING:
    from langchain_core.messages import AnyMessage


def open_request(question: str, history: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The end of a conversation in which something was wanted and what it lacks was asked for, once or repeatedly.

    Empty where nothing was asked for, or where the user declines or asks something else instead.

    Args:
        question: what the user says now.
        history: questions and answers before it, in turn.
    """
    turned_away = is_question(question) or is_small_talk(question) or declines(question)
    return [] if turned_away else _waiting(history)


def is_declined(question: str, history: Sequence[AnyMessage]) -> bool:
    """Whether the user does not want any longer what something was asked about."""
    return declines(question) and bool(_waiting(history))


def whole_request(question: str, history: Sequence[AnyMessage]) -> str:
    """What the user wants, with what was said before the tool asked for more."""
    before = open_request(question, history)
    return " ".join([*(str(message.content) for message in before[::2]), question])


def _waiting(history: Sequence[AnyMessage]) -> list[AnyMessage]:
    start = len(history)
    while start > 1 and is_request(str(history[start - 1].content)):
        start -= 2
    return list(history[start:])
