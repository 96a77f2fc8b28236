"""Required arguments that nobody gave: they are asked for, and nothing that was said or may be meant is."""

import pytest

from agent.models.missing_arguments import is_request, missing, request_for
from agent.models.said import Said
from agent.models.tool_calls import ToolChoice

TEXT, NUMBER = {"type": "string"}, {"type": "number"}


def lacks(request_, arguments, schema=None):
    known = {name: TEXT if isinstance(value, str) else NUMBER for name, value in arguments.items()}
    schema = schema or {"type": "object", "properties": known, "required": list(known)}
    return missing(arguments, schema, Said(request_))


@pytest.mark.parametrize(
    ("request_", "arguments", "wanted"),
    [
        ("How is the weather on the 12th?", {"city": "New York", "day": "the 12th"}, ["city"]),
        ("I need a rental car.", {"place": "a", "start": "a", "end": "a"}, ["place", "start", "end"]),
        ("A flight to Rome", {"from": "Rome", "to": "Rome"}, ["from", "to"]),
        ("Save 85 a month for 34 years", {"monthly": 85, "years": 36}, ["years"]),
        ("The book 9780340898447", {"isbn": "0340898447"}, ["isbn"]),
        ("Send it to Anna", {"to": "Anna", "text": ""}, ["text"]),
        ("Send it to Anna", {"to": "Anna", "text": " "}, ["text"]),
        ("We meet in March", {"day": "2026-04-13"}, ["day"]),
        ("25 of them", {"count": 2.5}, ["count"]),
        ("Pay 85 a month", {"monthly": 85, "months": 36}, ["months"]),
    ],
)
def test_what_nobody_gave_is_missing(request_, arguments, wanted):
    assert lacks(request_, arguments) == wanted


@pytest.mark.parametrize(
    ("request_", "arguments"),
    [
        ("the restaurant U1fThurnB0", {"restaurant_id": "U1fThurnB0"}),
        ("Apple's share price", {"symbol": "AAPL"}),
        ("From Los Angeles to Boston", {"origin": "LAX", "destination": "BOS"}),
        ("The weather in NYC", {"city": "New York"}),
        ("The weather in NYC", {"city": "New York City"}),
        ("東京の天気は?", {"city": "Tokyo"}),
        ("Погода в Москве", {"city": "Moscow"}),
        ("Roll 8d20+9", {"dice": 8, "sides": 20}),
        ("Dec 80, medium speed", {"degrees": 80}),
        ("A table", {"people": 1}),
        ("Count from the beginning", {"start": 0}),
        ("5 % interest, compounded monthly", {"rate": 0.05, "times": 12}),
        ("Half an hour", {"minutes": 30}),
        ("Two million", {"people": 2_000_000}),
        ("5 km", {"metres": 5000}),
        ("2 microcoulombs", {"charge": 2e-6}),
        ("A meeting for an hour", {"minutes": 60}),
        ("The twentieth of them", {"n": 20}),
        ("From binary to decimal", {"source": 2, "target": 10}),
        ("Is it warm in Rome?", {"city": "Rome", "unit": "celsius"}),
        ("What is on at Christmas?", {"day": "2026-12-25"}),
        ("Films with DiCaprio", {"actor": "Leonardo DiCaprio"}),
        ("What ended WW2?", {"event": "World War II"}),
        ("What is on at June 13, 2024?", {"first": "2024-06-13", "last": "2024-06-13"}),
        ("From Rome to Rome", {"from": "Rome", "to": "Rome"}),
        ("Both to Rome", {"first": "Rome", "second": "Rome"}),
        ("Remind me tomorrow", {"day": "2026-03-02"}),
    ],
)
def test_what_was_said_or_may_be_meant_is_not_missing(request_, arguments):
    assert lacks(request_, arguments) == []


@pytest.mark.parametrize(
    "argument",
    [
        TEXT | {"enum": ["Oslo"]},
        TEXT | {"const": "Oslo"},
        TEXT | {"default": "Oslo"},
        TEXT | {"description": "A city. The default is Oslo."},
        {"anyOf": [TEXT, NUMBER]},
        {"type": ["string", "null"]},
        {},
        None,
    ],
)
def test_what_is_chosen_or_of_unknown_form_is_not_missing(argument):
    assert lacks("Go", {"city": "Oslo"}, {"properties": {"city": argument}, "required": ["city"]}) == []


@pytest.mark.parametrize(
    ("arguments", "schema"),
    [
        ({"city": "Oslo"}, {"properties": {"city": TEXT}}),
        ({"city": "Oslo"}, {"$ref": "#/$defs/Place", "properties": {"city": TEXT}, "required": ["city"]}),
        ({}, {"properties": {"city": TEXT}, "required": ["city"]}),
        ({"city": ["Oslo"]}, {"properties": {"city": TEXT}, "required": ["city"]}),
    ],
)
def test_what_is_not_required_or_not_there_is_not_missing(arguments, schema):
    assert lacks("Go", arguments, schema) == []


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["city"], "Which city?"),
        (["checkInDate", "city"], "Which check in date and city?"),
        (["a", "b_c", "d"], "Which a, b c and d?"),
        (["__"], "Which __?"),
    ],
)
def test_a_request_names_what_is_missing_and_is_known_as_one(names, text):
    assert request_for(names) == text
    assert is_request(text) and is_request(f"Before.\n{text}") and not is_request(text[:-1])


def flight(**rules):
    parameters = {"properties": {"origin": TEXT, "to": TEXT}, "required": ["origin", "to"]}
    return ToolChoice.of([{"type": "function", "function": {"name": "fly", "parameters": parameters}}], **rules)


WHOLE, HALF = ("fly", {"origin": "Bonn", "to": "Rome"}), ("fly", {"origin": "Paris", "to": "Oslo"})


def test_calls_that_lack_nothing_are_made_and_the_others_asked_about():
    made, requests = flight(literal=True).complete([WHOLE, HALF, HALF], "From Bonn to Rome, and to Oslo")
    assert made == [WHOLE] and requests == ["Which origin?"]


@pytest.mark.parametrize("rules", [{}, {"choice": "any", "literal": True}, {"choice": "fly", "literal": True}])
def test_who_has_to_call_or_is_not_literal_makes_all_calls(rules):
    assert flight(**rules).complete([HALF], "Go") == ([HALF], [])
