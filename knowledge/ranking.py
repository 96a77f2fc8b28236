"""Scores of meaning and of words into one, expansion of the query, repeats left out. Pure functions.

Fusion is a convex combination with fixed scales (Bruch et al., "An Analysis of Fusion Functions for Hybrid
Retrieval", TOIS 2023): the cosine as it is, BM25 as a share of what a passage could reach that holds every term of
the query to saturation. Unlike ranks or normalization over the candidates, that depends on no other passage.
Expansion is RM3 (Abdul-Jaleel et al., "UMass at TREC 2004: Novelty and HARD"), its feedback passages chosen by the
fused score. The constants were chosen on SciFact's training queries and on SQuAD; `benchmarks/retrieval.py` measures.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from knowledge.schema import Passage

if TYPE_CHECKING:
    import numpy as np

WORDS = 1.25  # what the share of BM25 counts for, against a cosine of 1
EXPANSION = 0.3  # the part of the expanded query that the feedback terms make up
_FEEDBACK_TERMS = 30
_SHARPNESS = 8.0  # how fast a feedback passage loses influence as its score falls behind the best
_WORD = re.compile(r"\w+")
_SAME = 0.9


def fuse(cosines: np.ndarray, words: np.ndarray, ceiling: float) -> np.ndarray:
    """One score per candidate, at most 1 + `WORDS` where no passage exceeds the ceiling.

    Args:
        cosines: similarity to the query, float32 [n].
        words: BM25 of the query's terms, float32 [n].
        ceiling: BM25 of a passage that holds every term of the query to saturation.
    """
    return cosines + words * (WORDS / max(ceiling, 1e-9))


def expanded(
    weights: Mapping[str, float],
    passages: Sequence[Sequence[str]],
    scores: Sequence[float],
    rarity: Callable[[Iterable[str]], Mapping[str, float]],
) -> dict[str, float]:
    """The query with the terms that set its best passages apart; the sum of the weights stays the same.

    Args:
        weights: of the query's own terms.
        passages: terms of each feedback passage.
        scores: fused score of each of them.
        rarity: idf of terms.
    """
    found: Counter[str] = Counter()
    best = max(scores, default=0.0)
    for terms, score in zip(passages, scores, strict=True):
        for term, count in Counter(terms).items():
            found[term] += math.exp((score - best) * _SHARPNESS) * count / len(terms)  # type: ignore[assignment]
    for term, weight in rarity(found).items():
        found[term] *= weight  # type: ignore[assignment]
    chosen = dict(found.most_common(_FEEDBACK_TERMS))
    total, mass = sum(chosen.values()), sum(weights.values())
    if not total:
        return dict(weights)
    new = {term: weight * (1 - EXPANSION) for term, weight in weights.items()}
    for term, weight in chosen.items():
        new[term] = new.get(term, 0.0) + EXPANSION * mass * weight / total
    return new


def without_repeats(passages: Iterable[Passage], most: int) -> list[Passage]:
    """The first `most` passages, leaving out those whose words are nearly those of a better one."""
    kept: list[tuple[Passage, frozenset[str]]] = []
    for passage in passages:
        words = frozenset(_WORD.findall(passage.text.lower()))
        if not any(_overlap(words, other) >= _SAME for _, other in kept):
            kept.append((passage, words))
            if len(kept) == most:
                break
    return [passage for passage, _ in kept]


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard similarity; texts without words are never alike."""
    return len(one & other) / len(one | other) if one and other else 0.0
