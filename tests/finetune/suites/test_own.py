"""A suite made from Examples: each reply that is taught becomes a question."""

from __future__ import annotations

from typing import Any

from agent.prompts import REFUSAL
from finetune.default.public_data import tool_schema
from finetune.schema import Example
from finetune.suites.own import items_of, own_suite

_TOOLS = (tool_schema("open_gate", "Open a gate", {"number": {"type": "integer"}}, ("number",)),)
_ASK: dict[str, Any] = {"role": "user", "content": "Open gate 3"}
_CALL = {"role": "assistant", "content": "", "tool_calls": [{"name": "open_gate", "arguments": {"number": 3}}]}


def _example(*messages: dict[str, Any], tools: tuple[Any, ...] = (), label: bool | None = None) -> Example:
    return Example(messages, tools, "turn:1", "thread", label=label)


def _say(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def test_calls_are_expected_and_the_answer_from_their_result() -> None:
    told = {"role": "tool", "name": "open_gate", "content": "gate 3 is open"}
    first, second = items_of(_example(_ASK, _CALL, told, _say("Gate 3 is open."), tools=_TOOLS), "own")
    assert first.expected == {"calls": [[{"name": "open_gate", "arguments": {"number": 3}}]]}
    assert [message["role"] for message in first.messages] == ["user"]
    assert second.expected == {"answers": ["Gate 3 is open."]}
    assert first.id != second.id


def test_words_before_tools_mean_that_none_is_needed() -> None:
    (item,) = items_of(_example({"role": "user", "content": "Thanks"}, _say("You are welcome."), tools=_TOOLS), "own")
    assert item.expected == {"none": True}


def test_passages_give_an_answer_or_the_refusal() -> None:
    asked = {"role": "user", "content": "When?", "passages": ("It opens at nine.",)}
    (answered,) = items_of(_example(asked, _say("at nine")), "own")
    (refused,) = items_of(_example(asked, _say(REFUSAL)), "own")
    assert answered.expected == {"answers": ["at nine"]}
    assert refused.expected == {"answers": []}
    assert answered.passages == ("It opens at nine.",)


def test_long_replies_are_measured_by_their_likelihood() -> None:
    text = "A gate is a door in a wall or a fence that people and animals go through."
    (item,) = items_of(_example({"role": "user", "content": "What is a gate?"}, _say(text)), "own")
    assert item.expected == {"text": text}


def test_context_and_unwanted_replies_are_not_asked_for() -> None:
    again = {"role": "user", "content": "And gate 3?"}
    items = list(items_of(_example(_ASK, _say("Which one?", weight=0), again, _CALL, tools=_TOOLS), "own"))
    assert [len(item.messages) for item in items] == [3]
    assert not list(items_of(_example(_ASK, _say("No."), label=False), "own"))


def test_order_depends_on_the_seed_alone() -> None:
    examples = [_example({"role": "user", "content": f"Say {number}"}, _say(str(number))) for number in range(30)]
    items = own_suite(examples)
    assert own_suite(examples, limit=5) == items[:5]
    assert own_suite(examples, seed=1) != items
    assert {item.id for item in own_suite(reversed(examples), seed=1)} == {item.id for item in items}
