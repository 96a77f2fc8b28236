"""Questions about passages of our own making."""

from __future__ import annotations

from agent.prompts import REFUSAL
from finetune.default.lookups import lookups
from finetune.schema import Example

MADE = lookups(5, 300)


def passages(example: Example) -> str:
    return " ".join(example.messages[0]["passages"])


def answer(example: Example) -> str:
    return str(example.messages[1]["content"])


def test_an_answer_stands_in_the_passages_and_about_four_in_ten_have_none() -> None:
    refused = [one for one in MADE if answer(one) == REFUSAL]
    assert 0.3 < len(refused) / len(MADE) < 0.5
    assert all(answer(one) in passages(one) for one in MADE if one not in refused)


def test_no_place_is_left_open() -> None:
    assert not any("{" in passages(one) + str(one.messages[0]["content"]) for one in MADE)


def test_a_seed_gives_the_same_examples_and_another_one_others() -> None:
    assert lookups(5, 30) == MADE[:30]
    assert {one.key for one in lookups(6, 300)}.isdisjoint(one.key for one in MADE)
