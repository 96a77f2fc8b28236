from __future__ import annotations

import itertools
import math
import random

import pytest

from knowledge.metrics import interval, ndcg, recall, reciprocal_rank


def test_ndcg_by_hand() -> None:
    gains = {"a": 3, "b": 2, "c": 1}
    found = 2 / math.log2(2) + 0 / math.log2(3) + 3 / math.log2(4)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(["b", "x", "a"], gains, 3) == pytest.approx(found / ideal)
    assert ndcg(["b", "x", "a"], gains, 2) == pytest.approx(2 / (3 + 2 / math.log2(3)))


def test_the_ideal_is_the_best_of_all_orders() -> None:
    chance = random.Random(1)
    for _ in range(30):
        gains = {name: chance.randint(-1, 3) for name in "abcde"}
        scores = {order: ndcg(order, gains, 3) for order in itertools.permutations("abcde")}
        expected = 1.0 if max(gains.values()) > 0 else 0.0
        assert max(scores.values()) == pytest.approx(expected)
        assert min(scores.values()) >= 0


def test_judged_as_worthless_is_worth_nothing() -> None:
    assert ndcg(["bad", "good"], {"bad": -2, "good": 1}, 10) == pytest.approx(1 / math.log2(3))
    assert recall(["bad"], {"bad": 0, "good": 1}, 10) == 0
    assert reciprocal_rank(["bad", "good"], {"bad": 0, "good": 1}, 10) == 0.5


def test_recall_counts_what_is_missing_from_the_ranking() -> None:
    gains = {"a": 1, "b": 1, "c": 2, "absent": 1}
    assert recall(["a", "x", "c", "b"], gains, 3) == 0.5
    assert recall([], gains, 3) == 0


def test_reciprocal_rank_ends_at_k() -> None:
    ranking = [*map(str, range(10)), "a"]
    assert reciprocal_rank(ranking, {"a": 1}, 10) == 0
    assert reciprocal_rank(ranking, {"a": 1}, 11) == pytest.approx(1 / 11)


def test_nothing_relevant_scores_nothing() -> None:
    for metric in (ndcg, recall, reciprocal_rank):
        assert metric(["a"], {}, 10) == 0


def test_the_interval_holds_the_mean_and_shrinks_with_more_queries() -> None:
    few, many = [0.0, 1.0] * 10, [0.0, 1.0] * 200
    low, high = interval(few)
    assert low < 0.5 < high
    assert (low, high) == interval(few)
    narrow = interval(many)
    assert narrow[1] - narrow[0] < (high - low) / 3
    # A mean of n coins has a standard error of 0.5 / sqrt(n); 95 % lie within 1.96 of them.
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(20), rel=0.15)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    chance = random.Random(2)
    samples = [[chance.random() < 0.7 for _ in range(60)] for _ in range(100)]
    ends = [interval([float(value) for value in sample], samples=300) for sample in samples]
    assert sum(low <= 0.7 <= high for low, high in ends) >= 88
