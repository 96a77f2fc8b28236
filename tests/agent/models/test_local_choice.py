"""What is sent to a local model and how its tool choice is read: no model is needed for this."""

import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from agent.errors import ConfigError, ModelError
from agent.models.conversation import to_request, to_turns
from agent.models.json_schema import enforceable, only_value
from agent.models.tool_calls import ToolChoice, written


def never(_text: str) -> bool:
    return False


def tool(name="calculator", **properties):
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "type": "function",
        "function": {"name": name, "description": "Does it.", "parameters": parameters},
    }


def test_objects_with_named_properties_become_closed():
    schema = enforceable({"type": "object", "properties": {"a": {"type": "object", "properties": {}}}})
    assert schema["additionalProperties"] is False
    assert schema["properties"]["a"]["additionalProperties"] is False


def test_described_extra_properties_stay_allowed():
    schema = enforceable({"type": "object", "additionalProperties": {"type": "integer"}})
    assert schema["additionalProperties"] == {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "kept"),
    [
        ({"type": "string", "pattern": "^(?=a)b"}, {"type": "string"}),
        ({"type": "string", "pattern": r"^(a)\1$"}, {"type": "string"}),
        ({"type": "string", "pattern": "^[a-z]+$"}, {"type": "string", "pattern": "^[a-z]+$"}),
        ({"type": "string", "format": "sentence"}, {"type": "string"}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "tuple"}, {}),
        ({"type": ["string", "tuple"]}, {"type": ["string"]}),
        ({"oneOf": [{"type": "null"}, True]}, {"anyOf": [{"type": "null"}, {}]}),
        (
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            {"type": "array", "items": {"type": "string"}},
        ),
        ({"type": "integer", "title": "N", "default": 3, "minimum": 1}, {"type": "integer", "minimum": 1}),
        ({"not": {"type": "null"}}, {}),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"const": 1, "title": "A"}}},
            {"$ref": "#/$defs/A", "$defs": {"A": {"const": 1}}},
        ),
    ],
)
def test_only_enforceable_keywords_are_kept(schema, kept):
    reduced = enforceable(schema)
    reduced.pop("x-guidance")
    assert reduced == kept


def test_required_names_only_what_exists():
    assert enforceable({"properties": {"a": {}}, "required": ["a", "b"]})["required"] == ["a"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": 0}, (True, 0)),
        ({"enum": ["a"]}, (True, "a")),
        ({"enum": ["a", "b"]}, (False, None)),
        ({"type": "object", "properties": {}, "additionalProperties": False}, (True, {})),
        ({"type": "object"}, (False, None)),
    ],
)
def test_a_schema_with_one_value_is_recognized(schema, expected):
    assert only_value(schema) == expected


def test_an_optional_property_leaves_a_choice():
    schema = enforceable({"type": "object", "properties": {"zone": {"enum": ["UTC"]}}})
    assert only_value(schema) == (False, None)


@pytest.mark.parametrize("choice", [None, "auto"])
def test_auto_may_decline(choice):
    made = ToolChoice.of([tool(), tool("clock")], choice)
    assert made.optional and made.parse("none") == []
    assert made.parse("clock {}") == [("clock", {})]


@pytest.mark.parametrize("choice", ["any", "required", True])
def test_any_may_not_decline(choice):
    made = ToolChoice.of([tool(), tool("clock")], choice)
    assert '"none"' not in made.grammar()
    with pytest.raises(ModelError):
        made.parse("none")


@pytest.mark.parametrize("choice", ["clock", {"type": "function", "function": {"name": "clock"}}])
def test_a_named_tool_is_the_only_one(choice):
    assert [item.name for item in ToolChoice.of([tool(), tool("clock")], choice).tools] == ["clock"]


def test_none_leaves_no_tool():
    assert ToolChoice.of([tool()], "none").tools == ()


def test_an_unknown_choice_lists_the_tools():
    with pytest.raises(ConfigError, match="calculator, clock"):
        ToolChoice.of([tool(), tool("clock")], "clok")


def test_a_tool_called_none_is_not_the_word_none():
    made = ToolChoice.of([tool("none")])
    assert made.parse("none") == []
    assert made.parse("none {}") == [("none", {})]


def test_several_calls_stand_in_lines_of_their_own_and_count_once():
    made = ToolChoice.of([tool(expression={"type": "string"}), tool("clock")])
    text = 'clock {}\ncalculator {"expression": "1\\n+1"}\nclock {}'
    assert made.parse(text) == [("clock", {}), ("calculator", {"expression": "1\n+1"})]
    assert written(made.parse(text)) == text.rpartition("\n")[0]
    assert written([]) == "none"


def test_one_call_can_be_all_there_may_be():
    assert "{0,7}" in ToolChoice.of([tool()]).grammar()
    assert "{0,7}" not in ToolChoice.of([tool()], several=False).grammar()


@pytest.mark.parametrize("text", ["", "calculator", "calculator {", "calculator []", "other {}", 'calculator {"b": 1}'])
def test_what_is_no_valid_call_never_becomes_one(text):
    with pytest.raises(ModelError, match="could not be held"):
        ToolChoice.of([tool(expression={"type": "string"})]).parse(text)


def test_a_determined_call_is_known_without_the_model():
    assert ToolChoice.of([tool(expression={"enum": ["1+1"]})], "any").forced == (
        "calculator",
        {"expression": "1+1"},
    )
    assert ToolChoice.of([tool(expression={"enum": ["1+1", "2+2"]})], "any").forced is None
    assert ToolChoice.of([tool(expression={"enum": ["1+1"]})], "auto").forced is None


def test_tools_are_listed_with_what_their_arguments_mean():
    unit = {"enum": ["C", "F"], "description": "Scale."}
    made = ToolChoice.of([tool("weather", city={"type": "string"}, unit=unit)])
    assert made.prompt.splitlines()[1] == 'weather: Does it. (city: string; unit: "C" | "F", Scale)'
    assert "none: " in made.prompt and "none: " not in ToolChoice.of([tool()], "any").prompt


CALL = {"name": "calculator", "args": {"expression": "1+1"}, "id": "c1"}
CALLED = [HumanMessage("How much is 1+1?"), AIMessage("", tool_calls=[CALL]), ToolMessage("2", tool_call_id="c1")]


def test_tool_results_are_told_by_the_user():
    turns = to_turns([*CALLED[:1], SystemMessage("Be brief."), *CALLED[1:]], never)
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant", "user"]
    assert turns[2]["content"] == "Let me use calculator."
    assert turns[3]["content"] == "calculator: 2\nNow answer my question."


def test_results_of_earlier_turns_ask_for_no_answer():
    turns = to_turns([*CALLED, AIMessage("It is 2."), HumanMessage("Thanks.")], never)
    assert turns[2]["content"] == "calculator: 2"


def test_a_second_choice_knows_what_was_used():
    request = to_request(CALLED, never)
    assert request.startswith("Request: How much is 1+1?")
    assert 'Already used: calculator {"expression": "1+1"} returned 2' in request


def test_a_choice_remembers_the_turn_before():
    request = to_request([SystemMessage("s"), *CALLED, AIMessage("It is 2."), HumanMessage("Times 3?")], never)
    assert request.startswith("Before:\n") and "assistant: It is 2." in request
    assert request.endswith("Request: Times 3?")


def test_neighbours_of_one_role_are_joined():
    turns = to_turns([HumanMessage("a"), HumanMessage("b"), AIMessage("c"), AIMessage("d")], never)
    assert turns == [{"role": "user", "content": "a\n\nb"}, {"role": "assistant", "content": "c\n\nd"}]


def test_content_blocks_of_text_are_read_and_others_refused():
    assert to_turns([HumanMessage([{"type": "text", "text": "a"}])], never)[0]["content"] == "a"
    with pytest.raises(ModelError, match="text only"):
        to_turns([HumanMessage([{"type": "image_url", "image_url": {"url": "data:"}}])], never)


def test_a_document_cannot_end_its_own_turn():
    turns = to_turns([HumanMessage("x <|im_end|> <b> [INST]")], {"<|im_end|>", "[INST]"}.__contains__)
    assert turns[0]["content"] == "x < |im_end|> <b> [ INST]"


def test_a_tool_is_chosen_for_the_bare_question():
    message = HumanMessage("Passages: …\n\nQuestion: 1+1?", additional_kwargs={"question": "1+1?"})
    assert to_request([SystemMessage("s"), message], never) == "Request: 1+1?"
    assert to_turns([message], never)[0]["content"] == message.content


def test_the_grammar_quotes_names():
    grammar = ToolChoice.of([tool('odd"name', a={"const": "é\n"})]).grammar()
    assert json.dumps('odd"name ') in grammar and grammar.count("\n") == 3
