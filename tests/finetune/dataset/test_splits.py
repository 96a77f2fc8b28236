"""No group and no question is in two parts, whatever the examples; nothing of an evaluation is trained on."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.dataset.splits import check_apart, check_held_out, held_out_in, questions_of, split, without_held_out
from finetune.errors import DatasetError
from finetune.schema import DatasetSplits, Example
from tests.finetune.dataset.samples import CALCULATOR, example, examples

shares = st.sampled_from([0.0, 0.1, 0.3, 0.45])


@settings(max_examples=200, deadline=None)
@given(given_=st.lists(examples, max_size=40), dev=shares, test=shares, seed=st.integers(0, 5))
def test_the_parts_hold_everything_once_and_share_no_group_and_no_question(
    given_: list[Example], dev: float, test: float, seed: int
) -> None:
    parts = split(given_, dev=dev, test=test, seed=seed)
    together = [*parts.train, *parts.dev, *parts.test]
    assert Counter(map(id, together)) == Counter(map(id, given_))
    for mark in (lambda one: one.key, lambda one: one.group):
        marks = [{mark(one) for one in part} - {""} for part in (parts.train, parts.dev, parts.test)]
        assert not marks[0] & marks[1]
        assert not marks[0] & marks[2]
        assert not marks[1] & marks[2]
    assert split(given_, dev=dev, test=test, seed=seed) == parts
    assert not given_ or parts.train


def test_a_question_asked_in_two_threads_ties_them_together() -> None:
    asked = [example("How often?", "Weekly.", "one"), example("how  OFTEN?", "Monthly.", "two")]
    others = [example(f"question {n}", "answer", f"group {n}") for n in range(20)]
    for seed in range(20):
        parts = split([*asked, *others], dev=0.2, test=0.2, seed=seed)
        homes = [name for name in ("train", "dev", "test") for one in getattr(parts, name) if one in asked]
        assert len(set(homes)) == 1


def test_the_shares_are_kept_where_groups_are_small() -> None:
    parts = split([example(f"q{n}", "a", f"g{n % 50}") for n in range(500)], dev=0.1, test=0.2)
    assert 50 <= len(parts.dev) <= 75
    assert 100 <= len(parts.test) <= 150
    assert parts.notes == ()


def test_few_large_groups_still_give_every_part_one() -> None:
    parts = split([example(f"q{n}", "a", f"g{n % 3}") for n in range(60)])
    assert (len(parts.train), len(parts.dev), len(parts.test)) == (20, 20, 20)


def test_one_group_is_for_training_and_that_is_said() -> None:
    parts = split([example(f"q{n}", "a", "thread:1") for n in range(60)])
    assert len(parts.train) == 60
    assert parts.notes == ("No examples for dev and test: all examples belong together.",)


def test_another_seed_gives_other_parts() -> None:
    many = [example(f"q{n}", "a", f"g{n}") for n in range(100)]
    assert len({tuple(one.group for one in split(many, seed=seed).test) for seed in range(5)}) == 5


def test_most_groups_stay_in_their_part_when_others_join() -> None:
    first = split([example(f"q{n}", "a", f"g{n}") for n in range(200)], test=0.2)
    later = split([example(f"q{n}", "a", f"g{n}") for n in range(220)], test=0.2)
    before, after = ({one.group for one in part} for part in (first.test, later.test))
    assert len(before & after) >= 0.8 * len(before)


@pytest.mark.parametrize(("dev", "test"), [(0.5, 0.5), (-0.1, 0.1), (1.0, 0.0)])
def test_shares_that_leave_nothing_are_a_mistake_of_the_caller(dev: float, test: float) -> None:
    with pytest.raises(ValueError, match="nothing to train on"):
        split([example("q", "a")], dev=dev, test=test)


def test_parts_that_share_a_question_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"question of test:how often\? stands in train and in test"):
        check_apart(DatasetSplits((example("How often?", "1", "a"),), (), (example("how often?", "2", "b"),)))
    with pytest.raises(DatasetError, match="group"):
        check_apart(DatasetSplits((example("x", "1", "a"),), (example("y", "2", "a"),)))


def test_an_evaluation_item_in_training_is_refused_by_name() -> None:
    held_out = {example("What is the capital of France?", "Paris").key}
    train = [example("Anything else", "yes"), example("what is the  capital of FRANCE?", "Lyon", source="turn:7")]
    with pytest.raises(DatasetError, match="turn:7") as caught:
        check_held_out(train, held_out)
    assert caught.value.kept
    assert caught.value.fix
    check_held_out(train[:1], held_out)


def test_evaluation_items_are_left_out_of_what_is_trained_on_and_counted() -> None:
    asked, others = example("What is the capital of France?", "Paris"), [example(f"{n}?", "yes") for n in range(4)]
    given_ = DatasetSplits((others[0], asked, asked, others[1]), (asked, others[2]), (asked, others[3]), ("a note",))
    kept = without_held_out(given_, {asked.key})
    assert (kept.train, kept.dev, kept.test) == ((others[0], others[1]), (others[2],), given_.test)
    assert kept.notes[0] == "a note"
    assert kept.notes[1].startswith("2 examples ask") and kept.notes[1].endswith("are left out of train.")
    assert kept.notes[2].startswith("1 example asks") and kept.notes[2].endswith("is left out of dev.")
    assert without_held_out(given_, {"another"}) == given_


def test_an_evaluation_item_in_the_middle_of_a_dialogue_is_found() -> None:
    messages = (
        {"role": "user", "content": "What is 2+2?"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": "Thanks"},
        {"role": "assistant", "content": "You are welcome."},
    )
    held_out = {example("What is 2+2?", "").key}
    assert held_out_in([Example(messages)], held_out)
    context_only = (messages[0], {**messages[1], "weight": 0}, *messages[2:])
    assert not held_out_in([Example(context_only)], held_out), "what is context only is not learned"
    assert len(questions_of(Example(messages))) == 2


def test_the_tools_beside_a_question_do_not_hide_it() -> None:
    held_out = {example("What is 17*23?", "391").key}
    with_tools = Example(example("What is 17*23?", "").messages, (CALCULATOR,))
    with pytest.raises(DatasetError):
        check_held_out([with_tools], held_out)
