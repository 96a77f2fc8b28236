from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from knowledge.errors import AdapterDamaged, KnowledgeError, StorageError
from knowledge.index import KnowledgeIndex
from knowledge.ingest import ingest
from knowledge.query_adapter import FILE, QueryAdapter, forget
from knowledge.questions import Question
from knowledge.retriever import HybridRetriever
from knowledge.tune import _slope, tune
from tests.knowledge.words import WordEmbedder

FILES = 30
PER_FILE = 4


@pytest.fixture
def index(tmp_path: Path) -> Iterator[KnowledgeIndex]:
    """Passages about things named by made-up words, a few per file."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for file in range(FILES):
        lines = [f"# Part {part}\n\nEntry {thing(file, part)} is described here.\n" for part in range(PER_FILE)]
        (folder / f"{file:02}.md").write_text("\n".join(lines))
    embedder = WordEmbedder()
    ingest([folder], tmp_path / "index", embedder)
    with closing(KnowledgeIndex.open(tmp_path / "index", embedder.fingerprint)) as opened:
        yield opened


def thing(file: int, part: int) -> str:
    return f"{['alpha', 'beta', 'gamma', 'delta'][part]}word{file}"


def asked(index: KnowledgeIndex, wording: str) -> list[Question]:
    questions = []
    for source in sorted(index.sources()):
        for part, passage in enumerate(index.passages(index.rows_of(source))):
            questions.append(Question.about(passage, wording.format(thing(int(Path(source).stem), part))))
    return questions


class Foreign(WordEmbedder):
    """Reads queries backwards, and sees them turned away from the documents: only an adapter can put that right."""

    def query_vector(self, text: str) -> np.ndarray:
        return np.roll(super().query_vector(text[::-1]), 7)


def test_what_measures_better_on_other_files_is_accepted_and_used(index: KnowledgeIndex) -> None:
    questions = [
        Question(question.question[::-1], question.source, start_line=question.start_line, end_line=question.end_line)
        for question in [*asked(index, "{}"), *asked(index, "described {}")]
    ]
    report = tune(index, Foreign(), questions)
    assert report.accepted and report.gain[0] > 0
    assert report.after > report.before
    retriever = HybridRetriever.over(index, Foreign())
    assert retriever.adapter is not None and retriever.adapter.figures == report.to_json() | {"gain": list(report.gain)}
    assert forget(index.folder) and not forget(index.folder)
    assert HybridRetriever.over(index, Foreign()).adapter is None


def test_what_is_learned_from_noise_is_refused_and_nothing_is_left(index: KnowledgeIndex) -> None:
    questions = asked(index, "{}")
    chance = random.Random(3)
    sources = [question.source for question in questions]
    chance.shuffle(sources)
    wrong = [Question(question.question, source) for question, source in zip(questions, sources, strict=True)]
    report = tune(index, WordEmbedder(), wrong)
    assert not report.accepted
    assert not (index.folder / FILE).exists()


def test_too_few_questions_are_refused_with_a_reason(index: KnowledgeIndex) -> None:
    with pytest.raises(KnowledgeError, match="too few"):
        tune(index, WordEmbedder(), asked(index, "{}")[:10])
    one_file = [each for each in asked(index, "{}") if each.source.endswith("00.md")] * 20
    with pytest.raises(KnowledgeError, match="too few"):
        tune(index, WordEmbedder(), one_file)


def test_the_slope_is_the_derivative_of_the_loss() -> None:
    chance = np.random.default_rng(0)
    queries, vectors = (chance.normal(size=(n, 6)) for n in (5, 9))
    queries, vectors = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (queries, vectors))
    positives = [[0], [1, 2], [3], [4], [5]]
    matrix = chance.normal(size=(6, 6)) / 10

    def loss(matrix: np.ndarray) -> float:
        moved = queries + queries @ matrix
        scores = moved / np.linalg.norm(moved, axis=1, keepdims=True) @ vectors.T / 0.05
        powers = np.exp(scores)
        right = [powers[row, places].sum() / powers[row].sum() for row, places in enumerate(positives)]
        return float(-np.log(right).mean() + 8.0 * (matrix**2).sum() / 6)

    slope = _slope(matrix, queries, positives, vectors)
    for place in ((0, 0), (2, 5), (5, 1)):
        nudge = np.zeros_like(matrix)
        nudge[place] = 1e-5
        assert slope[place] == pytest.approx((loss(matrix + nudge) - loss(matrix - nudge)) / 2e-5, rel=1e-4)


def test_an_adapter_is_bound_to_its_embedder_and_its_bytes(tmp_path: Path) -> None:
    adapter = QueryAdapter(np.eye(4, dtype=np.float32), "one:0:4", {"before": 0.5})
    assert QueryAdapter.load(tmp_path, "one:0:4") is None
    adapter.save(tmp_path)
    loaded = QueryAdapter.load(tmp_path, "one:0:4")
    assert loaded is not None and loaded.figures == {"before": 0.5}
    assert loaded.apply(np.array([3, 4, 0, 0], dtype=np.float32)).tolist() == pytest.approx([0.6, 0.8, 0, 0])
    assert QueryAdapter.load(tmp_path, "two:0:4") is None
    whole = (tmp_path / FILE).read_bytes()
    for place in range(len(whole)):
        (tmp_path / FILE).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            damaged = QueryAdapter.load(tmp_path, "one:0:4")
        except AdapterDamaged:
            continue
        assert damaged is None or np.array_equal(damaged.matrix, adapter.matrix)


@pytest.mark.parametrize("matrix", [np.zeros((2, 3)), np.zeros(4), np.full((2, 2), np.nan)])
def test_a_matrix_that_is_no_map_of_queries_is_refused(tmp_path: Path, matrix: np.ndarray) -> None:
    QueryAdapter(matrix, "one:0:4").save(tmp_path)
    with pytest.raises(AdapterDamaged, match="no square matrix"):
        QueryAdapter.load(tmp_path, "one:0:4")


def test_an_adapter_that_cannot_be_removed_is_said_to_stay(tmp_path: Path) -> None:
    assert not forget(tmp_path)
    (tmp_path / FILE).mkdir()
    with pytest.raises(StorageError, match="still in use"):
        forget(tmp_path)
