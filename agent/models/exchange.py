"""What is said between a chat model and llama.cpp for one reply: which requests, and what they yield.

No input or output happens here, so that the synchronous and the asynchronous model share it all.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from agent.errors import ModelError
from agent.models.conversation import to_request, to_turns
from agent.models.tool_calls import ToolChoice, json_grammar

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk, BaseMessage

_DECISION_TOKENS = 128  # for a first try at a tool call; arguments are seldom longer
_PATIENCE = 8  # times as many for the second


class Exchange:
    """One reply, made of at most three requests: choose a tool, again with more room, else answer.

    Use: send every body that `next_request` gives, `feed` it the chunks, then take `last_chunk`.

    Args:
        messages: the conversation.
        parameters: sampling parameters of every request, as llama.cpp names them.
        choice: the tools to choose from.
        is_control: whether a text is one control token of the model.
        schema: a JSON Schema that the answer must satisfy, or None.
    """

    def __init__(
        self,
        messages: Sequence[BaseMessage],
        parameters: dict[str, Any],
        choice: ToolChoice,
        is_control: Callable[[str], bool],
        schema: dict[str, Any] | None = None,
    ) -> None:
        self._messages, self._parameters, self._choice = messages, parameters, choice
        self._is_control, self._schema = is_control, schema
        self._deciding = bool(choice.tools)
        self._tries = 0
        self._written = ""
        self._finish = ""
        self._usage = [0, 0, 0]
        self._timings: dict[str, Any] = {}
        self._call: tuple[str, dict[str, Any]] | None = choice.forced
        self._done = self._call is not None

    def next_request(self) -> dict[str, Any] | None:
        """The body to send next, or None when the reply is complete.

        Raises:
            ModelError: the tool call did not fit into its tokens, or a schema could not be enforced.
        """
        if self._deciding and self._tries:
            self._decide()
        if self._done:
            return None
        self._written = ""
        if self._deciding:
            self._tries += 1
            return self._decision()
        self._done = True
        return self._answer()

    def feed(self, chunk: dict[str, Any]) -> str:
        """Take a chunk of the response; returns text of the answer, empty when there is none in it."""
        if usage := chunk.get("usage"):
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
            for index, count in enumerate((usage["prompt_tokens"], usage["completion_tokens"], cached)):
                self._usage[index] += count
            self._timings = chunk.get("timings") or {}
        if not chunk["choices"]:
            return ""
        choice = chunk["choices"][0]
        self._finish = choice.get("finish_reason") or self._finish
        text = choice["delta"].get("content") or ""
        if not self._deciding:
            return text
        self._written += text
        return ""

    def last_chunk(self, model_name: str) -> AIMessageChunk:
        """The chunk that ends the reply: the tool call if there is one, usage, and why it ended."""
        from langchain_core.messages import AIMessageChunk
        from langchain_core.messages.tool import tool_call_chunk

        prompt, completion, cached = self._usage
        calls = []
        if self._call:
            name, arguments = self._call
            written = json.dumps(arguments, ensure_ascii=False)
            calls = [tool_call_chunk(name=name, args=written, id=f"call_{uuid.uuid4().hex}", index=0)]
        return AIMessageChunk(
            content="",
            tool_call_chunks=calls,
            usage_metadata={
                "input_tokens": prompt,
                "output_tokens": completion,
                "total_tokens": prompt + completion,
                "input_token_details": {"cache_read": cached},
            },
            response_metadata={
                "finish_reason": "tool_calls" if self._call else self._finish,
                "model_name": model_name,
                "model_provider": "local",
                "timings": self._timings,
            },
            chunk_position="last",
        )

    def _decide(self) -> None:
        if self._finish == "length" and self._choice.could_become(self._written):
            if self._tries == 1:
                return  # once more, with more room
            raise ModelError(
                f"The model wrote a tool call that did not end within {_DECISION_TOKENS * _PATIENCE} tokens.",
                kept="No tool was called.",
                fix="Ask more simply, or limit the length of the tool's arguments in its schema.",
            )
        self._call = self._choice.parse(self._written)
        self._done = self._call is not None
        self._deciding = False

    def _decision(self) -> dict[str, Any]:
        request = f"{self._choice.prompt}\n\n{to_request(self._messages, self._is_control)}"
        return self._parameters | {
            "messages": [{"role": "user", "content": request}],
            "grammar": self._choice.grammar,
            "max_tokens": _DECISION_TOKENS * (1 if self._tries == 1 else _PATIENCE),
            "stop": [],
        }

    def _answer(self) -> dict[str, Any]:
        body = self._parameters | {"messages": to_turns(self._messages, self._is_control)}
        if self._schema is not None:
            body["grammar"] = json_grammar(self._schema)
        return body
