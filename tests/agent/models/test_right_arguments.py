"""What a rule must leave alone: arguments that are right, and descriptions that give no examples."""

from __future__ import annotations

from typing import Any

import pytest

from agent.models import tool_calls
from agent.models.literal_arguments import literal
from agent.models.said import Said
from agent.models.tool_calls import ToolChoice

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


NUMBER: Schema = {"type": "number"}
ITEMS: Schema = {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        ("What is 10000 / 4?", "10000/4"),
        ("compute 12345 + 1", "12345+1"),
        ("call (555) 123-4567 please", "555-123-4567"),
        ("call (555) 123-4567 please", "+15551234567"),
        ("convert photo1.jpg to png", "photo1.png"),
        ("Save file1.txt as a copy", "file1.txt.bak"),
        ("the next invoice after INV-1001", "INV-1002"),
        ("update from v1.2.3 to the next patch version", "v1.2.4"),
        ("Convert 10000 m to km", "10000m"),
        ("WHAT IS THE WEATHER IN PARIS", "Paris"),
        ("Play the note a", "a"),
    ],
)
def test_a_text_that_was_made_of_what_was_said_stays(request_: str, value: str) -> None:
    assert kept(request_, {"x": value}, {"x": text()}, ("x",)) == {"x": value}


@pytest.mark.parametrize(
    ("request_", "name", "value"),
    [
        ("order by DESC", "order", "desc"),
        ("Convert 5 Miles to KM", "unit", "miles"),
        ("Count the word the in it", "word", "the"),
    ],
)
def test_a_text_that_tools_write_their_way_stays(request_: str, name: str, value: str) -> None:
    assert kept(request_, {name: value}, {name: text()}, (name,)) == {name: value}


def test_a_choice_of_one_letter_stays() -> None:
    assert kept("Press key a on it", {"key": "a"}, {"key": text(enum=["a", "b"])}) == {"key": "a"}


@pytest.mark.parametrize(
    ("request_", "name", "value"),
    [
        ("A body with a mass of 500 g", "mass_kg", 0.5),
        ("My weight is 150 pounds and I am 1.8 m tall. BMI?", "weight_kg", 68.04),
        ("Run for a distance of 5 miles", "distance_km", 8.05),
        ("Set the temperature to 68 Fahrenheit", "temperature_celsius", 20),
        ("The price is 200 with a 15% tax", "final_price", 230),
        ("Set the timer for 2 h 15 min 30 s", "timer", 8130),
        ("A loan at a rate of 6% yearly", "monthly_rate", 0.005),
        ("The old limit was 10. Set it to 20.", "limit", 20),
        ("The price was 300. Now it should be 250. Update the price.", "price", 250),
        ("My age is 30. What will I be like at 45?", "age", 45),
        ("Play Thriller, it is 9 minutes long", "volume", 50),
        ("-3 apples\n-5 pears", "pears", 5),
    ],
)
def test_a_number_that_was_said_of_the_argument_or_worked_out_stays(request_: str, name: str, value: float) -> None:
    assert kept(request_, {name: value}, {name: NUMBER}, (name,)) == {name: value}


@pytest.mark.parametrize(
    ("request_", "found", "name"),
    [
        ("Find hotels in Paris with 4 stars", "Paris", "guests"),
        ("Find hotels in Paris under 200 euros", "Paris", "guests"),
        ("Remind me in 10 minutes to call Bob", "call Bob", "priority"),
        ("Weather in Paris for flight 1234", "Paris", "days"),
        ("Turn on the lamp in room 5", "lamp", "brightness"),
    ],
)
def test_a_number_that_a_word_says_something_of_is_not_left(request_: str, found: str, name: str) -> None:
    assert kept(request_, {"x": found}, {"x": text(), name: NUMBER}, ("x",)) == {"x": found}


@pytest.mark.parametrize(
    ("request_", "properties"),
    [
        ("Find x on 2024-05-03", {"dates": {"type": "array", "items": text(), "description": "YYYY-MM-DD each"}}),
        ("I was born on May 3, 1990. Find x", {"date": text("YYYY-MM-DD")}),
        ("Find x, but not on 2024-05-03", {"date": text("YYYY-MM-DD")}),
        ("Find x until May 3, 2024", {"check_in": text("YYYY-MM-DD")}),
    ],
)
def test_a_day_of_something_else_is_not_added(request_: str, properties: Schema) -> None:
    assert kept(request_, {"q": "x"}, _QUERY | properties, ("q",)) == {"q": "x"}


def test_a_day_that_stands_in_a_list_is_not_added() -> None:
    call = {"days": ["2024-05-03"]}
    assert kept("Open on 2024-05-03", call, {"days": ITEMS, "date": text("YYYY-MM-DD")}, ("days",)) == call


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        ("Send to Ann, but not Bob, and Carol", ["Ann", "Carol"]),
        ("Email Ann, my boss, and Carol", ["Ann", "Carol"]),
        ("Book for Ann, who is my sister, and Carol", ["Ann", "Carol"]),
        ("From Ann, Bob and Carol, pick the girls", ["Ann", "Carol"]),
        ("ingredients: eggs, flour or milk", ["eggs", "milk"]),
    ],
)
def test_a_list_that_was_chosen_from_stays(request_: str, value: list[str]) -> None:
    assert kept(request_, {"x": value}, {"x": ITEMS}, ("x",)) == {"x": value}


def test_a_list_that_was_sorted_stays() -> None:
    call = {"x": [8, 5, 3]}
    assert kept("Sort 3, 5 and 8 in descending order", call, {"x": {"type": "array", "items": NUMBER}}, ("x",)) == call


def test_two_calls_may_be_about_one_list() -> None:
    known = {"values": {"type": "array", "items": NUMBER}, "kind": text()}
    schema = {"type": "object", "properties": known, "required": ["values", "kind"]}
    choice = ToolChoice.of([{"name": "measure", "parameters": schema}], literal=True)
    calls = [("measure", {"values": [4, 8, 15], "kind": kind}) for kind in ("mean", "median")]
    request = "Give mean and median of 4, 8, 15. Use cells 2 and 3."
    assert choice.parse(tool_calls.written(calls), request, request) == calls


@pytest.mark.parametrize("filling", ["x", "-", " ", "1-"])
def test_long_runs_of_one_sign_are_read_at_once(filling: str) -> None:
    request = f"Send {filling * 50_000} to Ann, Bob and Carol"
    call = {"x": ["Ann", "Carol"], "code": "A-1182-7"}
    assert kept(request, call, {"x": ITEMS, "code": text()}, ("x", "code"))["code"] == "A-1182-7"
