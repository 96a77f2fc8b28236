"""What a sentence claims, and how alike two claims are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.antonyms import antonyms
from knowledge.boosted_trees import BoostedTrees
from knowledge.claims import claim_of, content_words, denies, written
from knowledge.likeness import FEATURES, _close, features
from knowledge.spans import SpanIndex, sentences_of, spans_of


def alike(sentence: str, text: str) -> dict[str, float]:
    span = claim_of(text)
    return dict(zip(FEATURES, features(claim_of(sentence), span, span.words, {}), strict=True))


def test_numbers_are_the_same_however_they_are_written() -> None:
    assert claim_of("1,234 of twelve").numbers == {"1234", "12"}
    assert claim_of("LST-510 has 3.5 litres").numbers == {"510", "3.5"}
    assert content_words("It costs 1,234 euros.") == content_words("it costs 1234 euro")


def test_names_are_capitals_that_no_sentence_begins_with() -> None:
    assert claim_of("The engineer Ada Byron. Built it in Oxford.").names == {"ada", "byron", "oxford"}
    assert claim_of("Marie Curie was there.").names == {"mari", "curi"}
    assert claim_of("Bananas are rich.").names == frozenset()


def test_words_are_given_back_as_they_were_written() -> None:
    missing = claim_of("The Mayor's bridges collapsed").words
    assert written("The Mayor's bridges collapsed", missing) == ["Mayor's", "bridges", "collapsed"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("It does not store passwords.", "It stores passwords.", True),
        ("No key is needed.", "A key is needed.", True),
        ("It isn't stored here.", "It is stored here.", True),
        ("It does not store passwords.", "Passwords are never stored.", False),
        ("It does not store passwords.", "It reads names.", False),
    ],
)
def test_a_denial_is_of_the_words_that_follow_it(one: str, other: str, expected: bool) -> None:
    assert denies(claim_of(one), claim_of(other)) is expected
    assert denies(claim_of(other), claim_of(one)) is False


def test_features_see_what_was_changed() -> None:
    text = "Marie Curie discovered polonium before 1900."
    same = alike(text, text)
    assert (same["coverage"], same["run"], same["numbers_missing"], same["uncovered"]) == (1, 1, 0, 0)
    assert alike("Marie Curie discovered polonium before 1901.", text)["number_changed"] == 1
    assert alike("Marie Curie discovered polonium after 1900.", text)["opposite"] == 1
    assert alike("Marie Curie discovered radium before 1900.", text)["replaced"] == 1
    assert alike("I think Pierre Curie discovered polonium before 1900.", text)["name_changed"] == 1
    swapped = alike("In Rome Kaufmann praised Byron.", "In Rome Byron praised Kaufmann.")
    assert (swapped["names_swapped"], swapped["coverage"]) == (1, 1)


def test_opposites_go_both_ways() -> None:
    table = antonyms()
    assert all(word in table[other] for word, others in table.items() for other in others)


@given(st.text(max_size=200), st.text(max_size=200))
def test_features_are_numbers_for_any_text(sentence: str, text: str) -> None:
    claim, span = claim_of(sentence), claim_of(text)
    if claim.words:
        values = features(claim, span, span.words, {})
        assert len(values) == len(FEATURES)
        assert all(0 <= value < 10 for value in values)


def test_the_nearest_span_holds_the_telling_words() -> None:
    texts = ["Honey is harvested in August. Bees sleep in winter.", "The mast is eleven metres tall."]
    index = SpanIndex(texts)
    found = index.nearest(claim_of("How tall is the mast?"), None)
    assert found is not None and found[0] == 1
    assert index.nearest(claim_of("zebra"), None) is None
    assert SpanIndex([]).nearest(claim_of("zebra"), None) is None


def test_trees_add_up_the_tables_they_end_in() -> None:
    tree = ((0, 1), (0.5, 0.5), (-1.0, 0.0, 0.0, 2.0))
    model = BoostedTrees(0.0, (tree, tree), {})
    assert model.probability([1.0, 1.0]) == pytest.approx(1 / (1 + 2.718281828**-4))
    assert model.probability([0.0, 0.0]) == pytest.approx(1 / (1 + 2.718281828**2))
    assert model.probability([0.0, 1.0]) == 0.5


def test_sentences_after_a_table_are_kept() -> None:
    text = "| part | price |\n| filter | 12 |\n| seal | 4 |\nThe filter comes by post. It is blue."
    said = [text[span.start : span.end] for span in sentences_of(text)]
    assert said[-2:] == ["The filter comes by post.", "It is blue."]
    assert spans_of(text)[: len(said)] == sentences_of(text)


def test_long_texts_of_few_words_are_compared_at_once() -> None:
    claim = claim_of("pump filter " * 2000)
    span = claim_of("pump " * 200 + "gap " * 5 + "filter " * 200)
    assert features(claim, span, span.words, {})[0] == 1  # quadratic, this would stall the test run


@given(st.lists(st.integers(0, 60)), st.lists(st.integers(0, 60)), st.integers(0, 5))
def test_nearness_is_that_of_any_two_places(one: list[int], other: list[int], within: int) -> None:
    expected = any(abs(a - b) <= within for a in one for b in other)
    assert _close(sorted(one), sorted(other), within) is expected


def test_what_is_turned_off_is_not_turned_on() -> None:
    assert alike("The switch turns the heater off.", "The switch turns the heater on.")["opposite"] == 1
    assert alike("Turn it off on Monday.", "Turn it off.")["opposite"] == 0
