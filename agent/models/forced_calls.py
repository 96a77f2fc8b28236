"""A tool call that must come, from a server that knows JSON Schemas but not `tool_choice`.

Ollama has no such setting, and llama-server ignores it for models whose template knows no tools; both
can hold an answer to a schema. So the tools are told in words and the answer is a call as JSON.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agent.models.tool_calls import ToolChoice

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatGenerationChunk

_HEAD = "Pick the tool that the user's last message needs. The tools are:"
_SHAPE = 'Answer with {"name": TOOL, "arguments": {...}} and nothing else.'


def forced_choice(bound: Mapping[str, Any]) -> ToolChoice | None:
    """The tools one of which must be called, from what `bind_tools` bound; None when none must."""
    choice = bound.get("tool_choice")
    if not bound.get("tools") or choice in (None, "auto", "none", False):
        return None
    return ToolChoice.of(bound["tools"], choice)


def call_schema(choice: ToolChoice) -> dict[str, Any]:
    """What the answer must satisfy: `{"name": …, "arguments": {…}}` for one of the tools."""
    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "enum": [tool.name]},
                "arguments": {key: value for key, value in tool.parameters.items() if key != "x-guidance"},
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in choice.tools
    ]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def call_prompt(choice: ToolChoice, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The conversation, its system message continued by what the tools are and how to call one."""
    from langchain_core.messages import SystemMessage

    first = [message.text for message in messages[:1] if message.type == "system"]
    told = "\n".join([_HEAD, *(tool.line for tool in choice.tools), _SHAPE])
    return [SystemMessage("\n\n".join([*first, told])), *messages[len(first) :]]


def as_call(choice: ToolChoice, chunks: Iterable[ChatGenerationChunk]) -> ChatGenerationChunk:
    """One chunk with the call that the chunks of an answer spell, and with their usage.

    Raises:
        ModelError: the server did not hold the model to the schema, or the answer was cut short.
    """
    from langchain_core.messages import AIMessageChunk
    from langchain_core.outputs import ChatGenerationChunk

    chunks = list(chunks)
    written = "".join(chunk.text for chunk in chunks)
    name, arguments = choice.parse(_line(written))[0]  # a forced choice leaves no way to call nothing
    usage = [found for chunk in chunks if (found := getattr(chunk.message, "usage_metadata", None))]
    info = [chunk.generation_info for chunk in chunks if chunk.generation_info]
    message = AIMessageChunk(
        content="",
        usage_metadata=usage[-1] if usage else None,
        tool_call_chunks=[
            {
                "type": "tool_call_chunk",
                "name": name,
                "args": json.dumps(arguments),
                "id": f"call_{uuid.uuid4().hex[:12]}",
                "index": 0,
            }
        ],
    )
    return ChatGenerationChunk(message=message, generation_info=info[-1] if info else None)


def _line(written: str) -> str:
    """The JSON of a call as the one line that `ToolChoice.parse` reads; anything else as it is."""
    try:
        call = json.loads(written)
        return f"{call['name']} {json.dumps(call['arguments'])}"
    except (ValueError, KeyError, TypeError):
        return written
