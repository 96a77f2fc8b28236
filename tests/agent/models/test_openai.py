"""openai: every way a server can fail is a clear error, after a bounded number of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from agent.config import ModelSettings
from agent.errors import ContextOverflow, MissingKey, ModelError, ModelNotFound, ModelTimeout, ServerUnreachable
from agent.models.openai import OPENAI_ADDRESS, OpenAIModel, build
from tests.contracts.servers.faulty_openai import FaultyServer
from tests.contracts.servers.lines import running

RIVER = {
    "type": "function",
    "function": {
        "name": "river",
        "description": "Describe a river.",
        "parameters": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    },
}
KEY = "sk-canary-5up3r-s3cr3t"


@pytest.fixture
def serve() -> Iterator[Callable[..., FaultyServer]]:
    with ExitStack() as stack:
        yield lambda *args: stack.enter_context(running(FaultyServer(*args)))


def model_at(address: str, **changes: object) -> OpenAIModel:
    settings = ModelSettings.model_validate({"base_url": address, "api_key": KEY, "timeout": 5, **changes})
    return build("nope", settings, Path())


FAULTS = [
    ("half", ModelError, 1),
    ("quiet_half", ModelError, 1),
    ("malformed", ModelError, 1),
    ("web_page", ModelError, 1),
    ("error_within", ModelError, 1),
    ("status_401", MissingKey, 1),
    ("status_404", ModelNotFound, 1),
    ("status_422", ModelError, 1),
    ("status_429", ModelError, 3),
    ("status_500", ModelError, 3),
    ("overflow_openai", ContextOverflow, 1),
    ("overflow_llama_server", ContextOverflow, 1),
    ("overflow_vllm", ContextOverflow, 1),
]


@pytest.mark.parametrize(("fault", "kind", "requests"), FAULTS)
@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
def test_every_fault_is_a_clear_error(serve, fault: str, kind: type[ModelError], requests: int, way: str) -> None:
    server = serve(fault)
    with pytest.raises(ModelError) as caught:
        answer(model_at(f"{server.address}/v1"), way)
    assert type(caught.value) is kind
    assert caught.value.what and caught.value.fix
    assert KEY not in str(caught.value) and "canary" not in repr(caught.value)
    assert len(server.requests) == requests


@pytest.mark.parametrize("fault", ["hang", "hang_within"])
@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
def test_a_hanging_server_is_given_up_once(serve, fault: str, way: str) -> None:
    server = serve(fault)
    with pytest.raises(ModelTimeout, match="0.2 seconds"):
        answer(model_at(f"{server.address}/v1", timeout=0.2), way)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["status_429", "status_500"])
def test_a_passing_fault_is_retried(serve, fault: str) -> None:
    server = serve(fault, 2)
    assert answer(model_at(f"{server.address}/v1"), "invoke") == "Three rivers."
    assert len(server.requests) == 3


@pytest.mark.parametrize("way", ["invoke", "astream"])
def test_nobody_at_the_address(way: str) -> None:
    with pytest.raises(ServerUnreachable) as caught:
        answer(model_at("http://127.0.0.1:9/v1"), way)
    assert "127.0.0.1:9" in str(caught.value) and "BASE_URL" in caught.value.fix


def test_neither_key_nor_address() -> None:
    with pytest.raises(MissingKey) as caught:
        build("gpt-5-mini", ModelSettings(), Path())
    assert "OPENAI_API_KEY" in caught.value.fix and "RATCHET_MODEL__API_KEY" in caught.value.fix


def test_a_server_of_ones_own_needs_no_key(serve) -> None:
    assert answer(model_at(f"{serve('answer').address}/v1", api_key=""), "invoke") == "Three rivers."


def test_settings_reach_the_request(serve) -> None:
    server = serve("answer")
    model_at(f"{server.address}/v1", seed=7, temperature=0.5, max_tokens=9).invoke("Name rivers.", stop=["."])
    (sent,) = server.requests
    assert {"model": "nope", "seed": 7, "temperature": 0.5, "max_tokens": 9, "stop": ["."]}.items() <= sent.items()
    assert sent["stream_options"] == {"include_usage": True}


def test_the_key_is_never_shown() -> None:
    model = model_at(OPENAI_ADDRESS)
    assert KEY not in f"{model!r} {model} {model._endpoint().clean('leaked ' + KEY)}"


@pytest.mark.usefixtures("socket_disabled")
def test_tokens_are_estimated_without_a_network() -> None:
    model = model_at(OPENAI_ADDRESS)
    assert model.get_num_tokens("The quick brown fox jumps over the lazy dog.") == 13
    assert model.get_num_tokens("") == 0
    assert model.get_num_tokens_from_messages([HumanMessage("Hello there!")]) == 8


def test_an_answer_outside_the_schema_is_an_error(serve) -> None:
    class Rivers(BaseModel):
        names: list[str]

    asked = model_at(f"{serve('answer').address}/v1").with_structured_output(Rivers)
    with pytest.raises(ModelError, match="schema"):
        asked.invoke("Name three rivers.")


def test_a_native_call_is_taken_as_it_comes(serve) -> None:
    server = serve("call")
    answer = model_at(f"{server.address}/v1").bind_tools([RIVER], tool_choice="any").invoke("Which?")
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("river", {"name": "Rhine"})]
    (sent,) = server.requests
    assert sent["tool_choice"] == "required" and sent["tools"][0]["function"]["name"] == "river"


def test_a_server_that_ignores_the_choice_is_held_to_a_schema(serve) -> None:
    server = serve("call_by_schema_only")
    model = model_at(f"{server.address}/v1").bind_tools([RIVER], tool_choice="river")
    for requests in (2, 3):  # once it is known, the server is not asked in vain again
        answer = model.invoke("Which?")
        assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("river", {"name": "Rhine"})]
        assert answer.text == "" and len(server.requests) == requests


def test_the_window_is_known() -> None:
    assert model_at("http://127.0.0.1:9/v1", context_tokens=4000).profile == {"max_input_tokens": 4000}
    known = build("gpt-4o-mini", ModelSettings.model_validate({"api_key": KEY}), Path()).profile
    assert known and known["max_input_tokens"] == 128_000


def answer(model: OpenAIModel, way: str) -> str:
    async def collected() -> str:
        return "".join([chunk.text async for chunk in model.astream("Name three rivers.")])

    if way == "invoke":
        return model.invoke("Name three rivers.").text
    if way == "stream":
        return "".join(chunk.text for chunk in model.stream("Name three rivers."))
    if way == "ainvoke":
        return asyncio.run(model.ainvoke("Name three rivers.")).text
    return asyncio.run(collected())
