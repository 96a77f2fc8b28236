"""Required arguments that nobody gave: they are asked for, and nothing that was said or may be meant is."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.models.exchange import Exchange
from agent.models.missing_arguments import missing, question_for, regret_for, words_for
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
        ("12.5 of it", {"count": 5}, ["count"]),
        ("A taxi", {"from": "...", "to": "any"}, ["from", "to"]),
        ("The weather in my city", {"city": "City"}, ["city"]),
        ("A flight for tomorrow", {"origin": "Fort Orange"}, ["origin"]),
        ("Buy some", {"units": 50}, ["units"]),
        ("Invite John to lunch", {"to": "john@example.com"}, ["to"]),
        ("Look up my order", {"order_id": "ORDER-12345"}, ["order_id"]),
        ("Smørbrød for the guests", {"place": "Oslo"}, ["place"]),
        ("The employee of the month", {"employee": 4711}, ["employee"]),
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
        ("Call (555) 123-4567", {"phone": "5551234567"}),
        ("From Austin to Boston", {"origin_country": "US", "country": "US"}),
        ("List the files here", {"folder": "."}),
        ("All the Python files", {"pattern": "*.py"}),
        ("The weather in Paris", {"latitude": 48.85, "longitude": 2.35}),
        ("Two billion", {"people": 2e9}),
        ("Invite john@example.com to lunch", {"to": "john@example.com"}),
        ("Order no. 12345", {"order_id": "12345"}),
        ("Room B12", {"room_id": "B12"}),
        ("Dinner at 8 tonight", {"hour": 20}),
        ("Expenses of May", {"month": 5}),
        ("Holidays this year", {"year": 2026}),
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


def test_what_has_no_default_is_missing():
    argument = TEXT | {"description": "A city; there is no default."}
    assert lacks("Go", {"city": "Oslo"}, {"properties": {"city": argument}, "required": ["city"]}) == ["city"]


@pytest.mark.parametrize(
    ("name", "argument", "words"),
    [
        ("checkInDate", TEXT, "check in date"),
        ("city", TEXT | {"title": "Home Town"}, "home town"),
        ("city", TEXT | {"description": "Where to look."}, "city"),
        ("to", TEXT | {"description": "Who gets it (an address)."}, "who gets it"),
        ("to", TEXT, "to"),
        ("__", None, "__"),
    ],
)
def test_an_argument_is_named_as_people_would(name, argument, words):
    assert words_for(name, {"properties": {name: argument}}) == words


def test_what_is_missing_is_listed():
    assert question_for(["city"]) == "Which city?" and question_for(["a", "b", "c"]) == "Which a, b and c?"
    assert regret_for("fly", ["city", "day"]) == "I did not use fly, as I do not know the city and day."


def flight(**rules):
    parameters = {"properties": {"origin": TEXT, "to": TEXT}, "required": ["origin", "to"]}
    return ToolChoice.of([{"type": "function", "function": {"name": "fly", "parameters": parameters}}], **rules)


WHOLE, HALF = ("fly", {"origin": "Bonn", "to": "Rome"}), ("fly", {"origin": "Paris", "to": "Oslo"})


def test_calls_that_lack_nothing_are_made_and_of_the_others_it_is_told_what_they_lack():
    made, lacking = flight(literal=True).checked([WHOLE, HALF], "From Bonn to Rome, and to Oslo")
    assert made == [WHOLE] and lacking == [("fly", ["origin"], {"to": "Oslo"})]


@pytest.mark.parametrize("rules", [{}, {"choice": "any", "literal": True}, {"choice": "fly", "literal": True}])
def test_who_has_to_call_or_is_not_literal_makes_all_calls(rules):
    assert flight(**rules).checked([HALF], "Go") == ([HALF], [])


def reply(written, *messages):
    """The last chunk of an exchange in which the model wrote something as its choice of tools."""
    exchange = Exchange(messages, {}, flight(literal=True), lambda text: False)
    assert exchange.next_request()
    exchange.feed({"choices": [{"delta": {"content": written}, "finish_reason": "stop"}]})
    assert exchange.next_request() is None
    return exchange.last_chunk("m")


BONN, OSLO = 'fly {"origin": "Bonn", "to": "Rome"}', 'fly {"origin": "Paris", "to": "Oslo"}'


def test_what_a_call_lacks_is_asked_for():
    chunk = reply(OSLO, HumanMessage("To Oslo"))
    assert chunk.content == "Which origin?" and not chunk.tool_calls
    assert chunk.response_metadata["asked_for"] == ["origin"]


def test_beside_a_call_that_is_made_nothing_is_asked():
    chunk = reply(f"{BONN}\n{OSLO}", HumanMessage("From Bonn to Rome, and to Oslo"))
    assert [call["args"]["to"] for call in chunk.tool_calls] == ["Rome"]
    assert chunk.content == "I did not use fly, as I do not know the origin."
    assert "asked_for" not in chunk.response_metadata


ASKED = (HumanMessage("To Oslo"), AIMessage("Which origin?", response_metadata={"asked_for": ["origin"]}))


def test_nothing_is_asked_for_twice_in_a_row():
    chunk = reply(OSLO, *ASKED, HumanMessage("hm"))
    assert chunk.content == "I did not use fly, as I do not know the origin."
    assert "asked_for" not in chunk.response_metadata


def test_what_was_asked_for_was_not_said():
    assert reply('fly {"origin": "origin", "to": "Oslo"}', *ASKED, HumanMessage("hm")).tool_calls == []
    (call,) = reply('fly {"origin": "Bonn", "to": "Oslo"}', *ASKED, HumanMessage("Bonn")).tool_calls
    assert call["args"] == {"origin": "Bonn", "to": "Oslo"}
