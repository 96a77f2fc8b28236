"""How sure a difference between two models is, when both answered the same items.

- Intervals of a mean difference, or of a ratio: paired bootstrap over items, BCa (Efron, "Better Bootstrap Confidence
  Intervals", JASA 1987; Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 14).
- Is it more than chance: permutation of the two labels within each item, exact where scores are 0 or 1
  (Fisher 1935; McNemar 1947; Noreen, "Computer-Intensive Methods for Testing Hypotheses", 1989).
- How bad could it be: for scores of 0 or 1 the score interval of paired proportions (Tango, "Equivalence test and
  confidence interval for the difference in proportions for the paired-sample design", Statistics in Medicine 1998).
  A bootstrap of a few items that all came out alike has no width at all, as if nothing could ever change; the score
  interval has the width of "none seen among n".

All of it is deterministic: the same scores and seed, the same figures.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

RESAMPLES = 4000
_MOST = 2**40
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the bounds of its confidence interval."""

    value: float
    low: float
    high: float


def wilson(right: float, count: int, confidence: float = 0.95) -> Interval:
    """A share and its score interval; Wilson, "Probable Inference", JASA 1927. With no items, anything from 0 to 1."""
    if not count:
        return Interval(0.0, 0.0, 1.0)
    z, share = _NORMAL.inv_cdf(0.5 + confidence / 2), right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach))


def mean_interval(
    values: Sequence[float] | Floats, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The mean and its BCa bootstrap interval; of differences, this is the paired bootstrap.

    Raises:
        ValueError: there are no values.
    """
    ones = np.ones(len(values))
    return _bca(np.asarray(values, dtype=np.float64), ones, confidence, resamples, seed)


def ratio_interval(
    above: Sequence[float] | Floats,
    below: Sequence[float] | Floats,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The sum of one over the sum of the other, item by item resampled together, and its BCa interval.

    Raises:
        ValueError: there are no values, or those below are not all above zero.
    """
    floor = np.asarray(below, dtype=np.float64)
    if not (floor > 0).all():
        raise ValueError("a ratio needs positive numbers below")
    return _bca(np.asarray(above, dtype=np.float64), floor, confidence, resamples, seed)


def _bca(above: Floats, below: Floats, confidence: float, resamples: int, seed: int) -> Interval:
    if not len(above):
        raise ValueError("there is nothing to resample")
    value = float(above.sum() / below.sum())
    if len(above) == 1 or bool(np.all(above == value * below)):
        return Interval(value, value, value)
    drawn = _draws(len(above), resamples, seed)
    copies = np.sort(_sums(drawn, above) / _sums(drawn, below))
    # Ties count half: scores of 0 and 1 make many, and counting none or all of them would shift the bias.
    less = (np.searchsorted(copies, value, "left") + np.searchsorted(copies, value, "right")) / 2 / resamples
    bias = _NORMAL.inv_cdf(min(max(float(less), 0.5 / resamples), 1 - 0.5 / resamples))
    without = (above.sum() - above) / (below.sum() - below)
    influence = without.mean() - without
    spread = float((influence**2).sum())
    skew = float((influence**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0

    def bound(tail: float) -> float:
        z = bias + _NORMAL.inv_cdf(tail)
        share = _NORMAL.cdf(bias + z / (1 - skew * z))
        return float(copies[min(resamples - 1, max(0, math.floor(share * resamples)))])

    tail = (1 - confidence) / 2
    return Interval(value, bound(tail), bound(1 - tail))


def _sums(weights: NDArray[np.float32], values: Floats) -> Floats:
    """Weighted sums, in single precision: exact for whole numbers, and near enough for all else."""
    return (weights @ values.astype(np.float32)).astype(np.float64)


@lru_cache(maxsize=16)
def _draws(count: int, resamples: int, seed: int) -> NDArray[np.float32]:
    """How often each item is drawn, one row per resample; the same for every metric of the same items."""
    generator = np.random.default_rng([seed, count])
    rows = [
        np.bincount(generator.integers(0, count, count), minlength=count).astype(np.float32) for _ in range(resamples)
    ]
    return np.stack(rows)


def permutation_p(differences: Sequence[float] | Floats, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """One-sided p: how often labels dealt at random make a mean difference at least as high as the one seen.

    Exact for differences of -1, 0 and 1 (the sign test on those that differ); else with (hits + 1) / (resamples + 1),
    which is never too small (Phipson and Smyth 2010).
    """
    given = np.asarray(differences, dtype=np.float64)
    if is_binary(given):
        better, worse = int((given > 0).sum()), int((given < 0).sum())
        changed = better + worse
        tail = sum(math.comb(changed, count) for count in range(better, changed + 1))
        return float(tail / 2**changed)
    flips = _signs(len(given), resamples, seed)
    seen = float(given.sum())
    slack = 1e-6 * float(np.abs(given).sum())  # of single precision; a tie is a hit
    hits = int((_sums(flips, given) >= seen - slack).sum())
    return (hits + 1) / (resamples + 1)


@lru_cache(maxsize=16)
def _signs(count: int, resamples: int, seed: int) -> NDArray[np.float32]:
    generator = np.random.default_rng([seed, count, 1])
    return generator.integers(0, 2, (resamples, count)).astype(np.float32) * 2 - 1


def is_binary(differences: Floats) -> bool:
    """Whether these are differences of scores of 0 and 1."""
    return bool(np.isin(differences, (-1.0, 0.0, 1.0)).all())


def tango(better: float, worse: float, count: int, confidence: float) -> Interval:
    """The difference of two paired shares and its score interval.

    Args:
        better: how many items only the second got right.
        worse: how many only the first got right.
        count: of all items, at least one.
        confidence: of the two-sided interval.
    """
    z = _NORMAL.inv_cdf(0.5 + confidence / 2)
    value = (better - worse) / count

    def score(gap: float) -> float:
        # The nuisance share is its maximum-likelihood estimate under this difference.
        a, b = 2 * count, -better - worse + (2 * count - better + worse) * gap
        c = -worse * gap * (1 - gap)
        share = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
        variance = count * (2 * share + gap * (1 - gap))
        distance = better - worse - count * gap
        return distance / math.sqrt(variance) if variance > 1e-12 else math.copysign(math.inf, distance)

    return Interval(value, _crossing(score, -1.0, value, z), _crossing(score, value, 1.0, -z))


def _crossing(score: Callable[[float], float], low: float, high: float, level: float) -> float:
    """Where a falling function passes a level, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        if score(middle) > level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def at_worst(differences: Sequence[float] | Floats, confidence: float, *, bounded: bool, seed: int = 0) -> float:
    """The lower bound of a mean difference that a non-inferiority decision may rest on.

    For differences of -1, 0 and 1 the score interval's. Otherwise the bootstrap's, but for bounded scores never nearer
    to the mean than the score interval is when no item changed: few items that came out alike prove little.
    """
    given = np.asarray(differences, dtype=np.float64)
    if bounded and is_binary(given):
        return tango(int((given > 0).sum()), int((given < 0).sum()), len(given), confidence).low
    found = mean_interval(given, confidence, seed=seed)
    return min(found.low, found.value - unseen(len(given), confidence)) if bounded else found.low


def unseen(count: int, confidence: float) -> float:
    """How large a drop may be that `count` items did not show at all: z² / (n + z²), the score interval of 0 in n."""
    z = _NORMAL.inv_cdf(0.5 + confidence / 2)
    return z * z / (count + z * z)


def items_needed(margin: float, changed: float, confidence: float) -> int:
    """How many items show that nothing fell by a margin, when a share of them changes, up as often as down.

    At most 2^40, which is more than anybody has.

    Args:
        margin: above 0.
        changed: the share, or for other scores the mean square, of the differences.
        confidence: of the two-sided interval.
    """
    if changed >= 1 or margin >= 1:  # not of shares
        return math.ceil(min(_MOST, (_NORMAL.inv_cdf(0.5 + confidence / 2) / margin) ** 2 * changed))

    def enough(count: int) -> bool:
        either = count * changed / 2
        return tango(either, either, count, confidence).low >= -margin

    most = 1
    while most < _MOST and not enough(most):
        most *= 2
    return bisect_left(range(most + 1), True, key=lambda count: count > 0 and enough(count))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values adjusted for being looked at together; Holm, "A Simple Sequentially Rejective…", 1979."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda pair: pair[1])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}
