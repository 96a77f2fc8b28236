"""What every model provider promises, checked against real models."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field

from agent.errors import ConfigError, ContextOverflow
from tests.contracts.conftest import KEY, Provider

QUESTION = [SystemMessage("You are a helpful assistant."), HumanMessage("Write a story about a river and a stone.")]


@tool
def calculator(expression: Annotated[str, Field(max_length=24)]) -> str:
    """Evaluate an arithmetic expression such as 17 * 23."""
    return "391"


@tool
def convert(amount: float, unit: Literal["kg", "lb"]) -> str:
    """Convert a weight to the given unit."""
    return "1"


class Verdict(BaseModel):
    """Whether a sentence is a question."""

    is_question: bool
    language: Literal["English", "French"]
    words: int = Field(ge=0, le=100)


async def gathered(model: Any, prompt: Any) -> list[Any]:
    return [chunk async for chunk in model.astream(prompt)]


def test_invoke_answers_with_usage(provider: Provider) -> None:
    answer = provider.model().invoke(QUESTION)
    assert isinstance(answer, AIMessage) and len(answer.text) > 20
    usage = answer.usage_metadata
    assert usage and usage["input_tokens"] > 10 and 0 < usage["output_tokens"] <= 48


def test_stream_joins_to_the_answer_and_ends_with_usage(provider: Provider) -> None:
    model = provider.model()
    chunks = list(model.stream(QUESTION))
    with_text = [chunk for chunk in chunks if chunk.text]
    assert len(with_text) >= 2
    assert "".join(chunk.text for chunk in chunks) == model.invoke(QUESTION).text
    usage = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert len(usage) == 1 and usage[0]["output_tokens"] >= len(with_text)
    assert not any(chunk.usage_metadata for chunk in with_text[:-1])


def test_astream_is_the_same(provider: Provider) -> None:
    model = provider.model()
    chunks = asyncio.run(gathered(model, QUESTION))
    assert len([chunk for chunk in chunks if chunk.text]) >= 2
    assert "".join(chunk.text for chunk in chunks) == model.invoke(QUESTION).text
    assert any(chunk.usage_metadata for chunk in chunks)


def test_ainvoke_works_from_one_event_loop_after_another(provider: Provider) -> None:
    model = provider.model(max_tokens=8)
    assert asyncio.run(model.ainvoke(QUESTION)).text == asyncio.run(model.ainvoke(QUESTION)).text != ""


def test_temperature_0_is_repeatable_and_seeds_are(provider: Provider) -> None:
    assert len({provider.model(temperature=0).invoke(QUESTION).text for _ in range(2)}) == 1
    warm = [provider.model(temperature=1.5, seed=seed).invoke(QUESTION).text for seed in (1, 1, 2)]
    assert warm[0] == warm[1] != warm[2]


def test_stop_ends_the_answer_before_the_word(provider: Provider) -> None:
    model = provider.model()
    whole = model.invoke(QUESTION).text
    word = whole.split()[6]
    stopped = model.invoke(QUESTION, stop=[word]).text
    assert stopped == whole[: whole.index(word)] or stopped == whole[: whole.index(word)].rstrip()


def test_max_tokens_is_the_longest_answer(provider: Provider) -> None:
    usage = provider.model(max_tokens=5).invoke(QUESTION).usage_metadata
    assert usage and usage["output_tokens"] == 5
    usage = provider.model().invoke(QUESTION, max_tokens=4).usage_metadata
    assert usage and usage["output_tokens"] == 4


def test_closing_a_stream_stops_the_model(provider: Provider) -> None:
    model = provider.model(max_tokens=700)
    before = provider.generated()
    stream = model.stream(QUESTION)
    next(chunk for chunk in stream if chunk.text)
    stream.close()
    assert provider.generated() - before < 150


def test_abandoning_a_stream_stops_the_model(provider: Provider) -> None:
    model = provider.model(max_tokens=700)
    before = provider.generated()
    for chunk in model.stream(QUESTION):
        if chunk.text:
            break
    assert provider.generated() - before < 150


@pytest.mark.parametrize("way", ["ainvoke", "astream"])
def test_cancelling_a_task_stops_the_model(provider: Provider, way: str) -> None:
    model = provider.model(max_tokens=700)
    before = provider.generated()

    async def cancelled() -> None:
        task = asyncio.create_task(model.ainvoke(QUESTION) if way == "ainvoke" else gathered(model, QUESTION))
        while not provider._metric("requests_processing"):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert provider.generated() - before < 150


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_forced_call_satisfies_its_schema(provider: Provider, way: str) -> None:
    model = provider.model().bind_tools([calculator, convert], tool_choice="any")
    prompt = "Use the calculator to work out 17 * 23."
    answer = model.invoke(prompt) if way == "invoke" else asyncio.run(model.ainvoke(prompt))
    (call,) = answer.tool_calls
    chosen = {"calculator": calculator, "convert": convert}[call["name"]]
    jsonschema.validate(call["args"], convert_to_openai_tool(chosen)["function"]["parameters"])
    assert call["id"] and not answer.invalid_tool_calls and answer.usage_metadata


def test_a_named_call_is_that_one(provider: Provider) -> None:
    (call,) = provider.model().bind_tools([calculator, convert], tool_choice="convert").invoke("What?").tool_calls
    assert call["name"] == "convert" and call["args"]["unit"] in ("kg", "lb")


def test_a_choice_of_no_known_tool_is_refused(provider: Provider) -> None:
    with pytest.raises(ConfigError, match="abacus"):
        provider.model().bind_tools([calculator], tool_choice="abacus").invoke("What?")


def test_a_free_choice_gives_text_or_valid_calls(provider: Provider) -> None:
    answer = provider.model().bind_tools([calculator]).invoke("Hello!")
    assert answer.text or answer.tool_calls
    assert not answer.invalid_tool_calls


def test_structured_output_is_an_instance(provider: Provider) -> None:
    verdict = provider.model().with_structured_output(Verdict).invoke("Judge: 'Where is the station?'")
    assert isinstance(verdict, Verdict)


def test_structured_output_can_keep_the_message(provider: Provider) -> None:
    asked = provider.model().with_structured_output(Verdict, include_raw=True)
    found = asyncio.run(asked.ainvoke("Judge: 'Where is the station?'"))
    assert isinstance(found["parsed"], Verdict) and found["parsing_error"] is None
    assert isinstance(found["raw"], AIMessage) and found["raw"].usage_metadata


def test_a_tool_message_is_understood(provider: Provider) -> None:
    call = {"name": "calculator", "args": {"expression": "17 * 23"}, "id": "call_1", "type": "tool_call"}
    conversation = [
        HumanMessage("What is 17 * 23?"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("391", tool_call_id="call_1", name="calculator"),
    ]
    answer = provider.model().bind_tools([calculator]).invoke(conversation)
    assert answer.text or answer.tool_calls


def test_tokens_are_counted_on_this_machine(provider: Provider) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 10
    model = provider.model()
    assert 80 <= model.get_num_tokens(text) <= 160
    assert model.get_num_tokens_from_messages([HumanMessage(text)]) >= 80


def test_a_prompt_that_does_not_fit_is_refused(provider: Provider) -> None:
    with pytest.raises(ContextOverflow) as caught:
        provider.model().invoke("river " * 3000)
    assert caught.value.fix and KEY not in str(caught.value)


def test_the_window_is_known(provider: Provider) -> None:
    model = provider.model(context_tokens=512)
    assert model.profile == {"max_input_tokens": 512} or (model.profile or {})["max_input_tokens"] == 512


def test_usage_counts_what_was_sent_and_said(provider: Provider) -> None:
    short, long = (provider.model(max_tokens=4).invoke(text).usage_metadata for text in ("Hi", "Hi " * 50))
    assert short and long
    assert long["input_tokens"] - short["input_tokens"] > 40
    assert json.loads(json.dumps(long))["total_tokens"] == long["input_tokens"] + long["output_tokens"]
