"""A chat model that replies what a table says, by adapter and by question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from agent.errors import ModelError

Reply = str | list[tuple[str, dict[str, Any]]] | Exception


class ScriptedModel(BaseChatModel):
    """`reply(adapter, messages)` gives a text, calls, or an error to raise. `asked` notes who was asked what."""

    reply: Callable[[str, list[BaseMessage]], Reply]
    adapters: tuple[Path, ...] = ()
    model_name: str = "scripted"
    asked: list[tuple[str, str]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def get_num_tokens(self, text: str) -> int:
        return len(text.split())

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self.bind(tools=tools, **options)

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
        adapter = options["adapter"]
        self.asked.append((adapter, str(messages[-1].content)))
        said = self.reply(adapter, messages)
        if isinstance(said, Exception):
            raise said
        calls = said if isinstance(said, list) else []
        message = AIMessage(
            "" if calls else str(said),
            tool_calls=[{"name": name, "args": args, "id": f"c{n}"} for n, (name, args) in enumerate(calls)],
            usage_metadata={"input_tokens": 1, "output_tokens": 3, "total_tokens": 4},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def log_probabilities(self, messages: Any, reply: str, *, adapter: str | None = None) -> list[float]:
        if not reply.isascii():
            raise ModelError("The model could not be led through the given reply.")
        return [-1.0 if adapter else -2.0] * len(reply.split())
