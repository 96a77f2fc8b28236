"""Tools in one line: everything that a model needs to call them, and nothing twice."""

import pytest

from agent.models.signatures import LONGEST_ARGUMENT, LONGEST_TOOL, signature


def arguments(properties, required=(), **more):
    line = signature("f", "Does it.", {"type": "object", "properties": properties, "required": list(required), **more})
    return line.removeprefix("f: Does it.").strip()


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer", "description": "How many."}, "integer, How many"),
        ({"type": "number", "default": 1.5}, "number, default 1.5"),
        ({"type": "number", "default": 2, "description": "Depth (default 2)"}, "number, Depth (default 2)"),
        ({"enum": ["a", 3, None]}, '"a" | 3 | null'),
        ({"const": "x"}, '"x"'),
        ({"type": "array", "items": {"type": "integer"}}, "[integer]"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, '["a" | "b"]'),
        ({"type": "array"}, "[any]"),
        ({"type": ["string", "null"]}, "string"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer"),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, "integer | string"),
        ({"type": "object"}, "object"),
        ({}, "any"),
        (True, "any"),
    ],
)
def test_kinds_of_arguments(schema, said):
    assert arguments({"a": schema}, ["a"]) == f"(a: {said})"


def test_what_may_be_left_out_has_a_question_mark_at_every_depth():
    inner = {"type": "object", "properties": {"x": {"type": "string"}, "y": {"type": "integer"}}, "required": ["x"]}
    assert arguments({"a": inner}) == "(a?: {x: string; y?: integer})"


def test_definitions_are_looked_up_and_circles_end():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "id": {"type": "integer"}}}
    line = arguments({"a": {"$ref": "#/$defs/Node"}, "b": {"$ref": "#/$defs/Gone"}}, **{"$defs": {"Node": node}})
    assert line.startswith("(a?: {next?: {next?:") and line.endswith("b?: any)") and len(line) < 200


def test_without_arguments_there_are_no_brackets():
    assert signature("f", "Does\n  it.", {}) == "f: Does it."
    assert signature("f", "", {}) == "f:"


def test_long_descriptions_end_with_a_sentence_or_say_that_they_go_on():
    sentences = "It does one thing. " * 40
    line = signature("f", sentences, {})
    assert len(line) < LONGEST_TOOL + 10 and line.endswith("thing.")
    words = arguments({"a": {"type": "string", "description": "word " * 60}})
    assert words.endswith("word…)") and len(words) < LONGEST_ARGUMENT + 30


def test_long_enumerations_say_that_they_go_on():
    line = arguments({"a": {"enum": [f"value number {n}" for n in range(60)]}})
    assert line.endswith("| …)") and len(line) < 270


def test_a_schema_within_itself_ends():
    value = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/Value"}}]}
    line = arguments({"a": {"$ref": "#/$defs/Value"}}, **{"$defs": {"Value": value}})
    assert line.startswith("(a?: string | [string | [") and "any" in line and len(line) < 120
