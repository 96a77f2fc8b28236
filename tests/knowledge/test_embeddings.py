from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from knowledge import minilm
from knowledge.embeddings import LlamaEmbeddings, build_embeddings
from knowledge.errors import EmbedderError, StorageError
from knowledge.header import read_header

TEXTS = [
    "A cat sits on the mat.",
    "Wie hoch ist der Eiffelturm?",
    "def add(a: int, b: int) -> int:\n    return a + b",
    "The quick brown fox jumps over the lazy dog. " * 12,
    "naïve café, façade & résumé",
    "日本語のテキスト",
    "Привет, мир!",
    "https://example.com/path?query=1&other=two",
    "2024-05-17T12:30:00Z 3.14159 -273.15",
    "UPPER lower MiXeD",
    "tabs\tand\n\nnewlines",
    "unaffable antidisestablishmentarianism",
    "price: $1,299.99 (−15 %)",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "don't can't won't it's",
    "emoji 🚀🎉",
    "x",
    "[CLS] is a token",
    "한국어 문장입니다",
    "مرحبا بالعالم",
]


def test_vectors_have_unit_length_and_order_by_meaning(embeddings: LlamaEmbeddings) -> None:
    vectors = embeddings.embed(["How do I water tomatoes?", "Tomatoes need water daily.", "The boat's mast."])
    assert vectors.shape == (3, 384) == (3, embeddings.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > 0.3 > vectors[0] @ vectors[2]


def test_langchain_methods_agree_with_embed(embeddings: LlamaEmbeddings) -> None:
    expected = embeddings.embed(TEXTS[:3])
    np.testing.assert_allclose(embeddings.embed_documents(TEXTS[:3]), expected, atol=1e-6)
    np.testing.assert_allclose(embeddings.embed_query(TEXTS[0]), expected[0], atol=1e-6)


def test_a_text_does_not_depend_on_its_batch(embeddings: LlamaEmbeddings) -> None:
    together = embeddings.embed(TEXTS)
    alone = np.concatenate([embeddings.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_the_end_of_an_overlong_text_counts(embeddings: LlamaEmbeddings) -> None:
    start = "Tomatoes need water. " * 300
    plain, with_end, end = embeddings.embed(
        [start, start + "The rocket flies to the moon. " * 300, "A rocket to the moon."]
    )
    assert with_end @ end > plain @ end + 0.2
    np.testing.assert_allclose(np.linalg.norm(with_end), 1, atol=1e-5)


def test_nothing_to_embed_and_empty_texts(embeddings: LlamaEmbeddings) -> None:
    assert embeddings.embed([]).shape == (0, 384)
    np.testing.assert_allclose(np.linalg.norm(embeddings.embed(["", " \n"]), axis=1), 1, atol=1e-5)


def test_threads_share_one_embedder(embeddings: LlamaEmbeddings) -> None:
    expected = embeddings.embed(TEXTS[:6])
    results: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        results[number] = embeddings.embed(TEXTS[:6])

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4
    for vectors in results.values():
        np.testing.assert_allclose(vectors, expected, atol=1e-4)


def test_a_closed_embedder_loads_again(models_folder: Path) -> None:
    embedder = build_embeddings("local:all-MiniLM-L6-v2", models_folder, threads=1)
    before = embedder.embed(["again"])
    embedder.close()
    np.testing.assert_allclose(embedder.embed(["again"]), before, atol=1e-6)


def test_the_bundled_model_is_prepared_once_and_identified(tmp_path: Path) -> None:
    path = minilm.prepare_minilm(tmp_path)
    changed = path.stat().st_mtime_ns
    assert minilm.prepare_minilm(tmp_path) == path
    assert path.stat().st_mtime_ns == changed
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == [path.name]
    header = read_header(path, ("pooling_type", "context_length"))
    assert header == {"general.architecture": "bert", "bert.pooling_type": 1, "bert.context_length": 512}
    again = minilm.prepare_minilm(tmp_path / "again")
    assert again.read_bytes() == path.read_bytes()


def test_fingerprints_tell_embedders_apart(models_folder: Path, embeddings: LlamaEmbeddings) -> None:
    assert embeddings.fingerprint == "all-MiniLM-L6-v2:53aa51172d142c89:384"
    path = minilm.prepare_minilm(models_folder)
    by_path = build_embeddings(f"local:{path}", models_folder)
    assert by_path.fingerprint.startswith("all-MiniLM-L6-v2-Q8_0:")
    assert by_path.fingerprint != LlamaEmbeddings(path, "all-MiniLM-L6-v2-Q8_0", digest="1" * 64).fingerprint


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    monkeypatch.setattr(minilm, "_locate", lambda: tmp_path)
    with pytest.raises(EmbedderError, match="models pull"):
        minilm.prepare_minilm(tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_missing_package_names_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "_PACKAGE", "no_such_package_here")
    with pytest.raises(EmbedderError, match="models pull"):
        build_embeddings("local:all-MiniLM-L6-v2", tmp_path)


def test_a_models_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        build_embeddings("local:all-MiniLM-L6-v2", tmp_path / "file")


@pytest.mark.parametrize("spec", ["", "local:", "openai:ada", "all-MiniLM-L6-v2", "local:/no/such.gguf"])
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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_vectors_are_those_of_the_published_model(embeddings: LlamaEmbeddings) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    model = sentence_transformers.SentenceTransformer(str(minilm._locate()), device="cpu")
    expected = model.encode(TEXTS, normalize_embeddings=True)
    cosines = np.sum(expected * embeddings.embed(TEXTS), axis=1)
    assert cosines.min() >= 0.99, dict(zip(TEXTS, cosines.round(4), strict=True))
