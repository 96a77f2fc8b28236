"""Servers of embedders that fail: what is tried again, what is said, and that the key is never shown."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knowledge.embedders import Embedder, Services, build_embeddings, service
from knowledge.embedders.minilm import MiniLMEmbeddings
from knowledge.errors import EmbedderError
from tests.contracts.servers.embedding_server import DIGEST, NAME, Answering, EmbeddingServer
from tests.contracts.servers.lines import running

KEY = "sk-canary-0f-the-embedders"
NOBODY = "http://127.0.0.1:9"
both = pytest.mark.parametrize("provider", ["ollama", "openai"])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_FIRST_PAUSE", 0.001)


def build(provider: str, address: str, name: str = NAME, key: str = KEY, timeout: float = 5) -> Embedder:
    services = Services(ollama_url=address, base_url=f"{address}/v1", api_key=key, timeout=timeout)
    return build_embeddings(f"{provider}:{name}", Path("/nowhere"), services=services)


@contextmanager
def serving(embeddings: MiniLMEmbeddings, *faults: Callable[[Answering], None]) -> Any:
    with running(EmbeddingServer(embeddings, KEY, faults=faults)) as server:
        yield server


def failure(embedder: Embedder) -> EmbedderError:
    with pytest.raises(EmbedderError) as caught:
        embedder.embed(["anything"])
    embedder.close()
    assert caught.value.fix
    assert KEY not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"
    return caught.value


def status(code: int, said: str = "no", **headers: str) -> Callable[[Answering], None]:
    return lambda answering: answering.reply(code, {"error": {"message": said}}, **headers)


@both
def test_a_proxy_is_not_asked_for_a_server_on_this_machine(
    provider: str, embeddings: MiniLMEmbeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, NOBODY)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(embeddings) as server:
        embedder = build(provider, server.address)
        assert embedder.embed(["a pump"]).shape == (1, embedder.dimension)
        embedder.close()
    said = failure(build(provider, "http://elsewhere.example"))
    assert "Nothing answers" in said.what


@both
def test_nothing_is_asked_before_it_is_needed(provider: str) -> None:
    embedder = build(provider, NOBODY)
    embedder.close()
    said = failure(embedder)
    assert NOBODY in said.what
    assert ("ollama serve" if provider == "ollama" else "BASE_URL") in said.fix


@both
def test_a_model_the_server_lacks(provider: str, embeddings: MiniLMEmbeddings) -> None:
    with serving(embeddings) as server:
        said = failure(build(provider, server.address, name="nope"))
    assert "nope" in said.what
    assert ("ollama pull nope" if provider == "ollama" else "/models") in said.fix


@both
@pytest.mark.parametrize("code", [429, 500, 503])
def test_what_may_pass_is_tried_again(provider: str, code: int, embeddings: MiniLMEmbeddings) -> None:
    with serving(embeddings, status(code), status(code, Retry_After="0.01")) as server:
        embedder = build(provider, server.address)
        np.testing.assert_allclose(embedder.embed(["a text"]), embeddings.embed(["a text"]), atol=1e-5)
        assert len(server.requests) == 3
        embedder.close()


@both
def test_but_not_for_ever(provider: str, embeddings: MiniLMEmbeddings) -> None:
    with serving(embeddings, *[status(429, f"slow down, {KEY}")] * 9) as server:
        said = failure(build(provider, server.address))
        assert len(server.requests) == 4
    assert "slow down, ***" in said.what


@both
def test_what_will_not_pass_is_not(provider: str, embeddings: MiniLMEmbeddings) -> None:
    with serving(embeddings, status(400, "unknown field")) as server:
        assert "unknown field" in failure(build(provider, server.address)).what
        assert len(server.requests) == 1


def test_a_wrong_key(embeddings: MiniLMEmbeddings) -> None:
    with serving(embeddings) as server:
        said = failure(build("openai", server.address, key="sk-wrong-0ne"))
    assert "OPENAI_API_KEY" in said.fix
    assert "sk-wrong" not in str(said)


def test_no_key() -> None:
    with pytest.raises(EmbedderError, match="OPENAI_API_KEY"):
        build_embeddings("openai:text-embedding-3-small", Path("/nowhere"))


def test_a_password_in_the_address_is_not_shown() -> None:
    assert "hunter2" not in str(failure(build("ollama", "http://me:hunter2@127.0.0.1:9")))


@both
def test_a_server_that_hangs(provider: str, embeddings: MiniLMEmbeddings) -> None:
    released = threading.Event()

    def hang(answering: Answering) -> None:
        released.wait(30)
        answering.close_connection = True

    with serving(embeddings, hang) as server:
        assert "0.2 seconds" in failure(build(provider, server.address, timeout=0.2)).what
        released.set()


@both
def test_a_connection_that_breaks_is_opened_again(provider: str, embeddings: MiniLMEmbeddings) -> None:
    def hang_up(answering: Answering) -> None:
        answering.close_connection = True

    with serving(embeddings, hang_up) as server:
        embedder = build(provider, server.address)
        assert embedder.embed(["a text"]).shape == (1, 384)
        embedder.close()


def rows(*vectors: list[float]) -> Callable[[Answering], None]:
    data = [{"index": number, "embedding": vector} for number, vector in enumerate(vectors)]
    return lambda answering: answering.reply(200, {"data": data, "embeddings": list(vectors)})


WRONG = {
    "a web page": lambda answering: answering.reply(200, "<html>Welcome</html>", kind="text/html"),
    "a list": lambda answering: answering.reply(200, [1, 2]),
    "an empty object": lambda answering: answering.reply(200, {}),
    "one vector too many": rows([1.0, 0.0], [0.0, 1.0]),
    "nothing but zeros": rows([0.0, 0.0]),
    "words": rows(["a", "b"]),  # type: ignore[list-item]
    "no numbers": rows([float("nan"), 1.0]),
    "an empty vector": rows([]),
}


@both
@pytest.mark.parametrize("answer", WRONG)
def test_an_answer_that_makes_no_sense(provider: str, answer: str, embeddings: MiniLMEmbeddings) -> None:
    with serving(embeddings, WRONG[answer]) as server:
        assert "cannot be read" in failure(build(provider, server.address)).what


@both
def test_a_model_that_changes_its_dimension(provider: str, embeddings: MiniLMEmbeddings) -> None:
    with serving(embeddings, rows([1.0, 0.0]), rows([1.0, 0.0, 0.0])) as server:
        embedder = build(provider, server.address)
        assert embedder.dimension == 2
        assert "cannot be read" in failure(embedder).what


@both
def test_texts_are_sent_in_batches(provider: str, embeddings: MiniLMEmbeddings) -> None:
    texts = [f"text {number}" for number in range(130)]
    with serving(embeddings) as server:
        embedder = build(provider, server.address)
        np.testing.assert_allclose(embedder.embed(texts), embeddings.embed(texts), atol=1e-5)
        assert [len(request["input"]) for request in server.requests] == [64, 64, 2]
        if provider == "ollama":
            assert all(request["truncate"] is False and request["keep_alive"] for request in server.requests)
        embedder.close()


@both
def test_a_text_that_is_refused_for_something_else_than_its_length(provider: str, embeddings: MiniLMEmbeddings) -> None:
    with serving(embeddings, *[status(400, "the context size is wrong")] * 9) as server:
        assert "context size" in failure(build(provider, server.address)).what
        assert len(server.requests) == 1


def test_fingerprints_tell_versions_apart(embeddings: MiniLMEmbeddings) -> None:
    with serving(embeddings) as server:
        ollama, openai = build("ollama", server.address), build("openai", server.address)
        assert ollama.fingerprint == f"ollama:{NAME}:{DIGEST[:12]}:384"
        assert openai.fingerprint == f"openai:{NAME}:served:384"
        ollama.close()
        openai.close()


@pytest.mark.parametrize("spec", ["", "local:", "hf:x", "all-MiniLM-L6-v2", "local:/no/such.gguf", "openai:"])
def test_unknown_embedders_name_what_is_possible(spec: str, tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="local:all-MiniLM-L6-v2"):
        build_embeddings(spec, tmp_path)


def test_a_file_that_is_no_embedder(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("hello")
    with pytest.raises(EmbedderError, match="not a GGUF"):
        build_embeddings(f"local:{tmp_path / 'text.gguf'}", tmp_path)
    (tmp_path / "cut.gguf").write_bytes(b"GGUF\x03\x00\x00\x00" + bytes(12))
    with pytest.raises(EmbedderError, match="damaged"):
        build_embeddings(f"local:{tmp_path / 'cut.gguf'}", tmp_path)


def test_sentence_transformers_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbedderError, match="finetune"):
        build_embeddings("st:BAAI/bge-small-en-v1.5", tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_sentence_transformers_downloads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sentence_transformers")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(EmbedderError, match="hf download sentence-transformers/no-such-model"):
        build_embeddings("st:no-such-model", tmp_path).query_vector("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(EmbedderError, match="cannot be loaded"):
        build_embeddings(f"st:{tmp_path / 'folder'}", tmp_path).query_vector("x")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_sentence_transformers_prompts_are_used(tmp_path: Path) -> None:
    """A copy of the bundled model that declares prompts, as E5 and others do."""
    pytest.importorskip("sentence_transformers")
    import json
    import shutil

    from knowledge.embedders import minilm_file

    packaged, folder = minilm_file._located(), tmp_path / "prompted"
    shutil.copytree(packaged, folder)
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "query: ", "document": "passage: "}})
    )
    plain = build_embeddings(f"st:{packaged}", tmp_path)
    prompted = build_embeddings(f"st:{folder}", tmp_path)
    np.testing.assert_allclose(prompted.query_vector("a cat"), plain.embed(["query: a cat"])[0], atol=1e-4)
    np.testing.assert_allclose(prompted.embed(["a cat"]), plain.embed(["passage: a cat"]), atol=1e-4)
    assert prompted.fingerprint != plain.fingerprint


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_sentence_transformers_leaves_no_threads_behind(tmp_path: Path) -> None:
    """Idle ones would slow down a llama.cpp model in the same process."""
    if sys.platform != "linux":
        pytest.skip("GNU's OpenMP library is Linux's")
    pytest.importorskip("sentence_transformers")
    import psutil
    import torch

    from knowledge.embedders import minilm_file

    def threads() -> set[int]:
        return {thread.id for thread in psutil.Process().threads()}

    def compute() -> None:
        torch.ones(4_000_000).exp()

    embedder = build_embeddings(f"st:{minilm_file._located()}", tmp_path, threads=2)
    embedder.embed(["The drill is kept in bay seven. " * 20] * 8)
    before = threads()
    compute()
    assert threads() - before  # they had to be started anew
    before = threads()
    compute()
    assert not threads() - before
