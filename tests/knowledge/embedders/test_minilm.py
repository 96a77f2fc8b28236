from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from knowledge.embedders import build_embeddings, minilm, minilm_file
from knowledge.embedders.minilm import MAX_TOKENS, MiniLMEmbeddings
from knowledge.embedders.minilm_file import GRAPH_FILE, TOKENIZER_FILE, prepare_minilm
from knowledge.embedders.minilm_graph import build_graph
from knowledge.errors import EmbedderError, StorageError
from tests.knowledge.embedders.texts import TEXTS

SPEC = "local:all-MiniLM-L6-v2"


def test_vectors_order_by_meaning(embeddings: MiniLMEmbeddings) -> None:
    vectors = embeddings.embed(["How do I water tomatoes?", "Tomatoes need water daily.", "The boat's mast."])
    assert vectors[0] @ vectors[1] > 0.5 > 0.3 > vectors[0] @ vectors[2]


def test_a_text_has_one_vector_whatever_it_comes_with(embeddings: MiniLMEmbeddings, models_folder: Path) -> None:
    together = embeddings.embed(TEXTS)
    alone = np.stack([embeddings.embed([text])[0] for text in reversed(TEXTS)])[::-1]
    np.testing.assert_array_equal(together, alone)
    one_by_one = MiniLMEmbeddings(prepare_minilm(models_folder), threads=1)
    np.testing.assert_array_equal(one_by_one.embed(TEXTS), together)


def test_tokens_are_those_of_the_published_tokenizer(embeddings: MiniLMEmbeddings) -> None:
    transformers = pytest.importorskip("transformers")
    original = transformers.AutoTokenizer.from_pretrained(minilm_file._located())
    for text in TEXTS:
        ours = embeddings._engine().tokens(text)
        assert [101, *ours, 102] == original(text, truncation=False, verbose=False)["input_ids"], text


def test_one_process_holds_one_copy_of_the_model(models_folder: Path) -> None:
    first, second = (MiniLMEmbeddings(prepare_minilm(models_folder)) for _ in range(2))
    expected = first.embed(TEXTS[:2])
    assert first._engine() is second._engine()
    first.close()
    assert np.array_equal(second.embed(TEXTS[:2]), expected)
    second.close()
    assert first._loaded is second._loaded is None
    assert np.array_equal(first.embed(TEXTS[:2]), expected)
    first.close()


def test_a_very_long_text_is_tokenized_in_parts(embeddings: MiniLMEmbeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(TEXTS)
    whole = embeddings._engine().tokens(text)
    monkeypatch.setattr(minilm, "_LONGEST_PART", 400)
    assert embeddings._engine().tokens(text) == whole
    monkeypatch.setattr(minilm, "_LONGEST_PART", 7)
    assert "".join(minilm._parts("no-blank-anywhere-at-all or one")) == "no-blank-anywhere-at-all or one"


def test_every_token_of_an_overlong_text_counts(embeddings: MiniLMEmbeddings) -> None:
    words = "tomato " * (MAX_TOKENS - 2)
    assert embeddings.count_tokens(words) == MAX_TOKENS - 2
    assert list(minilm._halved([1] * (MAX_TOKENS - 2), MAX_TOKENS - 2)) == [[1] * (MAX_TOKENS - 2)]
    longer = list(range(MAX_TOKENS - 1))
    parts = list(minilm._halved(longer, MAX_TOKENS - 2))
    assert [len(part) for part in parts] == [255, 256]
    assert sum(parts, []) == longer
    plain, with_end, end = embeddings.embed(
        [words * 2, words * 2 + "The rocket flies to the moon. " * 150, "A rocket to the moon."]
    )
    assert with_end @ end > plain @ end + 0.2
    np.testing.assert_allclose(np.linalg.norm(with_end), 1, atol=1e-5)


def test_surrogates_do_not_matter(embeddings: MiniLMEmbeddings) -> None:
    rocket, halves, plain, lone = embeddings.embed(["a 🚀", "a \ud83d\ude80", "lone", "lo\ud800ne"])
    np.testing.assert_array_equal(rocket, halves)
    np.testing.assert_array_equal(plain, lone)


def test_int8_stays_close_to_float32(embeddings: MiniLMEmbeddings, tmp_path: Path) -> None:
    """Without the care for outliers, the mean of these cosines is 0.991 and the least 0.974."""
    from safetensors.numpy import load_file

    weights = load_file(minilm_file._located() / "model.safetensors")
    (tmp_path / GRAPH_FILE).write_bytes(build_graph(weights, quantized=False))
    (tmp_path / TOKENIZER_FILE).write_bytes((minilm_file._located() / TOKENIZER_FILE).read_bytes())
    exact = MiniLMEmbeddings(tmp_path)
    cosines = np.sum(exact.embed(TEXTS) * embeddings.embed(TEXTS), axis=1)
    assert cosines.mean() > 0.9975, dict(zip(TEXTS, cosines.round(4), strict=True))
    assert cosines.min() > 0.994, dict(zip(TEXTS, cosines.round(4), strict=True))


def test_no_pair_of_weights_can_saturate(models_folder: Path) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(prepare_minilm(models_folder) / GRAPH_FILE)
    matrices = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.data_type == 3]
    matrices = [np.abs(matrix.astype(int)) for matrix in matrices if matrix.ndim == 2]
    assert len(matrices) == 36
    assert max((matrix[0::2] + matrix[1::2]).max() for matrix in matrices) <= 128
    assert min(matrix.max() for matrix in matrices) >= 64


def test_the_files_are_made_once_and_identified(tmp_path: Path) -> None:
    folder = prepare_minilm(tmp_path)
    changed = (folder / GRAPH_FILE).stat().st_mtime_ns
    assert prepare_minilm(tmp_path) == folder
    assert (folder / GRAPH_FILE).stat().st_mtime_ns == changed
    assert [entry.name for entry in tmp_path.iterdir()] == [folder.name]
    again = prepare_minilm(tmp_path / "again")
    for name in (GRAPH_FILE, TOKENIZER_FILE):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_an_incomplete_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / minilm_file.KIND).mkdir()
    (tmp_path / minilm_file.KIND / GRAPH_FILE).write_text("half")
    folder = prepare_minilm(tmp_path)
    assert (folder / GRAPH_FILE).stat().st_size > 10**7


def test_two_processes_may_prepare_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is finished when this one comes to give its folder the name."""
    first = prepare_minilm(tmp_path)
    answers = iter([False, True, True])
    monkeypatch.setattr(minilm_file, "is_prepared", lambda folder: next(answers))
    assert prepare_minilm(tmp_path) == first
    assert [entry.name for entry in tmp_path.iterdir()] == [first.name]


def test_the_fingerprint_names_weights_and_precision(embeddings: MiniLMEmbeddings) -> None:
    assert embeddings.fingerprint == "all-MiniLM-L6-v2-int8:53aa51172d142c89:384"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_altered_files_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = minilm_file._located()
    for file in ("model.safetensors", "tokenizer.json"):
        (tmp_path / file).symlink_to(packaged / file)
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes(b"something else")
    monkeypatch.setattr(minilm_file, "_located", lambda: tmp_path)
    with pytest.raises(EmbedderError, match="models pull"):
        prepare_minilm(tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_missing_package_names_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm_file, "_PACKAGE", "no_such_package_here")
    with pytest.raises(EmbedderError, match="models pull"):
        build_embeddings(SPEC, tmp_path)


def test_a_models_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        build_embeddings(SPEC, tmp_path / "file")


@pytest.mark.parametrize("name", [GRAPH_FILE, TOKENIZER_FILE])
def test_damaged_files_name_the_fix(name: str, tmp_path: Path) -> None:
    folder = prepare_minilm(tmp_path)
    (folder / name).write_bytes((folder / name).read_bytes()[:1000])
    with pytest.raises(EmbedderError, match="Delete that folder"):
        build_embeddings(SPEC, tmp_path).query_vector("anything")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_vectors_are_those_of_the_published_model(embeddings: MiniLMEmbeddings) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    model = sentence_transformers.SentenceTransformer(str(minilm_file._located()), device="cpu")
    expected = model.encode(TEXTS, normalize_embeddings=True)
    cosines = np.sum(expected * embeddings.embed(TEXTS), axis=1)
    assert cosines.min() >= 0.99, dict(zip(TEXTS, cosines.round(4), strict=True))
