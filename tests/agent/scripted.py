"""A chat model that says what a test tells it to, streaming word by word."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr


class ScriptedModel(BaseChatModel):
    """Plays `script` in order: a string is an answer, a list of (name, arguments) is a set of tool calls.

    A chunk is sent as it is, an exception raised. `prompts` keeps what it was sent, `said` counts the pieces it
    generated. `preamble` is said with every set of tool calls. `after_first` runs once the first piece is out, so that
    a test can act mid-answer.
    """

    script: list[Any]
    prompts: list[list[BaseMessage]] = Field(default_factory=list)
    preamble: str = ""
    said: int = 0
    profile: dict[str, Any] | None = {"max_input_tokens": 4096}
    _bound: list[Any] = PrivateAttr(default_factory=list)
    _first: threading.Event = PrivateAttr(default_factory=threading.Event)
    _after_first: Any = PrivateAttr(default=None)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def get_num_tokens(self, text: str) -> int:
        return len(text.split())

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        self._bound.append([tools, kwargs])
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        whole: AIMessageChunk | None = None
        for chunk in self._stream(messages):
            whole = chunk.message if whole is None else whole + chunk.message
        assert whole is not None
        message = AIMessage(whole.content, tool_calls=whole.tool_calls)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        self.prompts.append(list(messages))
        step = self.script.pop(0)
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, AIMessageChunk):
            yield ChatGenerationChunk(message=step)
            return
        usage = {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11}
        if isinstance(step, list):
            calls = [
                {"name": name, "args": args, "id": f"call_{index}", "type": "tool_call"}
                for index, (name, args) in enumerate(step)
            ]
            yield ChatGenerationChunk(message=AIMessageChunk(self.preamble, tool_calls=calls, usage_metadata=usage))
            return
        for piece in re.findall(r"\s*\S+|\s+$", step):
            self.said += 1
            yield ChatGenerationChunk(message=AIMessageChunk(piece))
            if self._after_first is not None:
                self._after_first()
        end = {"finish_reason": "stop"}
        yield ChatGenerationChunk(message=AIMessageChunk("", usage_metadata=usage, response_metadata=end))
