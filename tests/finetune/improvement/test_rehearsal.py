"""What is rehearsed: a little of everything that can be forgotten, however few examples there are."""

from __future__ import annotations

from collections import Counter

import pytest

from agent.prompts import REFUSAL
from finetune.improvement.rehearsal import rehearsal
from finetune.schema import Example


def kind(example: Example) -> str:
    if example.tools:
        return "tools"
    return "lookups" if "passages" in example.messages[0] else example.source.partition("#")[0]


@pytest.mark.parametrize("count", [10, 60, 100])
def test_every_part_is_rehearsed_in_its_share(count: int) -> None:
    found = rehearsal(count, 0, ())
    kinds = Counter(map(kind, found))
    assert len(found) == count
    assert kinds.pop("tools") == round(0.4 * count)
    assert kinds.pop("lookups") == round(0.3 * count)
    assert sum(kinds.values()) == count - round(0.4 * count) - round(0.3 * count)
    assert {"talk:form", "everyday:requests"} <= set(kinds)
    assert count < 20 or {"talk:refusal", "everyday:howtos", "everyday:twins"} <= set(kinds)


def test_long_answers_are_rehearsed_beside_short_ones() -> None:
    lengths = [
        len(one.messages[-1]["content"].split()) for one in rehearsal(60, 0, ()) if kind(one)[:4] in ("talk", "ever")
    ]
    assert min(lengths) <= 5
    assert max(lengths) >= 25


def test_of_two_questions_about_the_same_passages_one_has_no_answer() -> None:
    asked = [one for one in rehearsal(80, 0, ()) if kind(one) == "lookups"]
    assert len(asked) == 24
    for one, other in zip(asked[::2], asked[1::2], strict=True):
        assert one.messages[0]["passages"] == other.messages[0]["passages"]
        assert [pair.messages[-1]["content"] for pair in (one, other)].count(REFUSAL) == 1


def test_a_harmful_request_is_rehearsed_beside_the_harmless_one_that_it_is_like() -> None:
    twins = [one for one in rehearsal(200, 0, ()) if kind(one) == "everyday:twins"]
    assert len(twins) >= 4
    paired = twins[: len(twins) // 2 * 2]
    assert all(one.group == other.group for one, other in zip(paired[::2], paired[1::2], strict=True))


def test_another_seed_draws_others_and_the_same_seed_the_same() -> None:
    drawn = [{example.key for example in rehearsal(60, seed, ())} for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1]
    assert len(drawn[0] & drawn[2]) < 10


def test_nothing_is_rehearsed_that_will_be_asked() -> None:
    held = {example.key for example in rehearsal(30, 0, ())[::3]}
    assert len(held) == 10
    assert not held & {example.key for example in rehearsal(30, 0, held)}


def test_nothing_is_rehearsed_where_nothing_is_wanted() -> None:
    assert rehearsal(0, 0, ()) == ()
