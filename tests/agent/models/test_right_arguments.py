"""What a rule must leave alone: arguments that are right, and descriptions that give no examples."""

from __future__ import annotations

from typing import Any

import pytest

from agent.models.literal_arguments import literal
from agent.models.said import Said

Schema = dict[str, Any]
_QUERY: Schema = {"q": {"type": "string"}}


def text(description: str = "", **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def kept(request: str, arguments: Schema, properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    said = Said(request)
    return literal(arguments, {"properties": properties, "required": [*required]}, said, said)


@pytest.mark.parametrize(
    ("description", "request_", "value"),
    [
        ("Shell command to run, e.g. git, ls", "Run a command with git that shows me the log", "git log --oneline"),
        ("What to search, such as python or rust", "A tutorial of list use in python", "python list use tutorial"),
        ("Text to send (e.g., hello)", "Send hello to Bob, and: the meeting is at 5", "Hello Bob, the meeting is at 5"),
        ("Day or month (YYYY-MM-DD or YYYY-MM)", "for 2024-05", "2024-05"),
        ("Range as YYYY-MM-DD/YYYY-MM-DD", "in 2024-05-01/2024-05-10", "2024-05-01/2024-05-10"),
        ("Days, YYYY-MM-DD, separated by commas", "on 2024-05-01,2024-05-10", "2024-05-01,2024-05-10"),
        ("Time, YYYY-MM-DD, perhaps with a time", "at 2024-05-01 14:30", "2024-05-01 14:30"),
    ],
)
def test_what_has_more_than_an_example_or_a_day_stays(description: str, request_: str, value: str) -> None:
    assert kept(request_, {"a": value}, {"a": text(description)}) == {"a": value}


def test_what_was_said_is_no_slip_for_an_example_that_begins_alike() -> None:
    languages = text("Programming language (e.g., JavaScript, Python)")
    call = {"source": "JavaScript", "target": "Java"}
    properties = {"source": languages, "target": languages}
    assert kept("Translate this from JavaScript to Java", call, properties, ("source", "target")) == call


@pytest.mark.parametrize(
    ("request_", "properties"),
    [
        ("I want to explore x", {"city": text("The city the user would like to visit or explore")}),
        ("Find x near Berlin", {"city": text("City. Must not be 'Berlin'")}),
        ("Find x, separated by blanks", {"values": text("Values are separated by commas or spaces")}),
        ("Find x from Nike", {"exclude": text("Brand to leave out (e.g., Nike, Adidas)")}),
        ("Find x, currency: US dollars", {"currency": text(pattern="^[A-Z]{3}$")}),
        ("Find x. My email: I forgot it", {"email": text(format="email")}),
        ("On another note: find x", {"note": text()}),
        ("code:\n\nfind x", {"code": text()}),
        ("Find x in red and green", {"tags": {"type": "array", "maxItems": 1, "items": {"enum": ["red", "green"]}}}),
        ("Find x limit 5", {"limit": {"type": "integer", "exclusiveMaximum": 5}}),
        ("Find x limit 5", {"limit": {"type": "integer", "enum": 5}}),
        ("Find x limit 5", {"limit": {"anyOf": True}}),
    ],
)
def test_nothing_is_added_that_was_not_meant_or_not_allowed(request_: str, properties: Schema) -> None:
    assert kept(request_, {"q": "x"}, _QUERY | properties, ("q",)) == {"q": "x"}


def test_a_bound_that_is_no_number_bounds_nothing() -> None:
    limit = {"limit": {"type": "integer", "minimum": "1"}}
    assert kept("Find x limit 5", {"q": "x"}, _QUERY | limit, ("q",)) == {"q": "x", "limit": 5}
