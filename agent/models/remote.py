"""What models behind a network share: errors translated, streams checked to their end, tokens estimated."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from agent.models.forced_calls import as_call, call_prompt, call_schema, forced_choice
from agent.models.foreign_errors import Endpoint, broken_off, mapped
from agent.models.structured import structured

if TYPE_CHECKING:
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatGenerationChunk, ChatResult
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool

# English runs at 4 to 4.5 bytes a token, code and digits at 2 to 3; a remote model's tokenizer is not here to ask.
_BYTES_PER_TOKEN = 3.5
_TOKENS_PER_MESSAGE = 4
DEFAULT_CONTEXT = 8192


def estimate_tokens(text: str) -> int:
    """Tokens of a text, from its UTF-8 length: a little high for English prose, about right for other scripts."""
    return math.ceil(len(text.encode("utf-8", "replace")) / _BYTES_PER_TOKEN)


class RemoteModel:
    """Mixed in before a LangChain chat model that talks HTTP.

    A subclass says where it asks (`_endpoint`), how a finished stream is recognised (`_ends`: a connection
    that is closed early looks like a short answer otherwise), how the server is held to a schema
    (`_constrained`) and whether it obeys `tool_choice` (`_forces_calls`; unlearned when it does not).

    Closing or abandoning the stream closes the connection, which is how these servers learn to stop
    generating. `invoke` streams as well, so that time limits count the wait for a token and never the
    length of an answer.
    """

    _forces_calls: bool

    def _endpoint(self) -> Endpoint:
        raise NotImplementedError

    def _ends(self, chunk: ChatGenerationChunk) -> bool:
        raise NotImplementedError

    def _constrained(self, schema: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def get_num_tokens(self, text: str) -> int:
        """An estimate (`estimate_tokens`); never asks the network."""
        return estimate_tokens(text)

    def get_num_tokens_from_messages(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
        **kwargs: Any,
    ) -> int:
        """An estimate over the messages' text, tool calls and the tools' schemas; never asks the network."""
        from langchain_core.utils.function_calling import convert_to_openai_tool

        parts = [message.text + str(getattr(message, "tool_calls", None) or "") for message in messages]
        parts += [str(convert_to_openai_tool(tool)) for tool in tools or ()]
        return sum(estimate_tokens(part) + _TOKENS_PER_MESSAGE for part in parts)

    def with_structured_output(
        self, schema: Any = None, *, method: Any = "json_schema", include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """As for every model; answers that break the schema or are cut short raise `ModelError`.

        Args:
            schema: a pydantic class, TypedDict or JSON Schema.
            method: any but "json_schema" is left to LangChain's class for this provider.
            include_raw: give a dict of `raw`, `parsed` and `parsing_error` instead.
            **kwargs: for these other methods.
        """
        if method != "json_schema":
            chosen: Any = {"include_raw": include_raw, "method": method, **kwargs}
            return super().with_structured_output(schema, **chosen)  # type: ignore[misc,no-any-return]
        from langchain_core.utils.function_calling import convert_to_json_schema

        bound = self.bind(**self._constrained(convert_to_json_schema(schema)))  # type: ignore[attr-defined]
        return structured(bound, schema, self._endpoint(), include_raw=include_raw)

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        from langchain_core.language_models.chat_models import generate_from_stream

        return generate_from_stream(self._stream(*args, **kwargs))

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        from langchain_core.language_models.chat_models import agenerate_from_stream

        return await agenerate_from_stream(self._astream(*args, **kwargs))

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        choice = forced_choice(kwargs)
        if choice is None:
            yield from self._whole(messages, *args, **kwargs)
            return
        if self._forces_calls:
            chunks = list(self._whole(messages, *args, **kwargs))
            if any(_calls(chunk) for chunk in chunks):
                yield from chunks
                return
            self._forces_calls = False
        bound = {**_without_tools(kwargs), **self._constrained(call_schema(choice))}
        yield as_call(choice, self._whole(call_prompt(choice, messages), **bound))

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        choice = forced_choice(kwargs)
        if choice is None:
            async for chunk in self._awhole(messages, *args, **kwargs):
                yield chunk
            return
        if self._forces_calls:
            chunks = [chunk async for chunk in self._awhole(messages, *args, **kwargs)]
            if any(_calls(chunk) for chunk in chunks):
                for chunk in chunks:
                    yield chunk
                return
            self._forces_calls = False
        bound = {**_without_tools(kwargs), **self._constrained(call_schema(choice))}
        yield as_call(choice, [chunk async for chunk in self._awhole(call_prompt(choice, messages), **bound)])

    def _whole(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        """The library's stream, its errors translated, an early end among them."""
        ended = False
        with mapped(self._endpoint()):
            for chunk in super()._stream(*args, **kwargs):  # type: ignore[misc]
                ended = ended or self._ends(chunk)
                yield chunk
        if not ended:
            raise broken_off(self._endpoint())

    async def _awhole(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        ended = False
        with mapped(self._endpoint()):
            async for chunk in super()._astream(*args, **kwargs):  # type: ignore[misc]
                ended = ended or self._ends(chunk)
                yield chunk
        if not ended:
            raise broken_off(self._endpoint())


def _calls(chunk: ChatGenerationChunk) -> bool:
    return bool(getattr(chunk.message, "tool_call_chunks", None) or getattr(chunk.message, "tool_calls", None))


def _without_tools(bound: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in bound.items() if key not in ("tools", "tool_choice", "parallel_tool_calls")}
