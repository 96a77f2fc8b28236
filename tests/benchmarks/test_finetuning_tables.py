"""What the benchmarks of fine-tuning print, from figures made up for it; and that each says how it is used."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bad_candidates, conversion, improve_loop, training_speed
from benchmarks.planted import PLANTS
from finetune.evaluation.gate import decide
from finetune.evaluation.verdict import GatePolicy, Guard
from finetune.schema import TokenSequence
from tests.finetune.evaluations import evaluation

PROGRAMS = ("training_speed", "training_kills", "conversion", "improve_loop", "bad_candidates")


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_explains_itself_with_an_example(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{name}").main()
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"python -m benchmarks.{name} " in said and "--json" in said


def test_speed_is_compared_by_the_same_examples() -> None:
    size = training_speed.Size(100, 120, 20_000, 3000, 3600)
    lines = [
        {"name": name, "seconds": seconds, "peak_mib": memory, "steps": 4}
        for name, seconds, memory in (("ratchet", 10.0, 1000), ("ratchet", 12.0, 1100), ("trainer", 22.0, 2100))
    ]
    lines.append({"name": "trl_packed", "failed": "not installed"})
    first, ratios = training_speed.tables(lines, ["ratchet", "trainer", "trl_packed"], size)
    assert first.rows[0][1:4] == ("9.09", "1,818", "272.7")
    assert first.rows[2][1] == "not installed"
    assert ratios.rows == [(training_speed.TITLES["trainer"], "2.00", "2.00")]


def test_a_target_counts_for_its_weight() -> None:
    plain = TokenSequence([5, 6, 7], [False, True, True])
    weighed = TokenSequence([5, 6, 7], [False, True, True], weights=[1, 4, 1])
    assert (training_speed.weight(plain), training_speed.weight(weighed)) == (2, 5)


def test_answers_that_part_at_a_near_tie_are_told_from_others() -> None:
    partings = [
        {"prompt": number, "place": 2, "words": ["a", "|"], "margin": margin}
        for number, margin in enumerate((0.01, 0.05, 0.7))
    ]
    counts, places = conversion.tables(partings, 200, 0.05)
    assert [row[1].partition(" ")[0] for row in counts.rows] == ["197", "2", "1"]
    assert places.rows[0][0] == 2, "the widest gap first"


def policy() -> GatePolicy:
    return GatePolicy(Guard("right"), (Guard("f1", 0.2),), least_items=5)


@pytest.mark.parametrize(
    ("name", "scores", "named"),
    [("good", 1.0, True), ("arguments_swapped", 0.0, False), ("shuffled_labels", 0.0, False)],
)
def test_a_reason_is_right_if_it_names_what_was_planted(name: str, scores: float, named: bool, tmp_path: Path) -> None:
    base = evaluation([{"right": 0.0, "f1": 0.5}] * 40)
    candidate = evaluation([{"right": scores, "f1": 0.5}] * 40, "mine")
    verdict = decide(base, candidate, policy(), training_keys=())
    found = bad_candidates.row(name, PLANTS[name], verdict, tmp_path / "failed.txt")
    assert found["promoted"] == (scores == 1.0) == found["good"]
    assert not found["reasons"] or found["named"] == named


def test_one_that_could_not_be_trained_was_refused(tmp_path: Path) -> None:
    (tmp_path / "failed.txt").write_text("The loss is no longer a number.", encoding="utf-8")
    rows = [bad_candidates.row("rate_too_high", PLANTS["rate_too_high"], None, tmp_path / "failed.txt")]
    rows.append({**rows[0], "name": "good", "good": True, "promoted": True, "reasons": []})
    first, second = bad_candidates.tables(rows, {"two": 0.021}, 1000)
    assert first.title.startswith("Refused: 1 of 1 bad ones, 1 for what was planted; promoted: 1 of 1 good")
    assert first.rows[0][2:] == ("refused", "training", "yes")
    assert second.rows == [("two", "2.1 %", 1000)]


def test_the_loop_is_told_with_what_it_gained_and_cost() -> None:
    interval = {"value": 0.4, "low": 0.3, "high": 0.5}
    comparison: dict[str, Any] = {"before": 0.4, "after": 0.8, "worst": -0.01, "count": 20, "change": interval}
    guard = {"metric": "right", "suite": "yours", "margin": 0.05, "most_ratio": 0.0}
    verdict = {
        "promoted": True,
        "state": "served",
        "learned": 40,
        "held_out": 20,
        "reasons": [],
        "primary": {**comparison, "guard": guard},
        "guards": [{**comparison, "guard": {**guard, "metric": "words", "suite": "", "most_ratio": 2.0}}],
    }
    alone = {"n": 48, "before": 0.2, "after": 0.6, "gain": interval}
    results = {
        "feedback": [{"right": False}] * 50 + [{"right": True}] * 10,
        "minutes": 15.5,
        "verdict": verdict,
        "alone": dict.fromkeys(("right", "exact_match", "abstained"), alone),
        "before": [{"right": False, "seconds": 2.0}] * 4,
        "after": [{"right": True, "seconds": 1.0}] * 4,
    }
    told, gained, guards = improve_loop.tables(results)
    assert ("feedback", "60: 10 thumbs up, 50 corrections") in told.rows
    assert gained.rows[0][1:] == ("20 %", "60 %", "+40 (+30 to +50)", 48)
    assert gained.rows[3][1:3] == ("0 of 4 (0 %)", "4 of 4 (100 %)")
    assert guards.rows[0] == ("right of yours", "0.400", "0.800", "+0.300", "above 0", 20)
    assert guards.rows[1][4] == "2 times"
    json.dumps(results)
