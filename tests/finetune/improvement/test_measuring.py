"""What a candidate must show: by which of the user's questions it is judged, and that the others are guarded."""

from __future__ import annotations

import pytest

from finetune.evaluation.statistics import at_worst
from finetune.evaluation.verdict import Guard
from finetune.improvement.measuring import own_items, policy_for
from finetune.schema import Example
from tests.finetune.dataset.samples import example

LONG = "down to the water and over the bridge and then along the wall to the gate"


def answers(short: int, long: int) -> list[Example]:
    given = [*("grove",) * short, *(LONG,) * long]
    return [example(f"Where is {at}?", one, source=f"s{at}") for at, one in enumerate(given)]


@pytest.mark.parametrize(
    ("short", "long", "primary", "other"), [(20, 7, "right", "bits_per_byte"), (7, 20, "bits_per_byte", "right")]
)
def test_the_larger_kind_decides_and_the_other_is_guarded(short: int, long: int, primary: str, other: str) -> None:
    policy = policy_for(own_items(answers(short, long)))
    assert policy.primary == Guard(primary, suite="yours")
    guarded = [one for one in policy.guards if (one.metric, one.suite) == (other, "yours")]
    assert [one.required for one in guarded] == [False]


def test_a_suite_that_was_not_asked_is_asked_for_all_the_same() -> None:
    policy = policy_for(own_items(answers(20, 7)))
    assert {guard.suite for guard in policy.guards if guard.required} >= {
        "tools",
        "lookups",
        "formats",
        "refusals",
        "requests",
    }
    assert {"yours", "tools", "lookups", "formats", "refusals", "general"} <= set(policy.suites)


@pytest.mark.parametrize("count", [1, 5, 7, 13, 30])
def test_a_few_short_answers_that_did_not_change_pass_and_some_that_fell_do_not(count: int) -> None:
    policy = policy_for(own_items(answers(count, count + 20)))
    margin = next(one.margin for one in policy.guards if (one.metric, one.suite) == ("right", "yours"))

    def passes(differences: list[float]) -> bool:
        return at_worst(differences, policy.guard_confidence, bounded=True) > -margin

    assert passes([0.0] * count)
    assert count == 1 or not passes([-1.0] * (1 + count // 2) + [0.0] * (count - 1 - count // 2))
