"""Which values of a tool call were given by somebody, and which the model made up."""

import pytest

from agent.models.given_values import Said
from agent.models.tool_calls import ToolChoice


def given(request, value, **schema):
    arguments = Said(request).given({"x": value}, {"properties": {"x": schema}})
    assert arguments in ({}, {"x": value})
    return bool(arguments)


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        ("How is the weather in Gibsland?", "rainy"),
        ("Weld seams of 207.8 and 14.4 mm with the ceiling arm.", 2391),
        ("Papers on sustainability, please.", 3),
        ("Find the hidden objects in the scene v3CfJ16RIP.", 3),
        ("A report on corruption in the United States", "last month"),
        ("A table in Sacaton", {"city": "San Francisco"}),
        ("A table in Sacaton", ["gluten free", "vegan"]),
        ("Bill me for order 12.", 1.2),
        ("Wie wird das Wetter in Köln?", "sonnig"),
        ("How is it?", "re"),
        ("Data usage of my line", "2023-11-05"),
    ],
)
def test_a_value_that_nobody_gave_is_left_out(request_, value):
    assert not given(request_, value)


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        ("How is the weather in Gibsland?", "gibsland"),
        ("Is it raining there?", "rainy"),
        ("the length of the line, in kilometers", "km"),
        ("at half past eight in the evening", "20:30"),
        ("paid in Japanese yen", "JPY"),
        ("a table for four", 4),
        ("a return of 4.3%", 0.043),
        ("a budget of 2 million", 2_000_000),
        ("€42,300 to begin with", 42300),
        ("below -5 degrees", -5),
        ("On May 10, 2022", "2022-05-10"),
        ("what came from 185.220.0.9", "185.220.0.9"),
        ("東京の天気は?", "東京"),
        ("a table for me and a vegan", ["vegan", "vegetarian"]),
        ("end it with a hyphen", "-"),
        ("a timer for twenty-five minutes", 25),
        ("three hundred of them", 300),
        ("half an hour", 30),
        ("the third floor", 3),
        ("1,5 Liter Milch", 1.5),
        ("1/2 cup", 0.5),
        ("at 5pm", 17),
        ("remind me tomorrow", "2025-03-02"),
        ("the time in Japan", "Asia/Tokyo"),
        ("Which PDFs are there?", "*.pdf"),
        ("the café at the corner", "cafe"),
        ("Turn it on.", True),
        ("Turn it on.", None),
        ("Turn it on.", []),
    ],
)
def test_a_value_that_was_given_stays_in_any_of_its_forms(request_, value):
    assert given(request_, value)


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": ["asc", "desc"]},
        {"const": "desc"},
        {"anyOf": [{"type": "null"}, {"enum": ["desc"]}]},
        {"type": "array", "items": {"enum": ["desc"]}},
        {"$ref": "#/$defs/Order"},
    ],
)
def test_a_value_that_the_schema_lists_may_be_meant_without_its_name(schema):
    assert given("the cheapest last", "desc", **schema)


def test_an_object_stands_where_one_of_its_values_does():
    place = {"properties": {"city": {"type": "string"}, "sort": {"enum": ["near"]}}}
    assert not given("A table in Sacaton", {"city": "San Francisco"}, **place)
    assert given("A table in Sacaton", {"city": "San Francisco", "sort": "near"}, **place)


@pytest.mark.parametrize("root", [{"$ref": "#/$defs/A"}, {"anyOf": [{"required": ["x"]}]}, {"allOf": [{}]}])
def test_all_stays_where_it_cannot_be_told_what_is_required(root):
    assert Said("Go").given({"x": "rainy"}, root) == {"x": "rainy"}


def test_what_is_required_stays():
    schema = {"properties": {"city": {}, "sky": {}}, "required": ["sky"]}
    assert Said("Gibsland").given({"city": "Oslo", "sky": "rainy"}, schema) == {"sky": "rainy"}


def forecast(**rules):
    properties = {"city": {"type": "string"}, "sky": {"type": "string"}}
    function = {"name": "forecast", "parameters": {"properties": properties, "required": ["city"]}}
    return ToolChoice.of([{"type": "function", "function": function}], **rules)


WRITTEN = 'forecast {"city": "Gibsland", "sky": "rainy"}\nforecast {"city": "Gibsland", "sky": "hot"}'


def test_only_a_literal_choice_is_held_to_the_request_and_calls_that_become_one_are_one():
    request = "How is the weather in Gibsland?"
    assert forecast(literal=True).parse(WRITTEN, request) == [("forecast", {"city": "Gibsland"})]
    assert forecast().parse(WRITTEN, request)[0] == ("forecast", {"city": "Gibsland", "sky": "rainy"})
