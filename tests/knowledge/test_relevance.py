"""Whether passages answer a question: sure of the right ones, silent about the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.boosted_trees import load_trees
from knowledge.relevance import FEATURES, MODEL, RELEVANT, confidence, evidence
from knowledge.schema import Passage

HONEY = "Honey is harvested in August. One hive gives about 20 kilograms of honey in a good year."
BOAT = "The mast of the boat is eleven metres tall. Ada Byron built the boat in Bristol."


def found(*cosines: float) -> list[Passage]:
    texts = (HONEY, BOAT)
    return [
        Passage(str(number), "/x", text, 1, 1, similarity=cosine)
        for number, (text, cosine) in enumerate(zip(texts, cosines, strict=False))
    ]


def named(query: str, coverage: float = 0.5) -> dict[str, float]:
    return dict(zip(FEATURES, evidence(query, found(0.5, 0.4), coverage), strict=True))


def test_the_limit_is_the_one_that_was_fitted() -> None:
    assert load_trees(MODEL).limits == {"relevant": RELEVANT}


def test_nothing_found_is_no_confidence() -> None:
    assert confidence("When is honey harvested?", [], 0.0) == 0.0


def test_an_answer_is_told_from_a_stranger() -> None:
    assert confidence("When is honey harvested?", found(0.75, 0.1), 1.0) >= RELEVANT
    assert confidence("Who won the 1998 world cup?", found(0.05, 0.02), 0.0) < RELEVANT
    assert confidence("hello", found(0.2, 0.15), 0.0) < RELEVANT


def test_what_is_asked_for_is_looked_for_beside_the_words() -> None:
    assert named("How many kilograms of honey does one hive give?")["kind_present"] == 1
    assert named("How many people built the boat?")["kind_present"] == 0
    assert named("Who built the boat?")["kind_present"] == 1
    asked = named("When was honey harvested?")
    assert (asked["asks_time"], asked["asks_person"], asked["asks_number"]) == (1, 0, 0)


def test_names_and_numbers_that_stand_nowhere_are_seen() -> None:
    asked = named("Did Captain Ahab build the boat in 1851?")
    assert asked["numbers_absent"] == 1
    assert asked["names_absent"] > 0.4
    assert named("Did engineer Byron build the boat?")["names_absent"] == 0


@given(st.text(max_size=200), st.floats(-1, 1), st.floats(0, 1))
def test_any_query_gets_a_probability(query: str, cosine: float, coverage: float) -> None:
    assert 0 <= confidence(query, found(cosine, 0.0), coverage) <= 1


@pytest.mark.parametrize("count", [1, 2])
def test_features_do_not_depend_on_how_many_were_found(count: int) -> None:
    assert len(evidence("honey", found(0.5, 0.4)[:count], 1.0)) == len(FEATURES)


def test_a_pasted_document_is_judged_by_its_beginning() -> None:
    passages = [Passage("1", "/a.md", "The pump runs at night and rests by day.", 1, 1, similarity=0.6)]
    long = "When does the pump run? " * 250
    assert evidence(long + "Ada ordered 99 hoses. " * 20_000, passages, 0.5) == evidence(long, passages, 0.5)
