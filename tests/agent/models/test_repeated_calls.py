"""Numbers and words that were said in order for several calls of one tool."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.models.tool_calls import ToolChoice

Schema = dict[str, Any]
_NUMBER: Schema = {"type": "number"}


def calls(request: str, written: list[Schema], properties: Schema, required: tuple[str, ...]) -> list[Schema]:
    parameters = {"type": "object", "properties": properties, "required": [*required]}
    tool = {"type": "function", "function": {"name": "f", "description": "Does it", "parameters": parameters}}
    choice = ToolChoice.of([tool], literal=True)
    text = "\n".join(f"f {json.dumps(arguments)}" for arguments in written)
    return [arguments for _, arguments in choice.parse(text, request, request)]


def sides(request: str, *pairs: tuple[float, float]) -> list[tuple[float, float]]:
    written = [{"width": width, "height": height} for width, height in pairs]
    found = calls(request, written, {"width": _NUMBER, "height": _NUMBER}, ("width", "height"))
    return [(one["width"], one["height"]) for one in found]


def test_each_call_gets_its_own_numbers() -> None:
    request = "The areas of two rectangles: 8 by 14, and 21 by 6"
    assert sides(request, (8, 14), (21, 14)) == [(8, 14), (21, 6)]
    assert sides(request, (8, 21), (21, 6)) == [(8, 14), (21, 6)]


def test_the_order_within_a_call_is_that_of_the_call_that_has_all_of_its_own() -> None:
    request = "The areas of two rectangles: 14 high and 8 wide, 6 high and 21 wide"
    assert sides(request, (8, 14), (21, 14)) == [(8, 14), (21, 6)]


@pytest.mark.parametrize(
    ("request_", "pairs"),
    [
        ("Rectangles of 8 by 14 and 21 by 6, all in 3 rooms", [(8, 14), (21, 14)]),  # another number was said
        ("Rectangles of 8 by 14 and 8 by 6", [(8, 14), (8, 14.5)]),  # one number twice
        ("Rectangles of 8 by 14 and 21 by 6", [(21, 6), (8, 14)]),  # in another order, but right
        ("Rectangles of 8 by 14 and 21 by 6", [(8, 6), (21, 14)]),  # none of them has all of its own
        ("Rectangles of 8 by 14 and 21 by 6", [(8, 14), (20, 7)]),  # worked out, it seems
    ],
)
def test_numbers_whose_place_is_not_sure_stay(request_: str, pairs: list[tuple[float, float]]) -> None:
    assert sides(request_, *pairs) == pairs


def cities(request: str, *names: str) -> list[str]:
    written = [{"city": name, "unit": "C"} for name in names]
    found = calls(request, written, {"city": {"type": "string"}, "unit": {"type": "string"}}, ("city", "unit"))
    return [one["city"] for one in found]


def test_each_word_of_a_list_gets_a_call() -> None:
    request = "How warm is it in Oslo, Bergen and Tromso, in C?"
    assert cities(request, "Oslo", "Tromso") == ["Oslo", "Bergen", "Tromso"]
    assert cities(request, "Oslo", "Berlin", "Tromso") == ["Oslo", "Bergen", "Tromso"]


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        ("How warm is it in Oslo, Bergen or Tromso, in C?", ["Oslo", "Tromso"]),
        ("How warm is it in Oslo, Bergen and Tromso, in C? Not Bergen", ["Oslo", "Tromso"]),
        ("I know Oslo, Bergen and Tromso. How warm is it in Lima and Quito, in C?", ["Lima", "Quito"]),
    ],
)
def test_a_list_of_which_a_part_may_be_meant_gives_no_calls(request_: str, names: list[str]) -> None:
    assert cities(request_, *names) == names


def test_calls_that_differ_in_more_than_one_text_stay() -> None:
    written = [{"city": "Oslo", "day": "Monday"}, {"city": "Tromso", "day": "Tuesday"}]
    text = {"type": "string"}
    request = "Oslo, Bergen and Tromso, Monday and Tuesday"
    assert calls(request, written, {"city": text, "day": text}, ("city", "day")) == written
