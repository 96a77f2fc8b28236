"""The tokens that a tool takes of a chat model, counted with those of the turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.context import register_configure_hook


class Spending(BaseCallbackHandler):
    """Adds up the usage of every model call in its context.

    Attributes:
        usage: prompt, completion and cached tokens, named as in `agent.schema.Usage`.
    """

    run_inline = True

    def __init__(self) -> None:
        self.usage: dict[str, int] = {}

    def add(self, usage: Mapping[str, int]) -> None:
        """Count tokens that were taken out of this context, such as by a sub-agent."""
        for name, tokens in usage.items():
            self.usage[name] = self.usage.get(name, 0) + tokens

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Count a model call."""
        for generation in (each for batch in response.generations for each in batch):
            message = generation.message if isinstance(generation, ChatGeneration) else None
            usage = message.usage_metadata if isinstance(message, AIMessage) else None
            if usage:
                cached = (usage.get("input_token_details") or {}).get("cache_read", 0)
                taken = {"prompt_tokens": usage["input_tokens"], "completion_tokens": usage["output_tokens"]}
                self.add(taken | {"cached_tokens": cached or 0})


_current: ContextVar[Spending | None] = ContextVar("spending", default=None)
register_configure_hook(_current, inheritable=True)


@contextmanager
def counted() -> Iterator[Spending]:
    """While in the block, model calls of this context are counted."""
    spending = Spending()
    token = _current.set(spending)
    try:
        yield spending
    finally:
        _current.reset(token)


def spend(usage: Mapping[str, int]) -> None:
    """Count tokens that were taken elsewhere for the call that this code runs in."""
    if (spending := _current.get()) is not None:
        spending.add(usage)
