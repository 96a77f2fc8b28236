"""What is told after a refusal."""

import pytest

from finetune.evaluation.statistics import Interval
from finetune.evaluation.verdict import Comparison, GatePolicy, Guard, Kind, Reason, Verdict
from finetune.improvement.advice import next_try

PRIMARY, FORMS, TIME = "right of yours", "format of formats", "seconds"
POLICY = GatePolicy(Guard("right", suite="yours"), (Guard("format", 0.2, "formats"), Guard("seconds", most_ratio=1.5)))


def refused(*reasons: tuple[Kind, str], gain: float = 0.2) -> Verdict:
    change = Interval(gain, gain - 0.3, gain + 0.3)
    measured = Comparison(POLICY.primary, 20, 0.3, 0.3 + gain, change, -0.1, 0.1, 0.9, 0.2)
    why = tuple(Reason(kind, "", metric) for kind, metric in reasons)
    return Verdict(False, why, measured, (), POLICY, "packaged", "mine-1", "default")


def test_who_forgot_something_is_told_to_learn_less() -> None:
    assert "--minutes 6.0 does less" in next_try(refused(("worse", FORMS)), 8, 8)
    assert "--minutes 6.0 does less" in next_try(refused(("worse", FORMS), ("too few", FORMS)), 8, 8.2)


def test_less_is_less_than_what_the_data_was_enough_for() -> None:
    assert "--minutes 3.0 does less" in next_try(refused(("worse", FORMS)), 8, 4)


def test_a_gain_that_may_be_chance_takes_more_feedback_or_more_time() -> None:
    told = next_try(refused(("not better", PRIMARY)), 8, 7.8)
    assert "more questions proves more" in told and "--minutes 12.0 teaches more" in told


def test_more_time_is_not_advised_where_the_data_was_over_before() -> None:
    told = next_try(refused(("not better", PRIMARY)), 8, 5)
    assert "more questions proves more" in told and "--minutes" not in told


@pytest.mark.parametrize(
    "verdict",
    [
        refused(("not better", PRIMARY), gain=-0.1),
        refused(("not better", PRIMARY), ("worse", FORMS)),
        refused(("worse", TIME)),
        refused(("too few", FORMS)),
        refused(("leak", "")),
        refused(("overturned", ""), ("worse", FORMS)),
        Verdict(False, (Reason("missing", "", PRIMARY),), None, (), POLICY, "", "mine-1", "default"),
    ],
    ids=["no gain", "no gain and a cost", "slower", "too few to tell", "leak", "overturned", "not measured"],
)
def test_otherwise_the_reasons_speak_for_themselves(verdict: Verdict) -> None:
    assert next_try(verdict, 8, 8) == ""
