"""The providers under contract, each in front of the same real model."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel

from agent.config import Settings
from agent.models import build_chat_model
from tests.contracts.servers.lines import running
from tests.contracts.servers.ollama_protocol import OllamaServer

KEY = "sk-canary-0f-the-c0ntract"
CONTEXT = 1024
PROVIDERS = ["local", "openai", "ollama"]


@dataclass
class Provider:
    """How to build a model of a provider, and how to look at what the model behind it does.

    Attributes:
        spec: names the bundled model.
        settings: fields of `ModelSettings` every model of it needs.
        backend: the llama.cpp server that does the work.
    """

    spec: str
    settings: dict[str, Any]
    backend: Callable[[], Any]
    models_folder: Path
    built: list[BaseChatModel] = field(default_factory=list)

    def model(self, **overrides: Any) -> BaseChatModel:
        settings = Settings.model_validate({"models": self.models_folder})
        model = build_chat_model(self.spec, settings, **{"max_tokens": 48, **self.settings, **overrides})
        self.built.append(model)
        return model

    def generated(self) -> int:
        """Decoding steps since the backend was loaded, once it is idle."""
        patience = time.monotonic() + 60
        while self._metric("requests_processing"):
            assert time.monotonic() < patience, "the model was never told to stop"
            time.sleep(0.02)
        return self._metric("n_decode_total")

    def _metric(self, name: str) -> int:
        found = re.search(rf"^llamacpp:{name} (\d+)", str(self.backend().handle_metrics()), re.MULTILINE)
        assert found, f"llama.cpp reports no {name}"
        return int(found[1])


@pytest.fixture(scope="session", autouse=True)
def counted() -> Iterator[None]:
    """Have every llama.cpp server count what it generates."""
    import xllamacpp

    plain = xllamacpp.CommonParams

    def counting() -> Any:
        params = plain()
        params.endpoint_metrics = True
        return params

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xllamacpp, "CommonParams", counting)
        yield


@pytest.fixture(scope="session")
def backend(models_folder: Path, counted: None) -> Any:
    """The bundled model in a llama.cpp server, with its HTTP API."""
    from agent.models.bundled import prepare
    from knowledge.llama import start_server

    return start_server(prepare(models_folder), context=CONTEXT, threads=1, slots=2, api_key=KEY)


@pytest.fixture(scope="session")
def ollama_server(backend: Any) -> Iterator[OllamaServer]:
    with running(OllamaServer("smollm2:135m", backend, KEY, trained_context=CONTEXT)) as server:
        yield server


@pytest.fixture(scope="session", params=PROVIDERS)
def provider(request: pytest.FixtureRequest, models_folder: Path) -> Provider:
    """The same tests for every one of them."""
    if request.param == "local":
        settings = {"context_tokens": CONTEXT, "threads": 1}
        found = Provider("local:default", settings, lambda: found.built[0]._engine.server, models_folder)
        found.model()
        return found
    backend = request.getfixturevalue("backend")
    if request.param == "openai":
        settings = {"base_url": f"{backend.listening_address}/v1", "api_key": KEY, "context_tokens": CONTEXT}
        return Provider("openai:default", settings, lambda: backend, models_folder)
    server = request.getfixturevalue("ollama_server")
    return Provider(f"ollama:{server.name}", {"ollama_url": server.address}, lambda: backend, models_folder)
