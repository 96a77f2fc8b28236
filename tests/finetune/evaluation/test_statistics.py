"""Intervals cover what they should, and tests reject no more often than they may."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.evaluation.statistics import (
    at_worst,
    holm,
    items_needed,
    mean_interval,
    permutation_p,
    ratio_interval,
    tango,
    unseen,
    wilson,
)


def test_wilson_as_in_the_literature() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I: 81/263 and 0/20.
    found = wilson(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    assert round(wilson(0, 20).high, 4) == 0.1611
    assert wilson(0, 0).high == 1


@pytest.mark.parametrize(("better", "worse", "count"), [(0, 0, 30), (0, 1, 44), (12, 2, 50), (5, 5, 20), (0, 9, 9)])
def test_the_score_interval_ends_where_its_test_would_reject(better: int, worse: int, count: int) -> None:
    found = tango(better, worse, count, 0.95)
    assert found.low <= found.value <= found.high
    mirrored = tango(worse, better, count, 0.95)
    assert mirrored.low == pytest.approx(-found.high, abs=1e-9)
    assert -1 <= found.low and found.high <= 1


def test_nothing_seen_among_n_is_not_nothing() -> None:
    assert tango(0, 0, 100, 0.95).low == pytest.approx(-unseen(100, 0.95))
    assert at_worst([0.0] * 100, 0.95, bounded=True) == pytest.approx(-unseen(100, 0.95))
    assert at_worst([0.25] * 100, 0.95, bounded=True) == pytest.approx(0.25 - unseen(100, 0.95))
    assert at_worst([0.0] * 10_0, 0.95, bounded=False) == 0
    assert mean_interval([0.0] * 100).low == 0


def test_the_bound_of_shares_covers() -> None:
    chance = np.random.default_rng(1)
    draws = chance.choice([-1.0, 0.0, 1.0], p=[0.08, 0.89, 0.03], size=(800, 90))
    covered = np.mean([at_worst(draw, 0.9, bounded=True) <= -0.05 for draw in draws])
    assert covered >= 0.92  # nominally 0.95


def test_the_bootstrap_covers() -> None:
    chance = np.random.default_rng(2)
    draws = chance.beta(0.5, 1.5, size=(400, 60))
    found = [mean_interval(draw, resamples=1000) for draw in draws]
    covered = np.mean([one.low <= 0.25 <= one.high for one in found])
    assert 0.9 <= covered <= 0.985


def test_the_ratio_covers() -> None:
    chance = np.random.default_rng(3)
    below = chance.gamma(4, 1, size=(300, 60))
    above = below * chance.gamma(9, 1 / 6, size=(300, 60))
    found = [ratio_interval(*pair, resamples=1000) for pair in zip(above, below, strict=True)]
    assert 0.9 <= np.mean([one.low <= 1.5 <= one.high for one in found]) <= 0.99


def test_a_ratio_needs_something_below() -> None:
    with pytest.raises(ValueError, match="positive"):
        ratio_interval([1.0], [0.0])
    with pytest.raises(ValueError, match="nothing"):
        mean_interval([])


def test_permutation_is_exact_for_shares() -> None:
    assert permutation_p([1.0] * 5 + [0.0] * 10) == 1 / 32
    assert permutation_p([0.0] * 10) == 1
    assert permutation_p([1.0, -1.0]) == 0.75


def test_permutation_of_other_scores_is_near_the_exact_value() -> None:
    assert permutation_p([0.5, 0.2, 0.3, 0.9, 0.1]) == pytest.approx(1 / 32, abs=0.01)
    assert permutation_p([-0.5, -0.2, -0.3, -0.9, -0.1]) == 1


def test_permutation_rejects_no_more_often_than_it_may() -> None:
    chance = np.random.default_rng(4)
    draws = chance.normal(size=(600, 25))
    assert np.mean([permutation_p(draw) <= 0.05 for draw in draws]) <= 0.075


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_the_same_scores_and_seed_give_the_same_figures(values: list[float], seed: int) -> None:
    one, two = (mean_interval(values, resamples=200, seed=seed) for _ in range(2))
    assert one == two
    assert one.low <= one.high
    assert min(values) - 1e-5 <= one.low and one.high <= max(values) + 1e-5
    assert 0 < permutation_p(values, resamples=200, seed=seed) <= 1


@given(st.floats(0.02, 0.5), st.floats(0, 0.3), st.sampled_from([0.8, 0.9, 0.95]))
@settings(max_examples=40, deadline=None)
def test_as_many_items_as_are_said_to_be_needed_are_enough(margin: float, changed: float, confidence: float) -> None:
    count = items_needed(margin, changed, confidence)
    assert tango(count * changed / 2, count * changed / 2, count, confidence).low >= -margin
    fewer = count - 1
    assert fewer == 0 or tango(fewer * changed / 2, fewer * changed / 2, fewer, confidence).low < -margin


def test_holm() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1, "b": 1}
    assert holm({}) == {}
