"""How good a ranked list is, as trec_eval defines it (https://github.com/usnistgov/trec_eval), and how sure that is.

Pure functions of a ranking, best first, and of the gain of each relevant item. Items without a gain above zero
count as not relevant; a query is measured only when it has a relevant item.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

Gains = Mapping[str, int]


def ndcg(ranking: Sequence[str], gains: Gains, k: int) -> float:
    """Normalized discounted cumulative gain of the first k: gains as judged, discounted by log2 of rank + 1.

    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002.
    """
    ideal = sorted((gain for gain in gains.values() if gain > 0), reverse=True)
    best = _discounted(ideal[:k])
    return _discounted([max(0, gains.get(item, 0)) for item in ranking[:k]]) / best if best else 0.0


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def recall(ranking: Sequence[str], gains: Gains, k: int) -> float:
    """Share of the relevant items that are among the first k."""
    relevant = {item for item, gain in gains.items() if gain > 0}
    return len(relevant & set(ranking[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], gains: Gains, k: int) -> float:
    """One over the rank of the first relevant item; 0 when none is among the first k."""
    return next((1 / rank for rank, item in enumerate(ranking[:k], start=1) if gains.get(item, 0) > 0), 0.0)


def interval(
    values: Sequence[float], *, level: float = 0.95, samples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Confidence interval of the mean, by the percentile bootstrap over queries; the same seed, the same interval.

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    if not values:
        return 0.0, 0.0
    chance = random.Random(seed)  # noqa: S311 - statistics, not secrets
    means = sorted(sum(chance.choices(values, k=len(values))) / len(values) for _ in range(samples))
    tail = (1 - level) / 2
    return means[int(tail * samples)], means[min(samples - 1, math.ceil((1 - tail) * samples) - 1)]
