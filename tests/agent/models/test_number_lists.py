"""Lists of numbers: found in a text, and put into a call where a small model copied them badly."""

from __future__ import annotations

from typing import Any

import pytest

from agent.models.literal_arguments import literal
from agent.models.number_lists import number_lists, share_number_lists
from agent.models.said import Said

NUMBERS = {"type": "array", "items": {"type": "number"}}
WHOLE = {"type": "array", "items": {"type": "integer"}}


@pytest.mark.parametrize(
    ("text", "lists"),
    [
        ("The mean of [1, 2,3]", [[1, 2, 3]]),
        ("seams of 28, 223.2, 144.3 mm", [[28, 223.2, 144.3]]),
        ("Weld 4.9 mm/s, 165.3, 157.9, and 105.7 mm long.", [[165.3, 157.9, 105.7]]),
        ("5 kg, 7 kg and 9 kg", [[5, 7, 9]]),
        ("5 kg, 7 m and 9 s", []),  # of three things
        ("$1,000, $2,500 and $3,000", [[1000, 2500, 3000]]),
        ("between 40, 41 and 9 and 38.1, 41.7 and 46.9", [[40, 41, 9], [38.1, 41.7, 46.9]]),
        ("x=[1,2] and y=[2, -4]", [[1, 2], [2, -4]]),
        ("at 8:30, 9 and on May 3, 2022", []),
        ("pages 10-20, 30-40 of version 1.2.3", []),
        ("in 2021", []),
        ("5 and 7, then [1, 2]", [[5, 7], [1, 2]]),
        ("a\x00b [1, 2]", [[1, 2]]),
    ],
)
def test_lists_in_a_text(text: str, lists: list[list[float]]) -> None:
    assert number_lists(text) == lists


def written(request: str, **arguments: Any) -> dict[str, Any]:
    known = {name: WHOLE if name == "whole" else NUMBERS for name in arguments}
    said = Said(request)
    return literal(arguments, {"properties": known, "required": [*known]}, said, said)


@pytest.mark.parametrize(
    "copied", [[12, 15, 18, 18, 18], [12, 18, 20], [1.2, 15, 18, 20], [3, 12, 15, 18, 20], [20, 12]]
)
def test_a_list_that_was_copied_badly_becomes_the_one_that_was_said(copied: list[float]) -> None:
    assert written("The mean over 3 days: 12, 15, 18 and 20", xs=copied) == {"xs": [12, 15, 18, 20]}


def test_each_of_two_lists_becomes_the_nearer_one() -> None:
    request = "The correlation between 40, 41, 44 and 9 and 38.1, 41.7, 59.1 and 46.9"
    right = {"xs": [40, 41, 44, 9], "ys": [38.1, 41.7, 59.1, 46.9]}
    assert written(request, xs=[40, 41, 44, 44], ys=right["ys"]) == right
    assert written(request, xs=right["xs"], ys=right["xs"]) == right  # the first one twice


@pytest.mark.parametrize(
    ("request_", "arguments"),
    [
        ("The mean of 12, 15 and 18", {"xs": [12, 15, 18]}),
        ("The mean of 12, 15 and 18 without the 12", {"xs": [15, 18]}),  # a part is meant
        ("The mean of 12, 15 and 18", {"xs": [7, 9]}),  # nothing of it was said so
        ("The mean of 1.5, 15 and 18", {"whole": [1, 15, 18]}),  # no integers
        ("Four points in [1, 2] and [1, 3]", {"xs": [1, 4]}),  # as near to one as to the other
        ("The mean of the first four", {"xs": [1, 2, 3, 4]}),
    ],
)
def test_a_list_stays_where_another_reading_is_possible(request_: str, arguments: dict[str, Any]) -> None:
    assert written(request_, **arguments) == arguments


@pytest.mark.parametrize(
    ("request_", "meant"),
    [
        ("The mean of 3, 5 and 8, and also 10", [3, 5, 8, 10]),
        ("Sum 1, 2 and three", [1, 2, 3]),
        ("Sum up rows 2, 4 and 6-8", [2, 4, 6, 7, 8]),
        ("Mean of 1, 2, ..., 5", [1, 2, 3, 4, 5]),
        ("The mean of the first three of [1, 2, 3, 4, 5]", [1, 2, 3]),
        ("Plot 10, 20 and 30 for Ann and 40 and 50 for Bob", [10, 20, 30, 40, 50]),
        ("Flatten [[1,2,3],[4,5]]", [1, 2, 3, 4, 5]),
        ("Plot the squares of 1, 2, 3", [1, 4, 9]),
        ("Sum 5,100,200 and 7", [5, 100, 200, 7]),
        ("Mark the days May 3, 5 and 7", [3, 5, 7]),
        ("Sum 1e400, 1 and 3", [1, 3]),
    ],
)
def test_a_list_that_was_put_together_stays(request_: str, meant: list[float]) -> None:
    assert written(request_, xs=meant) == {"xs": meant}


REQUEST = "Weld 207.8, 111.2 and 14.4 mm with the ceiling arm and [199.6, 75.7] mm with the long arm"


@pytest.mark.parametrize(
    "copied",
    [
        [[207.8, 111.2, 14.4], [199.6, 75.7]],
        [[111.2, 111.2, 14.4], [14.4]],
        [[207.8, 111.2, 14.4], [207.8, 111.2, 14.4]],  # the first one twice
    ],
)
def test_several_calls_of_a_tool_get_one_list_each_in_order(copied: list[list[float]]) -> None:
    assert shared(copied) == [[207.8, 111.2, 14.4], [199.6, 75.7]]


@pytest.mark.parametrize(
    "copied",
    [
        [[199.6, 75.7], [207.8, 111.2, 14.4]],  # in another order
        [[1, 2], [3, 4]],  # no copies
        [[207.8, 111.2]],
        [[207.8], [111.2], [14.4]],  # a list for each number
    ],
)
def test_lists_of_several_calls_that_are_no_copies_in_order_stay(copied: list[list[float]]) -> None:
    assert shared(copied) == copied


def test_only_lists_that_a_tool_takes_are_shared_among_its_calls() -> None:
    copied = [[207, 111, 14], [199, 75]]
    assert shared(copied, xs=WHOLE) == copied
    assert shared(copied, xs=NUMBERS, ys=NUMBERS) == copied


def shared(copied: list[list[float]], **known: Any) -> list[list[float]]:
    calls: list[dict[str, Any]] = [{"xs": numbers} for numbers in copied]
    share_number_lists(calls, {"properties": known or {"xs": NUMBERS}}, number_lists(REQUEST))
    return [call["xs"] for call in calls]
