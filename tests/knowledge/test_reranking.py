from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from knowledge.errors import RerankerError
from knowledge.reranking import build_reranker

needs_library = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None, reason="needs the extra `finetune`"
)
VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "how",
    "long",
    "is",
    "the",
    "warranty",
    "sea",
    "deep",
    "months",
]


def write_cross_encoder(folder: Path, labels: int = 1, *, pickled: bool = False) -> Path:
    """A BERT of two layers with random weights, as a cross-encoder would be kept."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    torch.manual_seed(0)
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        num_labels=labels,
        initializer_range=0.5,
    )
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    model = BertForSequenceClassification(config)
    model.save_pretrained(folder)
    if pickled:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    return folder


def test_no_setting_no_reranker() -> None:
    assert build_reranker("") is None


@pytest.mark.parametrize("spec", ["ms-marco", "st:", "onnx:model"])
def test_an_unknown_kind_is_refused(spec: str) -> None:
    with pytest.raises(RerankerError, match="does not name a reranker"):
        build_reranker(spec)


def test_the_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RerankerError, match="sentence-transformers") as caught:
        build_reranker("st:any")
    assert "pip install" in caught.value.fix


@pytest.mark.slow
@needs_library
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
class TestCrossEncoder:
    def test_scores_depend_on_both_texts_and_not_on_company(self, tmp_path: Path) -> None:
        reranker = build_reranker(f"st:{write_cross_encoder(tmp_path / 'model')}")
        assert reranker is not None
        texts = ["the warranty is long", "the sea is deep", "months " * 200]
        scores = reranker.scores("how long is the warranty", texts)
        assert len(set(scores)) == 3
        for text, score in zip(texts, scores, strict=True):
            assert reranker.scores("how long is the warranty", [text]) == pytest.approx([score], abs=1e-5)
        assert reranker.scores("how deep is the sea", texts) != pytest.approx(scores, abs=1e-5)
        assert reranker.scores("anything", []) == []

    def test_a_model_that_is_not_there_is_not_fetched(self, tmp_path: Path) -> None:
        reranker = build_reranker("st:nobody/never-downloaded-reranker")
        assert reranker is not None
        with pytest.raises(RerankerError, match="cannot be loaded") as caught:
            reranker.scores("a", ["b"])
        assert "hf download" in caught.value.fix

    def test_pickled_weights_are_refused(self, tmp_path: Path) -> None:
        reranker = build_reranker(f"st:{write_cross_encoder(tmp_path / 'model', pickled=True)}")
        assert reranker is not None
        with pytest.raises(RerankerError, match="cannot be loaded"):
            reranker.scores("a", ["b"])

    def test_a_classifier_is_no_reranker(self, tmp_path: Path) -> None:
        reranker = build_reranker(f"st:{write_cross_encoder(tmp_path / 'model', labels=3)}")
        assert reranker is not None
        with pytest.raises(RerankerError, match="3 scores"):
            reranker.scores("a", ["b", "c"])
