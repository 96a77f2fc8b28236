"""LangChain messages as the plain turns that every chat template knows: system, user, assistant.

Small models were never taught a tool role, so what a tool returned is told by the user, right after
the question it serves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from agent.errors import ModelError

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    Turns = list[dict[str, str]]

# What may be a control token of some model: <|im_end|>, </s>, <start_of_turn>, [INST].
_CANDIDATE = re.compile(r"<[^<>\s]{1,48}>|\[/?[A-Z_]{2,24}\]")
_READABLE = ("text", "tool_use", "tool_call", "reasoning")
_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "user", "function": "user"}


def to_turns(messages: Sequence[BaseMessage], is_control: Callable[[str], bool]) -> Turns:
    """Plain turns, neighbours of the same role joined, system messages first.

    Text that would read as a control token of the model is broken up with a blank, so that a document or
    a tool result cannot end its own turn and begin another.

    Args:
        messages: the conversation.
        is_control: whether a piece of text is one control token of the model.

    Raises:
        ModelError: a message holds something else than text.
    """
    calls: dict[str, str] = {}
    turns: Turns = []
    for message in sorted(messages, key=lambda message: message.type != "system"):
        text = _text(message)
        if message.type == "ai":
            calls |= {str(call["id"]): _call(call["name"], call["args"]) for call in _tool_calls(message)}
        elif message.type in ("tool", "function"):
            call = calls.get(getattr(message, "tool_call_id", ""), getattr(message, "name", None) or "tool")
            text = f"{call} returned: {text}"
        role = _ROLES.get(message.type) or str(getattr(message, "role", "user"))
        _append(turns, role, _defused(text, is_control))
    return turns


def asked(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The conversation for choosing a tool: no system message, and questions without their passages.

    A message that carries more than the user said may hold the bare question in
    `additional_kwargs["question"]`.
    """
    bare: list[BaseMessage] = []
    for message in messages:
        question = message.additional_kwargs.get("question")
        if message.type == "human" and isinstance(question, str):
            message = message.model_copy(update={"content": question})
        if message.type != "system":
            bare.append(message)
    return bare


def _tool_calls(message: BaseMessage) -> Iterable[dict[str, object]]:
    calls: Iterable[dict[str, object]] = getattr(message, "tool_calls", ())
    return calls


def _call(name: object, arguments: object) -> str:
    return f"{name} {json.dumps(arguments, ensure_ascii=False)}"


def _append(turns: Turns, role: str, text: str) -> None:
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] = f"{turns[-1]['content']}\n\n{text}".strip()
    elif text or role != "assistant":  # an assistant turn without text was nothing but tool calls
        turns.append({"role": role, "content": text})


def _text(message: BaseMessage) -> str:
    if isinstance(message.content, list):
        for block in message.content:
            if isinstance(block, dict) and block.get("type") not in _READABLE:
                raise ModelError(
                    f"A local model reads text only, and a message holds {block.get('type')!r} content.",
                    fix="Leave it out, or choose a model that can read it.",
                )
    return str(message.text)


def _defused(text: str, is_control: Callable[[str], bool]) -> str:
    def broken(match: re.Match[str]) -> str:
        token = match.group()
        return f"{token[0]} {token[1:]}" if is_control(token) else token

    return _CANDIDATE.sub(broken, text)
