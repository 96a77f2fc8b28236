"""Models that cannot be had: every provider says what is wrong and what to do, and never shows the key."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from agent.config import Settings
from agent.errors import (
    ContextOverflow,
    MissingKey,
    ModelError,
    ModelFileInvalid,
    ModelNotFound,
    ModelTimeout,
    ServerUnreachable,
)
from agent.models import build_chat_model
from tests.contracts.conftest import CONTEXT, KEY
from tests.contracts.servers.faulty_openai import FaultyServer
from tests.contracts.servers.lines import Handler, Server, running
from tests.contracts.servers.ollama_protocol import OllamaServer

NOBODY = "http://127.0.0.1:9"

CASES: dict[str, tuple[str, dict[str, Any], type[ModelError], str]] = {
    "no provider": ("locla:default", {}, ModelNotFound, "local:"),
    "no name": ("openai:", {}, ModelNotFound, "openai:"),
    "no such file": ("local:/nowhere/model.gguf", {}, ModelNotFound, "/nowhere/model.gguf"),
    "not a GGUF": ("local:text.gguf", {}, ModelFileInvalid, "text.gguf"),
    "no checkpoint": ("hf:/nowhere", {}, ModelNotFound, "/nowhere"),
    "no key": ("openai:gpt-5-mini", {"api_key": ""}, MissingKey, "OPENAI_API_KEY"),
    "no server": ("openai:x", {"base_url": f"{NOBODY}/v1"}, ServerUnreachable, NOBODY),
    "no Ollama": ("ollama:x", {"ollama_url": NOBODY}, ServerUnreachable, "ollama serve"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_had_says_why(case: str, settings: Settings, own_home: Path) -> None:
    Path("text.gguf").write_text("this is a letter, not a model")
    spec, changes, kind, words = CASES[case]
    with pytest.raises(ModelError) as caught:
        build_chat_model(spec, settings, **{"api_key": KEY, "timeout": 5, **changes}).invoke("Hello")
    check(caught.value, kind)
    assert words in str(caught.value)


@pytest.mark.parametrize("provider", ["openai", "ollama"])
def test_a_model_the_server_lacks(provider: str, ollama_server: OllamaServer, settings: Settings) -> None:
    with ExitStack() as stack:
        refusing = stack.enter_context(running(FaultyServer("status_404")))
        where = {"base_url": f"{refusing.address}/v1", "ollama_url": ollama_server.address, "api_key": KEY}
        with pytest.raises(ModelError) as caught:
            build_chat_model(f"{provider}:nope", settings, **where).invoke("Hello")
    check(caught.value, ModelNotFound)


@pytest.mark.parametrize("provider", ["openai", "ollama"])
def test_a_server_that_hangs(provider: str, settings: Settings) -> None:
    released = threading.Event()

    class Hanging(Handler):
        def do_POST(self) -> None:
            released.wait(60)

    with running(Server(("127.0.0.1", 0), Hanging)) as server:
        where = {"base_url": f"{server.address}/v1", "ollama_url": server.address, "api_key": KEY}
        with pytest.raises(ModelError) as caught:
            build_chat_model(f"{provider}:x", settings, timeout=0.2, **where).invoke("Hello")
        released.set()
    check(caught.value, ModelTimeout)


@pytest.mark.parametrize("knows_truncate", [True, False])
def test_ollama_never_answers_from_half_a_prompt(backend: Any, settings: Settings, knows_truncate: bool) -> None:
    """The prompt is estimated to fit and does not; whether the server can refuse it or not, nobody is misled."""
    server = OllamaServer("smollm2", backend, KEY, trained_context=CONTEXT, knows_truncate=knows_truncate)
    with running(server):
        model = build_chat_model("ollama:smollm2", settings, ollama_url=server.address, max_tokens=4)
        prompt = "a " * (CONTEXT + 100)
        assert model.get_num_tokens(prompt) < CONTEXT < server.count([{"role": "user", "content": prompt}])
        with pytest.raises(ModelError) as caught:
            model.invoke(prompt)
    check(caught.value, ContextOverflow)
    assert server.requests[-1][0] == "/api/chat"


def check(error: ModelError, kind: type[ModelError]) -> None:
    assert type(error) is kind
    assert error.what and error.fix
    assert KEY not in f"{error} {error!r}"
