"""A short model call that the user does not hear: bounded, and stopped when the turn is cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agent.speech import Clock


def think(model: BaseChatModel, prompt: str, clock: Clock, most_chars: int) -> AIMessage:
    """What the model says to a prompt, at most about `most_chars` characters of it.

    The limit is kept by no longer listening, since providers name their token limits differently. Usage is
    reported where the provider does so before the end.

    Raises:
        ModelError: the model failed.
    """
    whole: AIMessageChunk | None = None
    chunks = model.stream([HumanMessage(prompt)])
    for chunk in chunks:
        whole = chunk if whole is None else whole + chunk
        if clock.cancelled.is_set() or (whole is not None and len(str(whole.text)) > most_chars):
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
            break
    if whole is None:
        return AIMessage("")
    return AIMessage(str(whole.text)[:most_chars], usage_metadata=whole.usage_metadata)
