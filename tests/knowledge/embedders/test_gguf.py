"""A GGUF embedder takes as many threads as the work is worth."""

import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from knowledge.embedders import llama
from knowledge.embedders.llama import LlamaEmbeddings
from knowledge.errors import EmbedderError
from tests.knowledge.embedders.minilm_gguf import write_minilm_gguf

QUESTION = "Where is the drill kept?"
MANY = [f"The drill number {number} is kept in bay {number}. " * 8 for number in range(40)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_minilm_gguf(tmp_path_factory.mktemp("gguf") / "minilm.gguf")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Threads of each server that was started; two cores are free."""
    threads: list[int] = []
    start = llama.start_server

    def noted(*args: Any, **options: Any) -> Any:
        threads.append(options["threads"])
        return start(*args, **options)

    monkeypatch.setattr(llama, "_SECONDS_BETWEEN_CHECKS", 1e9)
    monkeypatch.setattr(llama, "start_server", noted)
    monkeypatch.setattr(llama, "free_threads", lambda clock, requested: 2)
    return threads


def test_questions_are_embedded_on_one_thread_that_stays(model: Path, started: list[int]) -> None:
    embedder = LlamaEmbeddings(model)
    for _ in range(3):
        embedder.query_vector(QUESTION)
    assert started == [1]


def test_many_texts_take_the_free_cores_and_the_next_question_lets_them_go(model: Path, started: list[int]) -> None:
    embedder = LlamaEmbeddings(model)
    embedder.query_vector(QUESTION)
    many = embedder.embed(MANY)
    embedder.embed(MANY)
    one = embedder.query_vector(MANY[7])
    assert started == [1, 2, 1]
    assert many.shape == (40, 384)
    assert float(many[7] @ one) == pytest.approx(1, abs=1e-3)


def test_threads_that_were_asked_for_are_for_many_texts(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(llama, "_SECONDS_BETWEEN_CHECKS", 1e9)
    monkeypatch.setattr(llama, "free_threads", lambda clock, requested: asked.append(requested) or 1)
    embedder = LlamaEmbeddings(model, threads=3)
    embedder.query_vector(QUESTION)
    embedder.embed(MANY)
    assert asked == [3]


@pytest.mark.skipif(sys.platform != "linux", reason="only there a process tells its threads by number")
def test_the_threads_of_much_work_end_with_the_next_question(model: Path, started: list[int]) -> None:
    def threads() -> set[int]:
        return {thread.id for thread in psutil.Process().threads()}

    embedder = LlamaEmbeddings(model)
    before = threads()
    embedder.embed(MANY)
    many = threads() - before
    embedder.query_vector(QUESTION)
    deadline = time.monotonic() + 10
    while many & threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert many and not many & threads()


def test_a_model_that_is_loaded_goes_on_where_another_cannot_be(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = LlamaEmbeddings(model)
    one = embedder.query_vector(MANY[7])

    def fails(*args: Any, **options: Any) -> Any:
        raise RuntimeError("no memory")

    monkeypatch.setattr(llama, "free_threads", lambda clock, requested: 2)
    monkeypatch.setattr(llama, "start_server", fails)
    assert float(embedder.embed(MANY)[7] @ one) == pytest.approx(1, abs=1e-3)
    embedder.close()
    with pytest.raises(EmbedderError, match="cannot load the embedder"):
        embedder.query_vector(QUESTION)
