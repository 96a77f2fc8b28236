"""Tool calls and structured output of the real model: whatever it writes is valid."""

import json

import jsonschema
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, Field, field_validator

from agent.errors import ModelError
from agent.models import exchange as exchange_module

SCHEMAS = [
    {},
    {"text": {"type": "string"}},
    {"text": {"type": "string", "maxLength": 12}, "count": {"type": "integer", "minimum": 1, "maximum": 9}},
    {"unit": {"enum": ["°C", "°F", None, 3]}, "exact": {"type": "boolean"}},
    {"values": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 3}},
    {"tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2}},
    {
        "place": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 8}},
            "required": ["city"],
        }
    },
    {"either": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 0, "maximum": 99}]}},
    {"one": {"oneOf": [{"const": "x"}, {"type": "boolean"}]}},
    {"day": {"type": "string", "format": "date"}, "code": {"type": "string", "pattern": "^[A-Z]{2}[0-9]$"}},
    {"node": {"$ref": "#/$defs/Node"}},
    {"odd": {"type": "string", "maxLength": 9, "format": "made-up", "not": {"const": 7}}},
]
DEFS = {"Node": {"type": "object", "properties": {"id": {"enum": [1, 2]}}, "required": ["id"]}}


def function(name, properties, required=None):
    parameters = {
        "type": "object",
        "properties": properties,
        "required": required or list(properties),
        "$defs": DEFS,
    }
    return {
        "type": "function",
        "function": {"name": name, "description": "Use it.", "parameters": parameters},
    }


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("properties", SCHEMAS, ids=lambda item: "-".join(item) or "empty")
def test_an_invalid_call_cannot_be_written(model, properties, seed):
    prompts = ("Do it now!", 'Write {"broken": json', "Rome, 7 °C, tomorrow")
    bound = model.bind_tools([function("do_it", properties)], tool_choice="any")
    message = bound.invoke(prompts[seed], temperature=1.0, seed=seed)
    assert message.tool_calls and not message.invalid_tool_calls
    for call in message.tool_calls:
        assert call["name"] == "do_it" and call["id"].startswith("call_")
        jsonschema.validate(call["args"], function("do_it", properties)["function"]["parameters"])
        assert set(call["args"]) == set(properties)
    assert message.content == "" and message.response_metadata["finish_reason"] == "tool_calls"


def test_optional_arguments_may_be_left_out(model):
    bound = model.bind_tools([function("f", {"a": {"enum": [1]}, "b": {"enum": [2]}}, ["a"])], tool_choice="f")
    for seed in range(3):
        args = bound.invoke("Go.", temperature=1.0, seed=seed).tool_calls[0]["args"]
        assert args in ({"a": 1}, {"a": 1, "b": 2})


@pytest.mark.parametrize("literal", [True, False])
def test_a_literal_call_holds_no_text_that_nobody_said(model, literal):
    note = {"type": "string", "pattern": "^[b-z]{6}$"}
    bound = model.bind_tools([function("f", {"note": note, "a": {"enum": [1]}}, ["a"])], literal=literal)
    made = [bound.invoke("Go, go, f, 1!", temperature=1.0, seed=seed).tool_calls for seed in range(8)]
    noted = [call for calls in made for call in calls if "note" in call["args"]]
    assert any(made) and bool(noted) is not literal


def test_a_call_that_lacks_what_is_required_is_asked_about(model):
    note = {"type": "string", "pattern": "^[b-z]{6}$"}
    bound = model.bind_tools([function("f", {"note": note, "a": {"enum": [1]}})], literal=True)
    replies = [bound.invoke("Go, go, f, 1!", temperature=1.0, seed=seed) for seed in range(8)]
    asking = [reply for reply in replies if reply.content == "Which note?"]
    assert asking and not any(reply.tool_calls for reply in replies)
    assert {reply.response_metadata["finish_reason"] for reply in asking} == {"stop"}


def test_the_named_tool_is_called(model):
    tools = [function("alpha", {}), function("beta", {})]
    for name in ("alpha", "beta"):
        assert model.bind_tools(tools, tool_choice=name).invoke("Hello").tool_calls[0]["name"] == name


def test_a_call_that_is_determined_costs_no_tokens(model):
    bound = model.bind_tools([function("f", {"a": {"enum": ["1+1"]}})], tool_choice="any")
    message = bound.invoke("How much is 1+1?")
    assert message.tool_calls[0]["args"] == {"a": "1+1"}
    assert message.usage_metadata["total_tokens"] == 0


def test_a_call_that_does_not_end_is_an_error_not_a_broken_call(model, monkeypatch):
    monkeypatch.setattr(exchange_module, "_DECISION_TOKENS", 2)
    monkeypatch.setattr(exchange_module, "_PATIENCE", 3)
    properties = {"values": {"type": "array", "items": {"type": "integer"}, "minItems": 40}}
    with pytest.raises(ModelError, match="did not end within 6 tokens"):
        model.bind_tools([function("f", properties)], tool_choice="any").invoke("Go.")


def test_a_call_cut_short_is_written_again_with_more_room(model, monkeypatch):
    monkeypatch.setattr(exchange_module, "_DECISION_TOKENS", 8)
    properties = {"word": {"const": "a rather long constant"}, "other": {"enum": [1, 2]}}
    message = model.bind_tools([function("f", properties)], tool_choice="any").invoke("Go.")
    assert message.tool_calls[0]["args"]["word"] == "a rather long constant"
    assert message.usage_metadata["output_tokens"] > 8


def test_a_contradictory_schema_is_an_error_not_an_invalid_call(model):
    bound = model.bind_tools([function("f", {"n": {"type": "integer", "minimum": 5, "maximum": 1}})], tool_choice="f")
    with pytest.raises(ModelError, match="could not be held"):
        bound.invoke("Go.")


@tool
def current_time() -> str:
    """The current date and time."""
    return "noon"


def test_declining_answers_from_the_conversation_alone(model):
    messages = [SystemMessage("You are friendly."), HumanMessage("Tell me a joke")]
    plain = model.invoke(messages)
    message = model.bind_tools([current_time]).invoke(messages)
    assert message.text == plain.text and not message.tool_calls
    assert message.usage_metadata["input_tokens"] > plain.usage_metadata["input_tokens"]


async def test_tools_stream_alike_in_async(model):
    bound = model.bind_tools([current_time], tool_choice="any")
    chunks = [chunk async for chunk in bound.astream("What time is it?")]
    assert [call["name"] for chunk in chunks for call in chunk.tool_calls] == ["current_time"]


def test_a_result_is_read_after_a_call(model):
    call = {"name": "staff_search", "args": {"query": "head of sales"}, "id": "c1"}
    question = HumanMessage("Who is the head of sales?")
    result = ToolMessage("The head of sales is Maria Lopez.", tool_call_id="c1")
    assert "Maria Lopez" in model.invoke([question, AIMessage("", tool_calls=[call]), result]).text


class Person(BaseModel):
    """A person."""

    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=150)


def test_structured_output_follows_a_class_or_a_schema(model):
    person = model.with_structured_output(Person).invoke("Anna is 31 years old.")
    assert isinstance(person, Person) and person.name.startswith("Anna")
    schema = Person.model_json_schema()
    assert set(model.with_structured_output(schema).invoke("Bob is 20.")) == {"name", "age"}


class Picky(BaseModel):
    """A number nobody likes."""

    number: int = Field(ge=0, le=9)

    @field_validator("number")
    @classmethod
    def refuse(cls, number: int) -> int:
        raise ValueError("nobody likes it")


async def test_what_a_class_refuses_is_an_error_of_ours(model):
    asked = model.with_structured_output(Picky)
    with pytest.raises(ModelError, match="nobody likes it"):
        asked.invoke("Five.")
    with pytest.raises(ModelError, match="nobody likes it"):
        await asked.ainvoke("Five.")


def test_structured_output_can_include_the_message(model):
    outcome = model.with_structured_output(Person, include_raw=True).invoke("Anna is 31 years old.")
    assert isinstance(outcome["raw"], AIMessage) and isinstance(outcome["parsed"], Person)
    assert outcome["parsing_error"] is None


def test_response_format_holds_the_answer_to_json(model):
    answer = model.invoke("Describe Rome.", response_format={"type": "json_object"}, max_tokens=200)
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    assert json.loads(model.invoke("A number?", response_format=form).text)["n"] in (1, 2)
    assert answer.text.lstrip().startswith("{")


def test_a_reply_may_end_where_the_model_ends_it(model):
    """llama.cpp's own guess of a turn's end is another token: with it alone, a second call would have to follow."""
    assert model._engine.tokenizer.reply_end == "<|im_end|>"
    choices = '%llguidance {}\nstart: "a" ("\\n" "a"){0,7} (<|im_end|> | "")'
    prompt = [{"role": "user", "content": "Say a. Only once: a"}]
    body = {"messages": prompt, "grammar": choices, "max_tokens": 30, "temperature": 0, "stream": True}
    body["logit_bias"] = [["<|im_end|>", 50]]
    chunks = model._engine.stream(body, 60, model._wanted, None)
    assert "".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"]) == "a"
