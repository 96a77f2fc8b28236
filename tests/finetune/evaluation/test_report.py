"""How two evaluations of the same items differ, and what becomes of names that others chose."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from finetune.evaluation.items import Evaluation
from finetune.evaluation.report import difference_table, markdown, paired_differences, table
from finetune.evaluation.statistics import mean_interval, unseen
from tests.finetune.evaluations import evaluation


def shown(found: object) -> str:
    console = Console(width=200, file=io.StringIO(), record=True, markup=False)
    console.print(found)
    return console.export_text()


def pair(before: list[float], after: list[float], metric: str = "f1") -> tuple[Evaluation, Evaluation]:
    first, later = ([{metric: value} for value in values] for values in (before, after))
    return evaluation(first), evaluation(later, "new")


def test_the_interval_is_the_paired_bootstraps() -> None:
    chance = np.random.default_rng(0)
    before, after = chance.uniform(size=(2, 30))
    (found,) = paired_differences(*pair(before.tolist(), after.tolist()))
    assert found.change == mean_interval(after - before)
    assert found.change.value == pytest.approx(after.mean() - before.mean())
    (back,) = paired_differences(*reversed(pair(before.tolist(), after.tolist())))
    assert (back.better, back.worse) == (found.worse, found.better)
    assert back.p == pytest.approx(found.p, abs=0.02)


def test_pairing_shows_what_means_alone_could_not() -> None:
    before = [number / 40 for number in range(30)]
    (found,) = paired_differences(*pair(before, [value + 0.01 + value / 50 for value in before]))
    assert 0 < found.change.low < found.change.high < 0.05
    assert found.p < 0.01


@pytest.mark.parametrize(("metric", "better", "worse"), [("right", 2, 1), ("invalid_call", 1, 2), ("words", 1, 2)])
def test_better_is_better_whichever_way_a_metric_counts(metric: str, better: int, worse: int) -> None:
    (found,) = paired_differences(*pair([0, 0, 1, 1], [1, 1, 0, 1], metric))
    assert (found.better, found.worse) == (better, worse)
    assert found.change.value == pytest.approx(0.25), "the later less the first, in the metric's own unit"
    assert found.p == 1


def test_items_that_all_came_out_alike_leave_room_for_others() -> None:
    (same,) = paired_differences(*pair([1.0] * 20, [1.0] * 20))
    assert (same.change.low, same.change.high) == (-unseen(20, 0.95), unseen(20, 0.95))
    (won,) = paired_differences(*pair([0.0] * 20, [1.0] * 20))
    assert (won.change.low, won.change.high) == (1 - unseen(20, 0.95), 1.0)
    (longer,) = paired_differences(*pair([2.0] * 20, [3.0] * 20, "words"))
    assert longer.change.low == longer.change.high == 1, "lengths have no bounds to reason from"


def test_p_values_are_adjusted_for_their_number() -> None:
    first = [{"right": 0.0, "f1": 0.0}] * 8
    later = [{"right": 1.0, "f1": float(number % 2)} for number in range(8)]
    found = {one.metric: one for one in paired_differences(evaluation(first), evaluation(later, "new"))}
    assert found["right"].p == pytest.approx(2 / 2**8) and found["right"].p_adjusted == pytest.approx(4 / 2**8)
    assert found["f1"].p == found["f1"].p_adjusted == pytest.approx(2 / 2**4)


def test_what_only_one_of_the_two_has_is_left_out_and_counted() -> None:
    first, later = pair([0.0] * 5, [1.0] * 5)
    odd = (replace(later.results[0], scores={}), replace(later.results[1], scores={"f1": float("nan")}))
    later = replace(later, results=(*odd, *later.results[2:]))
    (found,) = paired_differences(first, later)
    assert (found.count, found.unpaired, found.change.value) == (3, 2, 1.0)
    assert "3 of 5" in shown(difference_table(first, later))
    nothing = replace(later, results=tuple(replace(one, scores={"right": 1.0}) for one in later.results))
    assert paired_differences(first, nothing) == []


def test_the_page_has_the_differences() -> None:
    page = markdown(*pair([0.0] * 4, [1.0, 1.0, 1.0, 0.0]))
    section = page.partition("## Differences\n")[2].partition("\n## ")[0]
    assert "new's figure less the bare model's" in section
    assert "| facts | F1 | +75.0 points" in section and "| 3 / 0 |" in section


def test_names_are_shown_as_they_are() -> None:
    first, later = pair([0.0] * 4, [1.0] * 4)
    odd = replace(later, adapter="a|b [bold]c\x1b[31m.gguf")
    for found in (table([first, odd]), difference_table(first, odd)):
        text = shown(found)
        assert "a|b [bold]c.gguf" in text and "\\[" not in text and "\x1b" not in text
    assert "| suite | metric | base | a\\|b [bold]c" in markdown(first, odd)
