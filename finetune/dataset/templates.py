"""The forms in which others write training data, each as a function from a record to an `Example`.

messages      {"messages": [{"role", "content", "tool_calls"…}], "tools": […]}: OpenAI's, and our own
sharegpt      {"conversations": [{"from", "value"}], "tools", "system"}, with function_call and observation
alpaca        {"instruction", "input", "output"}
preference    {"prompt", "chosen", "rejected"}, or OpenAI's {"input", "preferred_output", "non_preferred_output"}
pairs         {"question", "answer"}, {"prompt", "completion"} and the like; a "label" (true, false) is a verdict
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from finetune.dataset.tool_schemas import Unusable, tool_calls, tool_schemas, tools_in
from finetune.schema import Example, Message

Record = Mapping[str, Any]
Template = Callable[[Record], Example]

PAIRS = (
    ("question", "answer"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("query", "response"),
    ("question", "response"),
    ("user", "assistant"),
    ("input", "output"),
)
_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "ipython": "tool",
}
# A conversation that was already laid out for one family of models, pasted as text.
_RENDERED = re.compile(
    r"<\|im_start\|>\s*(?:system|user|assistant)\b|\[INST\].*\[/INST\]|<\|start_header_id\|>\s*\w+\s*<\|end_header_id\|>"
    r"|<start_of_turn>(?:user|model)\b|^### (?:Instruction|Human|Assistant|Response):\s*$",
    re.DOTALL | re.MULTILINE,
)


class Unfit(ValueError):
    """A record that shows that the file is not what it should be; its text says why."""


def template_of(record: Record) -> str | None:
    """The form of a record; None for one that is known to none."""
    if isinstance(record.get("messages"), list):
        return "messages"
    if isinstance(record.get("conversations"), list):
        return "sharegpt"
    if "instruction" in record and ("output" in record or "response" in record):
        return "alpaca"
    if {"chosen", "rejected"} <= record.keys() or {"input", "preferred_output"} <= record.keys():
        return "preference"
    return "pairs" if _pair(record) else None


def example_of(template: str, record: Record) -> Example:
    """The record as an example, without its source and group unless it names them itself.

    Raises:
        Unfit: the record is not of the form, has no assistant's turn, or was laid out for a model already.
        Unusable: it is, but nothing can be learned from it.
    """
    return _checked(TEMPLATES[template](record))


def _messages(record: Record) -> Example:
    tools = tool_schemas(record.get("tools") or record.get("functions") or [])
    messages = _conversation(record["messages"], tools)
    rejected = record.get("rejected")
    wrong = _one(rejected, tools) if rejected is not None else None
    label = record.get("label") if isinstance(record.get("label"), bool) else None
    source, group = (str(record.get(key) or "") for key in ("source", "group"))
    return Example(tuple(messages), tools, source, group, wrong, label)


def _sharegpt(record: Record) -> Example:
    system = str(record.get("system") or "")
    tools = tool_schemas(record.get("tools") or [])
    if not tools and system and (listed := tools_in(system)):
        tools, system = listed, ""  # it tells of another way to write calls, which would contradict ours
    messages = _conversation(record["conversations"], tools)
    if system:
        messages.insert(0, {"role": "system", "content": _text(system)})
    return Example(tuple(messages), tools)


def _alpaca(record: Record) -> Example:
    question = "\n\n".join(filter(None, (_text(record.get(key)).strip() for key in ("instruction", "input"))))
    return _exchange(question, record.get("output", record.get("response")), _text(record.get("system")))


def _preference(record: Record) -> Example:
    if "preferred_output" in record:
        asked = record["input"] if isinstance(record.get("input"), Mapping) else {"messages": record.get("input")}
        good, bad = record["preferred_output"], record.get("non_preferred_output")
    else:
        asked, good, bad = {"messages": record.get("prompt") or []}, record["chosen"], record["rejected"]
    tools = tool_schemas(asked.get("tools") or record.get("tools") or [])
    good, bad = _as_messages(good), _as_messages(bad)
    if good[:-1] != bad[:-1]:
        raise Unfit("the chosen and the rejected answer do not end the same conversation")
    before = good[:-1] or _as_messages(asked.get("messages"))  # some forms repeat the conversation in both
    messages = [*_conversation([*before, {"role": "assistant"}], tools)[:-1], _one(good[-1], tools)]
    return Example(tuple(messages), tools, rejected=_one(bad[-1], tools))


def _as_messages(given: Any) -> list[Any]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not given:
        raise Unfit("a conversation is missing")
    return _list(given, "messages")


def _one(given: Any, tools: tuple[Any, ...]) -> Message:
    """An answer that stands by itself: a message, or its text."""
    message = given if isinstance(given, Mapping) else {"content": given}
    made = _conversation([{**message, "role": "assistant", "from": "assistant"}], tools)[0]
    if not made["content"].strip() and not tools:
        raise Unfit("the chosen or the rejected answer is empty")
    return made


def _list(given: Any, name: str) -> list[Any]:
    if not isinstance(given, list):
        raise Unfit(f"the {name} are no list")
    return given


def _pairs(record: Record) -> Example:
    asked, answered = _pair(record) or ("", "")
    label = record.get("label")
    exchange = _exchange(_text(record.get(asked)), record.get(answered), _text(record.get("system")))
    return Example(exchange.messages, label=label if isinstance(label, bool) else None)


def _pair(record: Record) -> tuple[str, str] | None:
    return next((pair for pair in PAIRS if pair[0] in record and pair[1] in record), None)


def _exchange(question: str, answer: Any, system: str = "") -> Example:
    messages: list[Message] = [{"role": "system", "content": system}] if system.strip() else []
    answer = _text(answer)
    if not question.strip():
        raise Unfit("the question is empty")
    if not answer.strip():
        raise Unfit("the answer is empty, so there is no assistant's turn to learn from")
    messages += [{"role": "user", "content": question.strip()}, {"role": "assistant", "content": answer.strip()}]
    return Example(tuple(messages))


def _conversation(given: Sequence[Any], tools: tuple[Any, ...]) -> list[Message]:
    """The messages in our form; what follows the last assistant's message is left out, since nothing answers it."""
    messages: list[Message] = []
    names: dict[str, str] = {}
    for one in given:
        if not isinstance(one, Mapping):
            raise Unfit("a message is not an object")
        written = str(one.get("role") or one.get("from") or "").lower()
        if written not in _ROLES:
            raise Unfit(f'a message has the role "{written[:40]}", which is none of {", ".join(sorted(_ROLES))}')
        role, content = _ROLES[written], one.get("content", one.get("value"))
        if role == "assistant":
            messages.append(_assistant(one, written, content, tools))
            names |= _named(one, messages[-1])
        elif role == "tool":
            messages += _results(one, _text(content), messages, names)
        else:
            plain: dict[str, Any] = {"role": role, "content": _text(content)}
            if one.get("passages"):
                plain["passages"] = [_text(passage) for passage in _list(one["passages"], "passages")]
            messages.append(plain)
    last = max((at for at, one in enumerate(messages) if one["role"] == "assistant"), default=-1)
    return messages[: last + 1]


def _assistant(given: Record, written: str, content: Any, tools: tuple[Any, ...]) -> dict[str, Any]:
    calls: Any = given.get("tool_calls") or ([given["function_call"]] if given.get("function_call") else None)
    if written in ("function_call", "tool_call"):
        calls, content = content, ""
    message: dict[str, Any] = {"role": "assistant", "content": _text(content)}
    if calls:
        message["tool_calls"] = tool_calls(calls, tools)
    if given.get("weight") in (0, 1):
        message["weight"] = given["weight"]
    return message


def _named(given: Record, message: Message) -> dict[str, str]:
    """The tools by the ids of their calls."""
    calls = given.get("tool_calls")
    ids = [str(call.get("id", "")) for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
    return dict(zip(ids, (call["name"] for call in message.get("tool_calls", ())), strict=False))


def _results(given: Record, text: str, before: Sequence[Message], names: Mapping[str, str]) -> list[Message]:
    last = next((one for one in reversed(before) if one["role"] == "assistant"), {})
    calls, told = last.get("tool_calls") or [], len(_after_calls(before))
    name = names.get(str(given.get("tool_call_id", "")), "") or str(given.get("name") or "")
    if not name and calls:
        name = calls[min(told, len(calls) - 1)]["name"]
    return [{"role": "tool", "name": name or "tool", "content": text}]


def _after_calls(before: Sequence[Message]) -> list[Message]:
    last = max((at for at, one in enumerate(before) if one["role"] == "assistant"), default=-1)
    return [one for one in before[last + 1 :] if one["role"] == "tool"]


def _text(content: Any) -> str:
    """Content as text; the text parts of a list are joined.

    Raises:
        Unusable: it holds something else than text.
    """
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts):
            raise Unusable("a message that is not text")
        content = "\n".join(texts)
    if content is not None and not isinstance(content, str | int | float):
        raise Unusable("a message that is not text")
    return "" if content is None else str(content)


def _checked(example: Example) -> Example:
    taught = [one for one in example.messages if one["role"] == "assistant" and one.get("weight", 1)]
    if not taught:
        raise Unfit("there is no assistant's turn, so there is nothing to learn from")
    if not any(one["role"] == "user" for one in example.messages):
        raise Unfit("there is no user's turn, so the assistant answers nothing")
    if any(not one["content"].strip() and not one.get("tool_calls") and not example.tools for one in taught):
        raise Unfit("an assistant's turn is empty")
    for message in example.messages:
        if found := _RENDERED.search(message["content"]):
            raise Unfit(f"the text was already laid out for a model ({found.group()[:30]!r}): give plain messages")
    return example


TEMPLATES: Mapping[str, Template] = {
    "messages": _messages,
    "sharegpt": _sharegpt,
    "alpaca": _alpaca,
    "preference": _preference,
    "pairs": _pairs,
}
