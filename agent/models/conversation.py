"""LangChain messages as the plain turns that every chat template knows: system, user, assistant.

Small models were never taught a tool role, so a tool's result is told by the user; of seven wordings,
the one here let SmolLM2-135M repeat the most results correctly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from agent.errors import ModelError
from agent.models.request_parts import requests_in

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage


Turns = list[dict[str, str]]

_USING = "Let me use {names}."
_RESULT = "{name}: {text}"
_GO_ON = "Now answer my question."
ASKED_FOR = "asked_for"  # in the metadata of a reply that asks for what a tool call lacks: words for it
FREE = "free"  # of a message: what the user said in it, where the reply rests on no document
_RECALLED = 2  # turns before the question that a tool's arguments may refer to

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
    names: dict[str, str] = {}
    turns: Turns = []
    for message in sorted(messages, key=lambda message: message.type != "system"):
        text = _text(message)
        calls = _tool_calls(message)
        names |= {str(call["id"]): call["name"] for call in calls}
        if calls:
            text = text or _USING.format(names=" and ".join(call["name"] for call in calls))
        elif message.type in ("tool", "function"):
            text = _RESULT.format(name=_tool_name(message, names), text=text)
        role = _ROLES.get(message.type) or str(getattr(message, "role", "user"))
        _append(turns, role, _defused(text, is_control))
    if messages and messages[-1].type == "tool":
        turns[-1]["content"] += f"\n{_GO_ON}"
    return turns


def to_request(messages: Sequence[BaseMessage], is_control: Callable[[str], bool]) -> str:
    """What the user wants now, as one text for choosing a tool: no system message, no passages.

    A message that carries more than the user said may hold the bare question in
    `additional_kwargs["question"]`.
    """
    spoken = [message for message in messages if message.type != "system"]
    latest = max((place for place, message in enumerate(spoken) if message.type == "human"), default=0)
    recalled = spoken[max(0, latest - _RECALLED) : latest]
    before = [f"{_ROLES.get(message.type, message.type)}: {_said(message)}" for message in recalled]
    parts = ["Before:\n" + "\n".join(before)] if before else []
    parts.append(f"Request: {_said(spoken[latest]) if spoken else ''}")
    names: dict[str, str] = {}
    done: list[str] = []
    for message in spoken[latest + 1 :]:
        for call in _tool_calls(message):
            names[str(call["id"])] = f"{call['name']} {json.dumps(call['args'], ensure_ascii=False)}"
        if message.type == "tool":
            done.append(f"Already used: {_tool_name(message, names)} returned {_text(message)}")
    return _defused("\n\n".join(parts + done), is_control)


def all_said(messages: Sequence[BaseMessage]) -> str:
    """Everything that was said or found out in a conversation, by whomever: no system message, no passages.

    Nor what was asked for: that a city is wanted names none.
    """
    return "\n".join(_said(message) for message in messages if message.type != "system" and not _asks(message))


def asked_before(messages: Sequence[BaseMessage]) -> str:
    """What the model asked for last, instead of calling a tool; empty where the user said something else since."""
    spoken = [message for message in messages if message.type in ("human", "ai")]
    return _said(spoken[-2]) if len(spoken) > 1 and _asks(spoken[-2]) else ""


def question_of(messages: Sequence[BaseMessage]) -> str:
    """What the user said last, without passages."""
    return next((_said(message) for message in reversed(messages) if message.type == "human"), "")


def spoken_freely(messages: Sequence[BaseMessage]) -> str:
    """What the user said last, where whoever put the message together says that the reply rests on no document."""
    last = next((message for message in reversed(messages) if message.type == "human"), None)
    return str(last.additional_kwargs.get(FREE, "")) if last else ""


def reworded(messages: Sequence[BaseMessage], request: str) -> list[BaseMessage]:
    """The conversation with another request in place of what the user said last."""
    place = max(at for at, message in enumerate(messages) if message.type == "human")
    last = messages[place]
    said = _text(last).removesuffix(str(last.additional_kwargs[FREE])) + request
    return [*messages[:place], last.model_copy(update={"content": said}), *messages[place + 1 :]]


def each_request_alone(messages: Sequence[BaseMessage]) -> list[list[BaseMessage]]:
    """The conversation once for every request in its last message, which holds that request alone.

    Args:
        messages: the conversation.

    Returns:
        Nothing where there is but one request, or where one has been worked on.
    """
    if not messages or messages[-1].type != "human":
        return []
    requests = requests_in(_said(messages[-1]))
    if len(requests) == 1:
        return []
    bare = messages[-1].model_copy(update={"additional_kwargs": {}})
    return [[*messages[:-1], bare.model_copy(update={"content": one})] for one in requests]


def _asks(message: BaseMessage) -> bool:
    return ASKED_FOR in message.response_metadata


def _said(message: BaseMessage) -> str:
    question = message.additional_kwargs.get("question")
    return question if isinstance(question, str) else _text(message)


def _tool_calls(message: BaseMessage) -> list[dict[str, Any]]:
    return list(getattr(message, "tool_calls", ()))


def _tool_name(message: BaseMessage, names: dict[str, str]) -> str:
    return names.get(getattr(message, "tool_call_id", ""), message.name or "tool")


def _append(turns: Turns, role: str, text: str) -> None:
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] = f"{turns[-1]['content']}\n\n{text}".strip()
    else:
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
