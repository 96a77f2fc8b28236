"""What a tool still waits for: "Oslo", said after "Which city?", is no new question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.intent import declines, is_small_talk
from agent.models.conversation import ASKED_FOR

if TYPE_CHECKING:
    from langchain_core.messages import AnyMessage

_LONGEST = 4  # words of an answer that ends with a question mark: "Oslo?"
_NEW_QUESTION = re.compile(
    r"\W*(?:what|when|where|who|whom|whose|which|why|how)['\u2019]?(?:s\b|\s+(?:is|are|was|were|do|does|did|can|could|should|"
    r"would|will|has|have|many|much|long|far|old|often)\b)",
    re.IGNORECASE,
)


def open_request(question: str, waiting: Sequence[AnyMessage]) -> list[AnyMessage]:
    """What was wanted before, as one message, and the question that the user answers now.

    Empty where nothing was asked for, or where the user declines or asks something else instead.

    Args:
        question: what the user says now.
        waiting: the messages before it that belong to what was wanted, from the first on.
    """
    from langchain_core.messages import AIMessage, HumanMessage

    if not waiting or declines(question) or is_small_talk(question) or _is_new(question):
        return []
    wanted = " ".join(str(message.content) for message in waiting if message.type == "human")
    return [HumanMessage(wanted), AIMessage(waiting[-1].content, response_metadata={ASKED_FOR: []})]


def whole_request(question: str, before: Sequence[AnyMessage]) -> str:
    """What the user wants, with what was wanted before (`open_request`)."""
    return " ".join([*(str(message.content) for message in before[:1]), question])


def asks_for_more(draft: Sequence[AnyMessage]) -> bool:
    """Whether a turn, given by what it added to the prompt, ended with a question for what a tool lacks."""
    return bool(draft) and ASKED_FOR in draft[-1].response_metadata


def _is_new(question: str) -> bool:
    if _NEW_QUESTION.match(question):
        return True
    return question.rstrip().endswith("?") and len(question.split()) > _LONGEST
