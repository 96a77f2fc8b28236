"""The gate promotes what is better and nowhere worse, and refuses all else with the reason."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import StorageError
from finetune.errors import EvaluationError, GateRefused
from finetune.evaluation.gate import decide, false_promotion_rate
from finetune.evaluation.items import EvaluationItem
from finetune.evaluation.verdict import GatePolicy, Guard, Reason, Verdict
from finetune.evaluation.verdict_folder import store_verdict
from tests.finetune.evaluations import LINEAGE, evaluation

POLICY = GatePolicy(guards=(Guard("f1", 0.05), Guard("words", most_ratio=1.5), Guard("seconds", most_ratio=1.5)))
SIZE = 200


def scores(right: float, f1: float = 0.8, words: float = 5, count: int = SIZE) -> list[dict[str, float]]:
    """Items of which the first part is right, and the last part has an F1 of 1."""
    return [
        {"right": float(n < right * count), "f1": float(n >= (1 - f1) * count), "words": words + n % 3}
        for n in range(count)
    ]


def judged(base: list[dict[str, float]], candidate: list[dict[str, float]], policy: GatePolicy = POLICY) -> Verdict:
    return decide(evaluation(base), evaluation(candidate, "new"), policy, training_keys=())


def kinds(verdict: Verdict) -> set[tuple[str, str]]:
    return {(reason.kind, reason.metric) for reason in verdict.reasons}


def test_better_and_nowhere_worse_is_promoted() -> None:
    verdict = judged(scores(0.5), scores(0.7))
    assert verdict.promoted
    assert verdict.reasons == ()
    assert verdict.primary and verdict.primary.change.low > 0
    verdict.check()


@given(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=20, max_size=120))
@settings(max_examples=15, deadline=None)
def test_a_candidate_that_equals_its_base_is_never_promoted(right: list[float]) -> None:
    same = [{"right": value, "f1": value, "words": 5.0} for value in right]
    verdict = judged(same, same)
    assert not verdict.promoted
    assert ("not better", "right") in kinds(verdict)


@given(st.floats(0.0, 0.45), st.floats(0.5, 0.7))
@settings(max_examples=12, deadline=None)
def test_better_in_one_and_worse_in_another_is_refused_by_name(before: float, after: float) -> None:
    verdict = judged(scores(before, 0.9), scores(after + 0.1, 0.75))
    assert kinds(verdict) == {("worse", "f1")}
    (reason,) = verdict.reasons
    assert reason.items and "f1" in str(reason)
    with pytest.raises(GateRefused, match="f1 is worse"):
        verdict.check()


def test_a_gain_that_may_be_chance_is_refused_with_the_size_it_takes() -> None:
    verdict = judged(scores(0.5, count=60), scores(0.55, count=60), replace(POLICY, guards=()))
    assert kinds(verdict) == {("not better", "right")}
    assert "by chance" in verdict.reasons[0].text and "items would show it" in verdict.reasons[0].text


def test_few_items_cannot_hide_damage() -> None:
    guarded = replace(POLICY, guards=(Guard("f1", 0.05),))
    few = [{"right": float(n < 10)} | ({"f1": 1.0} if n < 12 else {}) for n in range(40)]
    better = [given | {"right": 1.0} for given in few]
    verdict = judged(few, better, guarded)
    assert kinds(verdict) == {("too few", "f1")}
    assert "it takes about 52" in verdict.reasons[0].text


def test_too_few_items_for_the_primary() -> None:
    verdict = judged(scores(0, count=10), scores(1, count=10), replace(POLICY, guards=()))
    assert kinds(verdict) == {("too few", "right")}


def test_verbosity_and_slowness() -> None:
    verdict = judged(scores(0.5), scores(0.8, words=20))
    assert kinds(verdict) == {("worse", "words")}
    slow = evaluation(scores(0.8), "new", seconds=[2.0] * SIZE)
    verdict = decide(evaluation(scores(0.5)), slow, POLICY, training_keys=())
    assert kinds(verdict) == {("worse", "seconds")}


def test_a_metric_where_less_is_better() -> None:
    policy = replace(POLICY, guards=(Guard("invalid_call", 0.03),))
    before = [given | {"invalid_call": 0.0} for given in scores(0.5)]
    after = [given | {"invalid_call": float(n % 10 == 0)} for n, given in enumerate(scores(0.8))]
    assert kinds(judged(before, after, policy)) == {("worse", "invalid_call")}
    fewer = judged([given | {"invalid_call": 1.0} for given in scores(0.5)], after, policy)
    assert fewer.promoted


def test_what_no_item_measures_refuses_unless_it_is_optional() -> None:
    policy = replace(POLICY, guards=(Guard("refusal"), Guard("bits_per_byte", required=False)), suites=("safety",))
    verdict = judged(scores(0.5), scores(0.8), policy)
    assert kinds(verdict) == {("missing", "refusal"), ("missing", "")}
    assert kinds(judged(scores(0.1), scores(0.9), replace(POLICY, primary=Guard("format"), guards=()))) == {
        ("missing", "format")
    }


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, None])
@pytest.mark.parametrize("metric", ["right", "f1", "words"])
def test_figures_that_are_no_numbers_or_not_there_prove_nothing(metric: str, odd: float | None) -> None:
    base, candidate = scores(0.2), scores(0.9, 0.9)
    spoiled = [dict(one) for one in candidate]
    for one in spoiled[: SIZE // 2]:
        if odd is None:
            del one[metric]
        else:
            one[metric] = odd
    assert ("missing", metric) in kinds(judged(base, spoiled))
    assert ("missing", metric) in kinds(judged(spoiled, candidate))
    hopeless = [{**one, metric: math.nan} for one in candidate]
    assert ("missing", metric) in kinds(judged(base, hopeless))


def test_a_gain_of_nothing_but_rounding_is_none() -> None:
    before = [{"right": value} for value in (0.1, 0.2, 0.3) * 10]
    after = [{"right": value} for value in (0.2, 0.4, 0.0) * 10]
    assert kinds(judged(before, after, replace(POLICY, guards=()))) == {("not better", "right")}


def test_replies_to_other_items_are_not_judged() -> None:
    base, candidate = evaluation(scores(0.5)), evaluation(scores(0.8), "new")
    old = replace(candidate.results[0], digest="of the item as it was")
    with pytest.raises(EvaluationError, match="q0"):
        decide(base, replace(candidate, results=(old, *candidate.results[1:])), POLICY)


def test_items_it_was_trained_on() -> None:
    base, candidate = evaluation(scores(0.5)), evaluation(scores(0.8), "new")
    keys = {candidate.items[3].key, "other"}
    verdict = decide(base, candidate, POLICY, training_keys=keys)
    assert kinds(verdict) == {("leak", "")}
    assert verdict.reasons[0].items == ("q3",)
    assert kinds(decide(base, candidate, POLICY)) == {("leak", "")}


def test_answers_to_what_was_declined_refuse_whatever_the_figures_say() -> None:
    base, candidate = evaluation(scores(0.5)), evaluation(scores(0.8), "new")
    verdict = decide(base, candidate, POLICY, training_keys=(), overturned=["turn:a", "turn:b"])
    assert kinds(verdict) == {("overturned", "")}
    assert verdict.reasons[0].items == ("turn:a", "turn:b")


@pytest.mark.parametrize("absent", ["base", "dataset", "recipe"])
def test_a_candidate_of_unknown_making(absent: str) -> None:
    lineage = {key: value for key, value in LINEAGE.items() if key != absent}
    candidate = replace(evaluation(scores(0.8), "new"), lineage=lineage)
    verdict = decide(evaluation(scores(0.5)), candidate, POLICY, training_keys=())
    assert kinds(verdict) == {("lineage", "")}
    assert absent in verdict.reasons[0].text


def test_other_items_or_another_model_cannot_be_compared() -> None:
    base, candidate = evaluation(scores(0.5)), evaluation(scores(0.8), "new")
    with pytest.raises(EvaluationError, match="100 items differ, such as q100"):
        decide(evaluation(scores(0.5, count=100)), candidate, POLICY)
    changed = EvaluationItem("q0", "facts", ({"role": "user", "content": "Else?"},), (), {"answers": ["x"]})
    with pytest.raises(EvaluationError, match="1 items differ, such as q0"):
        decide(replace(base, items=(changed, *base.items[1:])), candidate, POLICY)
    with pytest.raises(EvaluationError, match="one model"):
        decide(replace(base, model="local:other"), candidate, POLICY)
    with pytest.raises(EvaluationError, match="no metric"):
        decide(base, candidate, replace(POLICY, primary=Guard("charm")))


def test_swapped_labels_are_promoted_no_more_often_than_chance_allows() -> None:
    chance = np.random.default_rng(0)
    one, two = ([{"right": float(value)} for value in chance.random(120) < share] for share in (0.5, 0.6))
    policy = replace(POLICY, guards=())
    rate = false_promotion_rate(evaluation(one), evaluation(two, "new"), policy, permutations=800)
    assert 0 < rate <= 0.025 + 0.0166  # three standard errors of 800 deals


def test_guards_only_lower_the_rate() -> None:
    chance = np.random.default_rng(0)
    one, two = ([{"right": float(v), "f1": float(v)} for v in chance.random(80) < 0.5] for _ in range(2))
    pair = evaluation(one), evaluation(two, "new")
    free = false_promotion_rate(*pair, replace(POLICY, guards=()), permutations=150)
    guarded = false_promotion_rate(*pair, replace(POLICY, guards=(Guard("f1", 0.01),)), permutations=150)
    assert guarded <= free


def test_a_drop_of_the_whole_margin_seldom_passes_however_few_items_there_are() -> None:
    chance = np.random.default_rng(5)
    for count in (30, 150):
        passed = 0
        for _ in range(50):
            draw = chance.random(count)
            before = [{"right": 0.0, "f1": 1.0}] * count
            after = [{"right": 1.0, "f1": float(value >= 0.05)} for value in draw]
            passed += judged(before, after, replace(POLICY, guards=(Guard("f1", 0.05),))).promoted
        assert passed / 50 <= 0.14, count  # nominally 0.05


def test_a_verdict_is_stored_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, candidate = evaluation(scores(0.5)), evaluation(scores(0.7, 0.6), "new")
    verdict = decide(base, candidate, POLICY, training_keys=())
    folder = store_verdict(tmp_path / "verdicts" / "1", verdict, base, candidate)
    stored = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    assert stored["promoted"] is False
    assert [reason["metric"] for reason in stored["reasons"]] == ["f1"]
    lines = (folder / "candidate.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [item.id for item in base.items]
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [EvaluationItem.from_json(line).digest for line in items] == [item.digest for item in base.items]
    page = (folder / "verdict.md").read_text(encoding="utf-8")
    assert "**Refused.**" in page and "f1 is worse" in page
    with pytest.raises(StorageError, match="holds a verdict already"):
        store_verdict(folder, verdict, base, candidate)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("finetune.evaluation.verdict_folder.os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        store_verdict(tmp_path / "verdicts" / "2", verdict, base, candidate)
    assert [path.name for path in (tmp_path / "verdicts").iterdir()] == ["1"]


def test_a_margin_of_nothing_cannot_be_shown() -> None:
    with pytest.raises(EvaluationError, match="margin of f1 is 0"):
        Guard("f1", 0.0)


def test_reasons_are_plain_words() -> None:
    reason = Reason("worse", "f1 is worse.", "f1", ("a", "b"))
    assert str(reason) == "f1 is worse. For example: a, b."
