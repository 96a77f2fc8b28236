"""Tools whose arguments have the types of another language are held to them all the same."""

import json
from copy import deepcopy

import pytest

from agent.models.tool_calls import ToolChoice, json_grammar
from agent.models.type_names import standard


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"type": "dict"}, {"type": "object"}),
        ({"type": "float"}, {"type": "number"}),
        ({"type": "int"}, {"type": "integer"}),
        ({"type": "str"}, {"type": "string"}),
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": "Boolean"}, {"type": "boolean"}),
        ({"type": ["str", "None"]}, {"type": ["string", "null"]}),
        ({"type": "tuple", "items": {"type": "float"}}, {"type": "array", "items": {"type": "number"}}),
        ({"type": "list[int]"}, {"type": "array", "items": {"type": "integer"}}),
        ({"type": "List<String>"}, {"type": "array", "items": {"type": "string"}}),
        ({"type": "list[Dish]"}, {"type": "array", "items": {}}),
        ({"type": "list[int]", "items": {"type": "float"}}, {"type": "array", "items": {"type": "number"}}),
        ({"type": "Optional[int]"}, {"type": ["integer", "null"]}),
        ({"type": "int | None"}, {"type": ["integer", "null"]}),
        ({"type": "Union[int, str]"}, {"type": ["integer", "string"]}),
        ({"type": "typing.List[Optional[int]]"}, {"type": "array", "items": {"type": ["integer", "null"]}}),
        ({"type": "list[list[int]]"}, {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}),
        ({"type": "dict[str, int]"}, {"type": "object"}),
        ({"type": "tuple[int, ...]"}, {"type": "array", "items": {"type": "integer"}}),
        ({"type": "tuple[int, str]"}, {"type": "array", "items": {}}),
        ({"type": "int32[]"}, {"type": "array", "items": {"type": "integer"}}),
        (
            {"type": "Optional[list[int]]"},
            {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
        ),
        ({"type": "Optional[Dish]"}, {"type": "Optional[Dish]"}),
        ({"anyOf": [{"type": "int"}, {"type": "null"}]}, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ({"type": "dict", "additionalProperties": {"type": "int"}}, None),
        ({"$defs": {"Dish": {"type": "dict"}}}, {"$defs": {"Dish": {"type": "object"}}}),
    ],
)
def test_types_of_other_languages_get_their_names_in_json_schema(written, meant):
    expected = meant or {"type": "object", "additionalProperties": {"type": "integer"}}
    assert standard(written) == expected


def test_what_an_argument_is_called_is_no_type():
    schema = {"type": "object", "properties": {"type": {"type": "str"}, "required": {"type": "bool"}}}
    assert standard(schema)["properties"] == {"type": {"type": "string"}, "required": {"type": "boolean"}}


def test_an_argument_that_says_itself_that_it_is_required_is():
    schema = {"type": "dict", "properties": {"town": {"type": "str", "required": True}, "day": {"required": False}}}
    assert standard(schema) == {
        "type": "object",
        "properties": {"town": {"type": "string"}, "day": {}},
        "required": ["town"],
    }


@pytest.mark.parametrize("odd", [True, None, 3, "dict", {"type": 3}, {"type": "any"}, {"properties": None}, {}])
def test_what_is_not_understood_stays(odd):
    assert standard(odd) == odd


def test_a_schema_that_was_right_stays_and_is_not_changed_in_place():
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "required": True}, "of": {"type": ["string", "null"], "enum": ["int"]}},
        "required": [],
    }
    before = deepcopy(schema)
    standard(schema)
    assert schema == before
    assert standard({"type": "object", "properties": {}, "required": []})["required"] == []


def test_a_tool_described_so_is_shown_and_enforced_like_any_other():
    foreign, native = (
        {
            "name": "geometry.area",
            "description": "Area of a triangle.",
            "parameters": {
                "type": names["object"],
                "properties": {"base": {"type": names["number"]}, "units": {"type": names["string"]}},
                "required": ["base"],
            },
        }
        for names in (
            {"object": "dict", "number": "float", "string": "str"},
            {"object": "object", "number": "number", "string": "string"},
        )
    )
    assert ToolChoice.of([foreign]) == ToolChoice.of([native])
    assert '"type": "number"' in ToolChoice.of([foreign]).grammar()


def test_arguments_are_an_object_whatever_their_schema_says():
    tools = [{"name": "stop", "parameters": {"type": "None"}}]
    assert ToolChoice.of(tools).tools[0].parameters["type"] == "object"


def test_an_object_that_is_asked_for_may_have_such_types_too():
    assert json.loads(json_grammar({"type": "dict", "properties": {"n": {"type": "int"}}}).split("%json ")[1]) == (
        json.loads(json_grammar({"type": "object", "properties": {"n": {"type": "integer"}}}).split("%json ")[1])
    )
