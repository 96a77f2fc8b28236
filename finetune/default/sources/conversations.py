"""Glaive's and ToolACE's conversations with functions: the calls whose values can be read off the conversation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from finetune.default.public_data import chance_of, read_json
from finetune.default.sources.boxes import called, occurs
from finetune.schema import Example, Message

_FILES = (("glaive_300", "glaive_toolcall_en_demo.json"), ("toolace_100", "sharegpt_func_fixed.json"))
_LONGEST = 300  # characters of any message
_ROLES = {"human": "user", "gpt": "assistant", "function_call": "assistant", "observation": "tool"}


def examples(data: Path, seed: int) -> Iterator[Example]:
    """One box a conversation: an Example for each of its turns that is exact."""
    chance = chance_of(f"conversations-{seed}")
    seen: set[str] = set()  # many begin alike
    for folder, file in _FILES:
        conversations = list(enumerate(read_json(data / "train" / folder / file)))
        chance.shuffle(conversations)
        for number, conversation in conversations:
            if box := _tools(conversation["tools"]):
                for example in _turns(conversation["conversations"], box, f"{folder}#{number}"):
                    if example.key not in seen:
                        yield example
                    seen.add(example.key)


def _tools(written: str) -> tuple[dict[str, Any], ...]:
    """The tools in OpenAI's form; none at all where one cannot be used as it is."""
    try:
        given = json.loads(written)
    except ValueError:
        return ()
    tools = []
    for function in given:
        parameters = function.get("parameters") or {}
        if parameters.get("type") != "object" or not str(function.get("name", "")).replace("_", "a").isalnum():
            return ()
        tools.append({"type": "function", "function": {**function, "parameters": parameters}})
    return tuple(tools) if len(tools) <= 8 else ()


def _turns(turns: Sequence[Mapping[str, str]], box: tuple[dict[str, Any], ...], source: str) -> Iterator[Example]:
    """Each request with the two messages before it, and what was replied: a call with its result, or words."""
    messages = [(_ROLES.get(turn["from"], ""), turn["from"], turn["value"]) for turn in turns]
    for place, (role, _, text) in enumerate(messages[:-1]):
        if role != "user" or len(text) > _LONGEST:
            continue
        said = _before(messages, place) + ({"role": "user", "content": text},)
        _, kind, reply = messages[place + 1]
        if kind == "gpt" and len(reply) <= _LONGEST and "as an AI" not in reply:
            yield Example((*said, {"role": "assistant", "content": reply}), box, f"{source}.{place}", source)
        elif kind == "function_call" and (call := _call(reply, box, said)):
            yield _with_result(called(said, [call], box, f"{source}.{place}", source), messages[place + 2 : place + 4])


def _before(messages: Sequence[tuple[str, str, str]], place: int) -> tuple[Message, ...]:
    if place < 2 or messages[place - 1][1] != "gpt" or messages[place - 2][0] != "user":
        return ()
    question, answer = messages[place - 2][2], messages[place - 1][2]
    if len(question) > _LONGEST or len(answer) > _LONGEST:
        return ()
    return ({"role": "user", "content": question}, {"role": "assistant", "content": answer, "weight": 0})


def _call(written: str, box: Sequence[Mapping[str, Any]], said: Sequence[Message]) -> tuple[str, dict[str, Any]] | None:
    """Name and arguments where they fit the schema and every value was said."""
    try:
        call = json.loads(written)
        name, arguments = call["name"], call["arguments"]
    except (ValueError, KeyError, TypeError):
        return None
    schema = {tool["function"]["name"]: tool["function"]["parameters"] for tool in box}.get(name)
    text = "\n".join(message["content"] for message in said)
    closed = {**schema, "additionalProperties": False} if schema else None
    if closed is None or not isinstance(arguments, dict) or not Draft202012Validator(closed).is_valid(arguments):
        return None
    plain = all(isinstance(value, (str, int, float, list)) for value in arguments.values())
    return (name, arguments) if plain and all(occurs(value, text) for value in arguments.values()) else None


def _with_result(example: Example, following: Sequence[tuple[str, str, str]]) -> Example:
    """The Example with the result of its call and the answer, where both are there and short."""
    if [kind for _, kind, _ in following] != ["observation", "gpt"]:
        return example
    result, answer = following[0][2], following[1][2]
    if len(result) > _LONGEST or len(answer) > _LONGEST:
        return example
    name = example.messages[-1]["tool_calls"][0]["name"]
    told = {"role": "tool", "name": name, "content": result}
    reply = {"role": "assistant", "content": answer}
    return Example((*example.messages, told, reply), example.tools, example.source, example.group)
