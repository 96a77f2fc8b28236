"""Of examples that say the same one remains, the first; what differs in a number stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.dataset.duplicates import deduplicate, jaccard
from finetune.schema import Example
from tests.finetune.dataset.samples import CALCULATOR, SAVE, example, examples

LONG = (
    "The warranty of the Heron pump covers the motor and the turbine for a long time after the day on which it was "
    "bought, provided that the sieve was rinsed as the manual says and nobody but the maker has opened the housing."
)


@settings(max_examples=60, deadline=None)
@given(given_=st.lists(examples, max_size=30), seed=st.integers(0, 3))
def test_a_second_pass_finds_nothing_and_repeating_the_input_adds_nothing(given_: list[Example], seed: int) -> None:
    once = deduplicate(given_, seed=seed)
    again = deduplicate(once.kept, seed=seed)
    assert again.kept == once.kept
    assert (again.exact, again.near, again.contradictory) == (0, 0, 0)
    twice = deduplicate([*given_, *given_], seed=seed)
    assert twice.kept == once.kept
    assert len(given_) == len(once.kept) + once.exact + once.near + once.contradictory
    assert deduplicate(given_, seed=seed) == once


def test_the_first_of_equal_examples_is_kept_whatever_their_case_and_spacing() -> None:
    kept = deduplicate([example("How often?", "Weekly.", source="1"), example("how  often?", " weekly. ", source="2")])
    assert [one.source for one in kept.kept] == ["1"]
    assert kept.exact == 1


def test_another_answer_to_the_same_question_stays() -> None:
    assert len(deduplicate([example("How often?", "Weekly."), example("How often?", "Monthly.")]).kept) == 2


def test_a_text_with_one_word_changed_is_nearly_the_same() -> None:
    near = [example("Tell me.", LONG), example("Tell me.", LONG.replace("housing", "case"))]
    found = deduplicate(near)
    assert (len(found.kept), found.near, found.exact) == (1, 1, 0)
    assert len(deduplicate(near, near=None).kept) == 2


def test_a_text_with_another_number_is_not_the_same() -> None:
    months = [example("Tell me.", f"{LONG} That is {count} months.") for count in (24, 25, 2.5)]
    assert len(deduplicate(months).kept) == 3


def test_short_texts_are_only_compared_exactly() -> None:
    assert len(deduplicate([example("Turn the light on", "on"), example("Turn the light off", "off")]).kept) == 2


def test_what_one_wants_and_the_other_does_not_teaches_nothing() -> None:
    liked, disliked = example("Which?", "Blue.", label=True), example("Which?", "Blue.", label=False)
    found = deduplicate([liked, disliked, example("Where?", "There.")])
    assert [one.messages[0]["content"] for one in found.kept] == ["Where?"]
    assert found.contradictory == 2


def test_the_same_request_before_other_tools_is_another_decision() -> None:
    request = example("Please work out 17*23 for me, then write the result down for the meeting on Monday.", "")
    boxes = [replace(request, tools=tools) for tools in ((CALCULATOR,), (SAVE,), (SAVE,))]
    assert [one.tools for one in deduplicate(boxes).kept] == [(CALCULATOR,), (SAVE,)]


def test_other_calls_are_other_answers() -> None:
    def calling(expression: str) -> Example:
        call = {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"name": "calculator", "arguments": {"e": expression}}],
        }
        return Example(({"role": "user", "content": "Go on."}, call), (CALCULATOR,))

    assert len(deduplicate([calling("1+1"), calling("1+2"), calling("1+1")]).kept) == 2


@pytest.mark.parametrize("share", [0.85, 0.9])
def test_nearly_all_pairs_above_the_limit_are_found(share: float) -> None:
    """Against every pair compared in full, over texts of which a share of the words was kept."""
    chance = np.random.default_rng(1)
    base = [" ".join(chance.choice(list("abcdefghijklmnopqrstuvwxyz"), 4)) for _ in range(30)]
    texts = []
    for number in range(60):
        words = [f"{word.replace(' ', '')}{'x' * number}" for word in base] * 4
        texts.append(" ".join(words))
        changed = [word if chance.random() < 0.99 else "changed" for word in words]
        texts.append(" ".join(changed))
    given_ = [example("Go on.", text) for text in texts]

    def shingles(one: Example) -> np.ndarray:
        words = f"go on {one.messages[-1]['content']}".split()
        runs = {" ".join(words[at : at + 3]) for at in range(len(words) - 2)}
        return np.unique([hash(run) & 0xFFFFFFFF for run in runs])

    pairs = [(one, other) for one, other in zip(given_[::2], given_[1::2], strict=True)]
    above = sum(jaccard(shingles(one), shingles(other)) >= share for one, other in pairs)
    found = deduplicate(given_, near=share)
    assert above > 20
    assert found.near + found.exact >= 0.95 * above
