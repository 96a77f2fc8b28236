"""ollama: the window is set, truncation is refused, and what fails says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from agent.config import ModelSettings
from agent.errors import ContextOverflow, ModelError, ModelNotFound, ModelTimeout, ServerUnreachable
from agent.models.ollama import OllamaModel, build
from tests.contracts.servers.lines import Handler, Server, running

NAME = "llama3.2"


class Script(Server):
    """Plays the chat lines it is given, after `/api/show` told the context length."""

    def __init__(self, play: Callable[[Handler], None], trained: int = 4096) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.play, self.trained = play, trained
        self.requests: list[tuple[str, dict[str, Any]]] = []


class _Handler(Handler):
    server: Script

    def do_POST(self) -> None:
        body = self.body()
        self.server.requests.append((self.path, body))
        if body["model"] != NAME:
            return self.reply(404, {"error": f"model '{body['model']}' not found"})
        if self.path == "/api/show":
            info = {"general.architecture": "llama", "llama.context_length": self.server.trained}
            return self.reply(200, {"model_info": info, "details": {}})
        return self.server.play(self)


def said(handler: Handler, *, read: int = 12) -> None:
    handler.start_stream("application/x-ndjson")
    handler.piece('{"model":"m","message":{"role":"assistant","content":"Three"},"done":false}\n')
    handler.piece(
        '{"model":"m","message":{"role":"assistant","content":" rivers."},"done":true,"done_reason":"stop",'
        f'"prompt_eval_count":{read},"eval_count":2}}\n'
    )
    handler.end_stream()


def half(handler: Handler) -> None:
    handler.start_stream("application/x-ndjson")
    handler.piece('{"model":"m","message":{"role":"assistant","content":"Three"},"done":false}\n')
    handler.close_connection = True


def quiet_half(handler: Handler) -> None:
    half(handler)
    handler.end_stream()


def error_within(handler: Handler) -> None:
    handler.start_stream("application/x-ndjson")
    handler.piece('{"error":"llama runner process has terminated"}\n')
    handler.end_stream()


FAULTS: dict[str, tuple[Callable[[Handler], None], type[ModelError], str]] = {
    "half": (half, ModelError, "broke off"),
    "quiet_half": (quiet_half, ModelError, "broke off"),
    "error_within": (error_within, ModelError, "terminated"),
    "malformed": (lambda handler: handler.reply(200, '{"model": '), ModelError, "cannot be read"),
    "web_page": (lambda handler: handler.reply(200, "<html>", kind="text/html"), ModelError, "cannot be read"),
    "status_500": (lambda handler: handler.reply(500, {"error": "out of memory"}), ModelError, "out of memory"),
    "refused_tools": (
        lambda handler: handler.reply(400, {"error": "llama3.2 does not support tools"}),
        ModelError,
        "does not support tools",
    ),
    "overflow": (
        lambda handler: handler.reply(400, {"error": "the input length exceeds the context length"}),
        ContextOverflow,
        "does not fit",
    ),
}


@pytest.fixture
def serve() -> Iterator[Callable[..., Script]]:
    with ExitStack() as stack:
        yield lambda *args: stack.enter_context(running(Script(*args)))


def model_at(address: str, name: str = NAME, **changes: object) -> OllamaModel:
    return build(name, ModelSettings.model_validate({"ollama_url": address, "timeout": 5, **changes}), Path())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_every_fault_is_a_clear_error(serve, fault: str, way: str) -> None:
    play, kind, words = FAULTS[fault]
    with pytest.raises(ModelError, match=words) as caught:
        answer(model_at(serve(play).address), way)
    assert type(caught.value) is kind and caught.value.fix


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_nobody_at_the_address(way: str) -> None:
    with pytest.raises(ServerUnreachable) as caught:
        answer(model_at("http://127.0.0.1:9"), way)
    assert "127.0.0.1:9" in str(caught.value) and "ollama serve" in caught.value.fix


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_model_that_was_not_pulled(serve, way: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        answer(model_at(serve(said).address, "qwen3"), way)
    assert "ollama pull qwen3" in caught.value.fix


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_hanging_server_is_given_up(serve, way: str) -> None:
    import threading

    released = threading.Event()
    try:
        with pytest.raises(ModelTimeout, match="0.2 seconds"):
            answer(model_at(serve(lambda handler: released.wait(60)).address, timeout=0.2), way)
    finally:
        released.set()


@pytest.mark.parametrize(
    ("trained", "asked", "window"), [(4096, 0, 4096), (131_072, 0, 8192), (131_072, 16_000, 16_000), (2048, 9000, 2048)]
)
def test_the_window_is_what_the_model_and_the_user_allow(serve, trained: int, asked: int, window: int) -> None:
    server = serve(said, trained)
    model = model_at(server.address, context_tokens=asked)
    assert model.invoke("Name rivers.").text == "Three rivers."
    path, sent = server.requests[-1]
    assert path == "/api/chat" and sent["options"]["num_ctx"] == window
    assert sent["truncate"] is False and sent["shift"] is False
    assert model.profile == {"max_input_tokens": window}
    model.invoke("Name rivers.")
    assert [path for path, _ in server.requests].count("/api/show") == 1


def test_settings_reach_the_request(serve) -> None:
    server = serve(said)
    model_at(server.address, seed=7, temperature=0.5, max_tokens=9).invoke("Name rivers.", stop=["."])
    options = server.requests[-1][1]["options"]
    assert options == {"num_ctx": 4096, "num_predict": 9, "temperature": 0.5, "seed": 7, "stop": ["."]}
    model_at(server.address).invoke("Name rivers.", max_tokens=3, seed=1)
    assert server.requests[-1][1]["options"]["num_predict"] == 3


def test_a_prompt_that_cannot_fit_is_not_sent(serve) -> None:
    server = serve(said)
    with pytest.raises(ContextOverflow, match="4096"):
        model_at(server.address).invoke("river " * 4000)
    assert [path for path, _ in server.requests] == ["/api/show"]


def test_a_server_too_old_to_refuse_is_found_out(serve) -> None:
    server = serve(lambda handler: said(handler, read=1000))
    with pytest.raises(ContextOverflow, match="cut it to 1000 tokens"):
        model_at(server.address).invoke([HumanMessage("a b c d " * 500)])


def answer(model: OllamaModel, way: str) -> str:
    if way == "invoke":
        return model.invoke("Name three rivers.").text
    return asyncio.run(model.ainvoke("Name three rivers.")).text
