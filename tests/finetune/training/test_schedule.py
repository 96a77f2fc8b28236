"""Learning rates, the order of the data, and time budgets, by arithmetic alone."""

import itertools

import pytest

from finetune.training.options import TrainingOptions
from finetune.training.schedule import Clock, factor, plan


@pytest.mark.parametrize("schedule", ["cosine", "linear", "wsd", "constant"])
def test_the_rate_rises_in_warm_up_and_never_after(schedule: str) -> None:
    options = TrainingOptions(schedule=schedule, warmup=0.1)  # type: ignore[arg-type]
    points = [factor(place / 1000, options) for place in range(1001)]
    assert points[0] == 0 and points[100] == pytest.approx(1)
    assert all(one < two for one, two in itertools.pairwise(points[:100]))
    assert all(one >= two for one, two in itertools.pairwise(points[100:]))
    assert points[-1] == pytest.approx(1 if schedule == "constant" else 0, abs=1e-9)


def test_wsd_is_constant_until_its_last_fifth() -> None:
    options = TrainingOptions(schedule="wsd", warmup=0.1)
    assert factor(0.79, options) == 1 and factor(0.9, options) == pytest.approx(1 - 0.5**0.5)


def test_every_unit_is_seen_once_an_epoch_in_an_order_of_its_own() -> None:
    options = TrainingOptions(epochs=3, step_targets=10, seed=4)
    steps = plan([3] * 20, options)
    flat = [unit for step in steps for unit in step]
    epochs = [flat[start : start + 20] for start in (0, 20, 40)]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert plan([3] * 20, options) == steps
    assert plan([3] * 20, TrainingOptions(epochs=3, step_targets=10, seed=5)) != steps


def test_a_step_has_the_targets_asked_for_and_none_is_left_out() -> None:
    counts = [7, 1, 30, 2, 2, 9, 4]
    steps = plan(counts, TrainingOptions(step_targets=10))
    assert sorted(unit for step in steps for unit in step) == list(range(7))
    sizes = [sum(counts[unit] for unit in step) for step in steps]
    assert all(size >= 10 for size in sizes[:-1]) and sizes[-1] >= 5


def test_too_little_for_a_step_at_the_end_joins_the_last() -> None:
    assert [len(step) for step in plan([4] * 7, TrainingOptions(step_targets=12))] == [3, 4]
    assert [len(step) for step in plan([4] * 8, TrainingOptions(step_targets=12))] == [3, 3, 2]
    assert plan([1], TrainingOptions(step_targets=100)) == [[0]]


def test_steps_and_parts_of_epochs_bound_a_run() -> None:
    assert len(plan([5] * 100, TrainingOptions(step_targets=5, steps=7))) == 7
    assert len(plan([5] * 100, TrainingOptions(step_targets=5, epochs=0.25))) == 25


def test_without_a_budget_progress_goes_by_steps() -> None:
    clock = Clock(10, None)
    for step in range(10):
        assert not clock.is_over(step) and clock.progress(step) == pytest.approx((step + 0.5) / 10)
        clock.stepped(1000)
    assert clock.is_over(10)


def test_a_budget_ends_the_run_in_time_and_takes_the_schedule_with_it() -> None:
    clock, step, seen = Clock(1000, 1.0), 0, []
    clock.reserve = 5
    while not clock.is_over(step):
        seen.append(clock.progress(step))
        clock.stepped(2.0)
        step += 1
    assert clock.spent + clock.reserve <= 60 and step >= 26
    assert seen == sorted(seen) and seen[-1] > 0.95


def test_a_run_with_time_to_spare_ends_with_the_data() -> None:
    clock = Clock(3, 60.0)
    for _ in range(3):
        clock.stepped(1.0)
    assert clock.is_over(3) and clock.spent == 3


def test_the_first_step_is_taken_even_if_preparing_took_all_the_time() -> None:
    clock = Clock(10, 0.01, spent=100)
    assert not clock.is_over(0)
    clock.stepped(1)
    assert clock.is_over(1)


def test_a_clock_goes_on_as_it_was() -> None:
    one = Clock(100, 1.0)
    one.stepped(2.0)
    one.stepped(4.0)
    one.reserve = 5.0
    other = Clock(100, 1.0)
    other.restore(one.state())
    assert other.progress(2) == one.progress(2) and other.left(2) == one.left(2)
    assert other.state() == one.state()
