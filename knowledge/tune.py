"""Adapting the search to one's own documents: learned from questions about them, kept only if it measures better.

Questions are proposed from the passages (`knowledge.proposals`), or given by the user. A query adapter
(`knowledge.query_adapter`) learns on those about some files, by the contrastive loss of van den Oord et al.,
"Representation Learning with Contrastive Predictive Coding" (2018), and is measured on those about the other files,
through the very search that it will serve. It is accepted when the confidence interval of the gain lies above zero.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from knowledge.errors import KnowledgeError
from knowledge.evaluate import JudgedQuery, evaluate
from knowledge.metrics import interval
from knowledge.query_adapter import QueryAdapter
from knowledge.questions import Question, judged
from knowledge.retriever import HybridRetriever
from knowledge.schema import IngestProgress

if TYPE_CHECKING:
    import numpy as np

    from knowledge.embedders import Embedder
    from knowledge.index import KnowledgeIndex

FEWEST = 40  # questions, below which no gain could be told from chance
_HELD_OUT = 0.4  # of the questions, for measuring
_STEPS = 300
_BATCH = 128
_NEGATIVES = 8192  # passages compared with at most
_RATE = 1e-3
_TEMPERATURE = 0.05
_TIES = 8.0  # how strongly the map is held to doing nothing
_METRIC = "ndcg@10"


@dataclass(frozen=True, slots=True)
class TuneReport:
    """What came of it.

    Attributes:
        accepted: whether the adapter is in use now.
        questions: how many it learned from.
        measured: how many it was measured on, about other files.
        before, after: nDCG@10 of those without and with it.
        gain: 95 % confidence interval of the difference.
        seconds: in all.
    """

    accepted: bool
    questions: int
    measured: int
    before: float
    after: float
    gain: tuple[float, float]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def tune(
    index: KnowledgeIndex,
    embeddings: Embedder,
    asked: Sequence[Question],
    *,
    seed: int = 0,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> TuneReport:
    """Learn an adapter, measure it on files it has not seen, and put it to use if it is better.

    Args:
        index: the collection; an adapter that is in use counts as what has to be beaten.
        embeddings: its embedder.
        asked: questions with their places.
        seed: of the split and the training.
        on_progress: called after every step and every measured question.

    Raises:
        KnowledgeError: too few questions about files of the collection, or about too few files.
        StorageError: the adapter cannot be written; the search stays as it was.
    """
    started = time.perf_counter()
    chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
    learn, held = _parted([each for each in asked if each.source in index.sources()], chance)
    queries, positives, vectors = _examples(learn, index, embeddings, chance)
    matrix = _learned(queries, positives, vectors, seed, on_progress)
    now = HybridRetriever.over(index, embeddings)
    new = now.model_copy(update={"adapter": QueryAdapter(matrix, embeddings.fingerprint)})
    before, after = (_measured(judged(held), each, on_progress) for each in (now, new))
    gain = interval([b - a for a, b in zip(before, after, strict=True)])
    means = sum(before) / len(before), sum(after) / len(after)
    report = TuneReport(gain[0] > 0, len(learn), len(held), *means, gain, time.perf_counter() - started)
    if report.accepted:
        QueryAdapter(matrix, embeddings.fingerprint, report.to_json()).save(index.folder)
    return report


def _measured(
    queries: Sequence[JudgedQuery], retriever: HybridRetriever, on_progress: Callable[[IngestProgress], None] | None
) -> list[float]:
    result = evaluate(queries, retriever, on_progress=on_progress)
    return [outcome.scores[_METRIC] for outcome in result.outcomes]


def _few(questions: int, files: int) -> KnowledgeError:
    return KnowledgeError(
        f"{questions} questions about passages of {files} files are too few to learn from and to measure with.",
        kept="The search stays as it was.",
        fix=f"Ingest more files, or give a set of at least {FEWEST} questions about several files.",
    )


def _parted(asked: Sequence[Question], chance: random.Random) -> tuple[list[Question], list[Question]]:
    """To learn from and to measure with; no file is in both."""
    by_file: dict[str, list[Question]] = {}
    for question in asked:
        by_file.setdefault(question.source, []).append(question)
    names = sorted(by_file)
    chance.shuffle(names)
    held: list[Question] = []
    while names and len(held) < _HELD_OUT * len(asked):
        held += by_file[names.pop()]
    learn = [question for name in names for question in by_file[name]]
    if min(len(learn), len(held)) < FEWEST * (1 - _HELD_OUT) / 2 or len(asked) < FEWEST:
        raise _few(len(asked), len(by_file))
    return learn, held


def _examples(
    asked: Sequence[Question], index: KnowledgeIndex, embeddings: Embedder, chance: random.Random
) -> tuple[np.ndarray, list[list[int]], np.ndarray]:
    """Query vectors [n, d], the positions of the passages that answer each, and passage vectors [m, d]."""
    import numpy as np

    rows: dict[int, int] = {}
    positives, kept = [], []
    for question in asked:
        places = index.rows_of(question.source).tolist()
        passages = index.passages(places)
        right = [row for row, passage in zip(places, passages, strict=True) if question.answered_by(passage)]
        if right:
            kept.append(question.question)
            positives.append([rows.setdefault(row, len(rows)) for row in right])
    if not kept:
        raise _few(0, len({question.source for question in asked}))
    others = range(index.size) if index.size <= _NEGATIVES else chance.sample(range(index.size), _NEGATIVES)
    for row in others:
        rows.setdefault(row, len(rows))
    vectors = index.vectors(np.fromiter(rows, dtype=np.int64))
    return np.stack([embeddings.query_vector(text) for text in kept]), positives, vectors


def _learned(
    queries: np.ndarray,
    positives: Sequence[Sequence[int]],
    vectors: np.ndarray,
    seed: int,
    on_progress: Callable[[IngestProgress], None] | None,
) -> np.ndarray:
    """M, by Adam (Kingma and Ba, 2015) on batches of queries against all the passages."""
    import numpy as np

    chance = np.random.default_rng(seed)
    size = queries.shape[1]
    matrix = np.zeros((size, size), dtype=np.float32)
    first, second = np.zeros_like(matrix), np.zeros_like(matrix)
    for step in range(1, _STEPS + 1):
        batch = chance.integers(0, len(queries), min(_BATCH, len(queries)))
        slope = _slope(matrix, queries[batch], [positives[place] for place in batch], vectors)
        first += 0.1 * (slope - first)
        second += 0.001 * (slope**2 - second)
        matrix -= _RATE * (first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8))
        if on_progress:
            on_progress(IngestProgress("learning", step, _STEPS))
    return matrix


def _slope(
    matrix: np.ndarray, queries: np.ndarray, positives: Sequence[Sequence[int]], vectors: np.ndarray
) -> np.ndarray:
    """Derivative of the loss: mean of -log(probability of a right passage), and the tie to doing nothing."""
    import numpy as np

    moved = queries + queries @ matrix
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    unit = moved / length
    scores = unit @ vectors.T / _TEMPERATURE
    likely = _softmax(scores)
    for row, right in enumerate(positives):
        likely[row, right] -= _softmax(scores[row : row + 1, right])[0]
    by_unit = likely @ vectors / (_TEMPERATURE * len(queries))
    by_moved = (by_unit - (by_unit * unit).sum(axis=1, keepdims=True) * unit) / length
    slope: np.ndarray = queries.T @ by_moved + 2 * _TIES * matrix / len(matrix)
    return slope


def _softmax(scores: np.ndarray) -> np.ndarray:
    import numpy as np

    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares
