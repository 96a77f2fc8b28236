"""What a model asks for, made fit to be kept: a checkpoint must hold it, and a person must be able to read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from langchain_core.messages import AIMessage

from tools.visible import visible

LONGEST_ARGUMENTS = 1_000_000  # characters of JSON
LONGEST_NAME = 200
DEEPEST = 32  # levels of lists and objects
_FLAWS = "flaws"  # where a message keeps, by the number of the call, why its arguments were left out
_INTEGERS = range(-(2**63), 2**64)  # what msgpack can hold


def fit_to_keep(message: AIMessage) -> AIMessage:
    """The message with names and ids on one visible line; arguments that cannot be kept are left out."""
    if not message.tool_calls:
        return message
    flaws: dict[str, str] = {}
    calls = []
    for number, call in enumerate(message.tool_calls):
        flaw = flaw_of(call["args"] or {})
        if flaw:
            flaws[str(number)] = flaw
        named = {"name": _line(call["name"]), "id": _line(call["id"]), "args": {} if flaw else call["args"]}
        calls.append({**call, **named})
    extra = {**message.additional_kwargs, _FLAWS: flaws} if flaws else message.additional_kwargs
    return message.model_copy(update={"tool_calls": calls, "additional_kwargs": extra})


def left_out(message: AIMessage, number: int) -> str:
    """Why the arguments of a call are missing; empty where they are not."""
    return str(message.additional_kwargs.get(_FLAWS, {}).get(str(number), ""))


def flaw_of(arguments: Mapping[str, Any]) -> str:
    """Why arguments cannot be kept, to be said after "the arguments"; empty where they can."""
    if flaw := _unfit(arguments):
        return flaw
    text = json.dumps(arguments, ensure_ascii=False)
    if len(text) > LONGEST_ARGUMENTS:
        return f"have {len(text):,} characters, more than the {LONGEST_ARGUMENTS:,} that they may have"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "hold half a character (a lone surrogate)"
    return ""


def _unfit(arguments: Mapping[str, Any]) -> str:
    waiting: list[tuple[Any, int]] = [(arguments, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            return f"are nested more than {DEEPEST} levels deep"
        if isinstance(value, Mapping):
            if not all(isinstance(name, str) for name in value):
                return "are no JSON"
            waiting += [(each, depth + 1) for each in value.values()]
        elif isinstance(value, list):
            waiting += [(each, depth + 1) for each in value]
        elif isinstance(value, float):
            if not isfinite(value):
                return "are no JSON: they hold NaN or an infinite number"
        elif isinstance(value, int):
            if value not in _INTEGERS:
                return "hold a whole number of more than 64 bits; write it as text"
        elif value is not None and not isinstance(value, str):
            return "are no JSON"
    return ""


def _line(text: object) -> str:
    return visible(str(text))[:LONGEST_NAME]
