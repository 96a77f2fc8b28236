"""The part that is never trained on: what belongs together stays together, and enough is on either side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.dataset.splits import questions_of
from finetune.improvement.feedback import LEAST_LEARNED, LEAST_TESTED
from finetune.improvement.holdout import Earlier, hold_out
from finetune.schema import Example
from tests.finetune.dataset.samples import example
from tests.finetune.improvement.loop import question


def made(count: int, per_thread: int = 2) -> list[Example]:
    return [
        example(question(number), f"grove {number}", group=f"thread:{number // per_thread}") for number in range(count)
    ]


def sources(examples: Sequence[Example]) -> set[str]:
    return {one.source for one in examples}


def test_a_third_is_held_out_and_no_conversation_is_torn_apart() -> None:
    divided = hold_out(made(90))
    assert len(divided.test) in range(30, 46)
    assert len(divided.train) + len(divided.test) == 90
    assert not {one.group for one in divided.train} & {one.group for one in divided.test}
    assert not divided.notes


def test_one_long_conversation_is_divided_by_question() -> None:
    divided = hold_out(made(60, per_thread=60))
    assert len(divided.test) >= LEAST_TESTED
    assert len(divided.train) >= LEAST_LEARNED
    assert "questions were held out that are unlike the others" in divided.notes[0]


def test_nearly_the_same_question_is_on_the_same_side() -> None:
    twins = [
        example(
            question(number).replace("nest, by", "build its nest, by the"), f"grove {number}!", group=f"other:{number}"
        )
        for number in range(60)
    ]
    divided = hold_out([*made(60, per_thread=1), *twins])
    tested = {one.messages[-1]["content"].rstrip("!") for one in divided.test}
    learned = {one.messages[-1]["content"].rstrip("!") for one in divided.train}
    assert tested and learned and not tested & learned


def test_a_question_that_another_answer_leans_on_is_on_its_side() -> None:
    plain = made(60, per_thread=1)
    leaning = [
        Example(
            (
                *one.messages[:1],
                one.messages[1] | {"weight": 0},
                {"role": "user", "content": f"Since when, {number}?"},
                {"role": "assistant", "content": f"Since {1900 + number}."},
            ),
            source=f"leaning:{number}",
            group=f"leaning:{number}",
        )
        for number, one in enumerate(plain)
    ]
    divided = hold_out([*plain, *leaning])
    tested = {one.messages[0]["content"] for one in divided.test}
    assert tested.isdisjoint(one.messages[0]["content"] for one in divided.train)


def test_what_was_learned_before_stays_there_and_what_was_held_out_too() -> None:
    first = hold_out(made(60))
    learned, tested = (
        frozenset(key for one in part for key in questions_of(one)) for part in (first.train, first.test)
    )
    second = hold_out(made(120), Earlier(learned, tested))
    assert sources(first.train) <= sources(second.train)
    assert sources(first.test) <= sources(second.test)
    assert len(second.test) > len(first.test), "of what is new, some is held out"


def test_what_an_earlier_run_held_out_is_not_learned_from_where_it_cannot_be_held_out_again() -> None:
    given = made(60)
    learned, tested = ({key for one in part for key in questions_of(one)} for part in (given[:2], given[2:4]))
    joined = [replace(one, group="one thread") if at < 4 else one for at, one in enumerate(given)]
    divided = hold_out(joined, Earlier(frozenset(learned), frozenset(tested)))
    assert {one.key for one in given[:4]} & {one.key for one in divided.train} == learned
    assert "2 questions that an earlier run held out" in divided.notes[0]


LONG = "down to the water and over the bridge and then along the wall to the gate"


@pytest.mark.parametrize(("short", "long"), [(39, 21), (21, 39), (26, 14), (200, 160)])
def test_enough_of_the_larger_kind_is_held_out(short: int, long: int) -> None:
    given = [
        replace(one, messages=(one.messages[0], {"role": "assistant", "content": LONG}))
        if at * long // (short + long) != (at + 1) * long // (short + long)
        else one
        for at, one in enumerate(made(short + long, per_thread=1))
    ]
    divided = hold_out(given)
    kinds = Counter(one.messages[-1]["content"] == LONG for one in divided.test)
    assert kinds[long > short] >= LEAST_TESTED
    assert len(divided.train) >= LEAST_LEARNED
    assert len(divided.test) <= 160


def test_too_few_leave_nothing_held_out() -> None:
    assert hold_out(made(30)).test == ()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 30)), max_size=120))
def test_any_feedback_is_divided_without_loss_and_the_same_way(pairs: list[tuple[int, int]]) -> None:
    examples = [
        example(question(number), "grove", group=f"g{group}", source=f"s{at}")
        for at, (number, group) in enumerate(pairs)
    ]
    divided = hold_out(examples)
    assert sources(divided.train) | sources(divided.test) == sources(examples)
    assert not sources(divided.train) & sources(divided.test)
    assert {one.key for one in divided.train}.isdisjoint(one.key for one in divided.test)
    assert divided == hold_out(examples)
