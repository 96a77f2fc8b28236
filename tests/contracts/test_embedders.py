"""What every embedder promises, each in front of the same real model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from knowledge.embedders import CachedEmbeddings, Embedder, Services, build_embeddings, minilm_file
from knowledge.embedders.minilm import MiniLMEmbeddings
from knowledge.embedders.minilm_file import prepare_minilm
from knowledge.embedders.sentence_transformer import SentenceTransformerEmbeddings, _has_bfloat16
from tests.contracts.servers.embedding_server import NAME, EmbeddingServer
from tests.contracts.servers.lines import running
from tests.knowledge.embedders.minilm_gguf import write_minilm_gguf
from tests.knowledge.embedders.texts import TEXTS

KEY = "sk-canary-0f-the-embedders"
BUNDLED = "local:all-MiniLM-L6-v2"
# Loading PyTorch takes longer than all the others together, and it is an extra.
PROVIDERS = ["local", "gguf", "ollama", "openai", "cached", pytest.param("st", marks=pytest.mark.slow)]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def _rounding(embedder: Embedder) -> float:
    """How far two vectors of one text may be apart: bfloat16, which some processors compute in, has 8 binary digits."""
    in_halves = isinstance(embedder, SentenceTransformerEmbeddings) and _has_bfloat16()
    return 4e-3 if in_halves else 1e-4


@pytest.fixture(scope="module")
def minilm(models_folder: Path) -> MiniLMEmbeddings:
    return MiniLMEmbeddings(prepare_minilm(models_folder))


@pytest.fixture(scope="module")
def server(minilm: MiniLMEmbeddings) -> Iterator[EmbeddingServer]:
    with running(EmbeddingServer(minilm, KEY)) as server:
        yield server


@pytest.fixture(scope="module", params=PROVIDERS)
def embedder(
    request: pytest.FixtureRequest,
    server: EmbeddingServer,
    models_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Embedder]:
    folder = tmp_path_factory.mktemp(request.param)
    services = Services(ollama_url=server.address, base_url=f"{server.address}/v1", api_key=KEY)
    spec = {"ollama": f"ollama:{NAME}", "openai": f"openai:{NAME}"}.get(request.param, BUNDLED)
    if request.param == "gguf":
        spec = f"local:{write_minilm_gguf(folder / 'minilm.gguf')}"
    if request.param == "st":
        pytest.importorskip("sentence_transformers")
        spec = f"st:{minilm_file._located()}"
    embedder = build_embeddings(spec, models_folder, services=services)
    if request.param == "cached":
        embedder = CachedEmbeddings(embedder, folder)
    yield embedder
    embedder.close()


def test_it_is_one(embedder: Embedder) -> None:
    assert isinstance(embedder, Embedder)
    assert embedder.dimension == 384
    assert embedder.fingerprint == embedder.fingerprint
    assert embedder.fingerprint.endswith(":384")


def test_vectors_have_unit_length_and_order_by_meaning(embedder: Embedder) -> None:
    vectors = embedder.embed(["How do I water tomatoes?", "Tomatoes need water daily.", "The boat's mast."])
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > 0.3 > vectors[0] @ vectors[2]


def test_they_are_those_of_the_model(embedder: Embedder, minilm: MiniLMEmbeddings) -> None:
    texts = TEXTS[:5] + TEXTS[7:15]
    cosines = np.sum(embedder.embed(texts) * minilm.embed(texts), axis=1)
    assert cosines.min() > 0.985, dict(zip(texts, cosines.round(4), strict=True))


def test_the_ways_to_ask_agree(embedder: Embedder) -> None:
    expected = embedder.embed(TEXTS[:3])
    query = embedder.query_vector(TEXTS[0])
    assert query.shape == (384,)
    assert query.dtype == np.float32
    np.testing.assert_allclose(query, expected[0], atol=_rounding(embedder))
    np.testing.assert_allclose(embedder.embed_query(TEXTS[0]), expected[0], atol=_rounding(embedder))


def test_a_text_does_not_depend_on_its_batch(embedder: Embedder) -> None:
    texts = [f"{text} {number}" for number in range(4) for text in TEXTS]
    together = embedder.embed(texts)
    some = range(0, len(texts), 9)
    alone = np.concatenate([embedder.embed([texts[row]]) for row in some])
    np.testing.assert_allclose(together[some], alone, atol=_rounding(embedder))


def test_nothing_is_cut_off(embedder: Embedder) -> None:
    start = "Tomatoes need water. " * 300
    plain, with_end, end = embedder.embed(
        [start, start + "The rocket flies to the moon. " * 300, "A rocket to the moon."]
    )
    assert with_end @ end > plain @ end + 0.2
    np.testing.assert_allclose(np.linalg.norm(with_end), 1, atol=1e-5)


def test_texts_that_are_hardly_texts(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 384)
    odd = ["", " \n", "\x00", "\ud800", "\u200b", "a" * 5000, "가" * 1200, "🚀" * 400, "\r\n" * 50]
    vectors = embedder.embed(odd)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(embedder.embed_query(""), vectors[0], atol=1e-4)


def test_threads_share_it(embedder: Embedder) -> None:
    expected = embedder.embed(TEXTS[:6])
    results: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        results[number] = embedder.embed(TEXTS[:6])

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4
    for vectors in results.values():
        np.testing.assert_allclose(vectors, expected, atol=1e-4)


def test_once_closed_it_opens_again(embedder: Embedder) -> None:
    before = embedder.embed(["again"])
    embedder.close()
    embedder.close()
    np.testing.assert_allclose(embedder.embed(["again"]), before, atol=1e-5)
