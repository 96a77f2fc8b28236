"""Texts with a slip of the copying model: capitals and codes as they were said."""

from __future__ import annotations

from typing import Any

import pytest

from agent.models.copied_texts import write_copies

TEXT = {"type": "string"}


def copied(request: str, value: str, argument: dict[str, Any] | None = None, **others: str) -> str:
    arguments: dict[str, Any] = {"x": value, **others}
    write_copies(arguments, {"properties": dict.fromkeys(arguments, TEXT) | {"x": argument or TEXT}}, request)
    found: str = arguments["x"]
    return found


@pytest.mark.parametrize(
    ("request_", "value", "expected"),
    [
        ("How is the weather in Gibsland?", "gibsland", "Gibsland"),
        ("a robot made by SoftBank Robotics", "Softbank Robotics", "SoftBank Robotics"),
        ("the drug 'j4IIuZLgl', please", "j4IIUZLgl", "j4IIuZLgl"),
        ('with "Height" as the x-axis', "height", "Height"),
        ("Weather, please, and more weather", "weather", "weather"),
        ("Tulips are what I want", "tulips", "tulips"),  # the sentence gives it the capital
        ("Done. Tulips are what I want", "tulips", "tulips"),
        ("a pound of tomatoes", "Tomatoes", "Tomatoes"),
        ("US or us", "us", "us"),
        ("anything", "", ""),
    ],
)
def test_a_text_has_the_capitals_it_was_said_with(request_: str, value: str, expected: str) -> None:
    assert copied(request_, value) == expected


@pytest.mark.parametrize(
    ("request_", "value", "expected"),
    [
        ("the book with ISBN 9780340898447.", "0340898447", "9780340898447"),
        ("Refund order A-1182-77.", "A-1182-7", "A-1182-77"),
        ("Call 555-0134 for me", "555-0143", "555-0134"),
        ("image app-9f3a1 of app", "9f3a1", "9f3a1"),  # a part of it
        ("Order 11827 or 11828", "11826", "11826"),  # like two
        ("Order 4411827", "9053316", "9053316"),  # like none
        ("Room 12B", "12A", "12A"),  # too short to tell
        ("on 2024-05-17", "2024-05-18", "2024-05-18"),
        ("at 18:30:15", "18:30:16", "18:30:16"),
    ],
)
def test_a_code_is_the_one_that_was_said(request_: str, value: str, expected: str) -> None:
    assert copied(request_, value) == expected


def test_a_code_that_another_argument_has_is_not_meant_twice() -> None:
    assert copied("Move order 11827", "11828", other="11827") == "11828"


@pytest.mark.parametrize("argument", [{"enum": ["berlin"]}, {**TEXT, "description": "City, e.g., berlin, paris"}])
def test_what_the_tool_writes_itself_stays(argument: dict[str, Any]) -> None:
    assert copied("To Berlin", "berlin", argument) == "berlin"
