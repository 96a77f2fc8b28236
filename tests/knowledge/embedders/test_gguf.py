"""A GGUF embedder takes as many threads as the work is worth."""

from pathlib import Path
from typing import Any

import pytest

from knowledge.embedders import llama
from knowledge.embedders.llama import LlamaEmbeddings
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
    monkeypatch.setattr(llama, "free_threads", lambda clock, requested: asked.append(requested) or 1)
    embedder = LlamaEmbeddings(model, threads=3)
    embedder.query_vector(QUESTION)
    embedder.embed(MANY)
    assert asked == [3]
