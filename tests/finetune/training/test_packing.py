"""Rows of several sequences: nothing is lost, nothing is doubled, and the common beginning is stored once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from finetune.schema import TokenSequence
from finetune.training.packing import bounds_of, pack, visible


@st.composite
def families(draw):
    """Sequences of one to three families, each with a beginning of its own."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        beginning = draw(st.lists(st.integers(0, 9), max_size=6))
        for branch in draw(st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=5), min_size=1, max_size=4)):
            targets = draw(st.lists(st.booleans(), min_size=len(branch), max_size=len(branch)))
            made.append(TokenSequence([*beginning, *branch], [False] * len(beginning) + targets, len(beginning)))
    return made


def sequence_of(row, target):
    """The ids that the token at a place sees, itself included, in the order of their positions."""
    seen = np.flatnonzero(visible(row)[target])
    return list(row.ids[seen[np.argsort(row.positions[seen])]])


@given(families(), st.integers(1, 40))
def test_every_token_sees_exactly_what_came_before_it_in_its_sequence(sequences, budget):
    rows = pack(sequences, budget)
    assert sorted(member for row in rows for member in row.members) == list(range(len(sequences)))
    for row in rows:
        expected = []
        for member in row.members:
            sequence = sequences[member]
            expected += [
                list(sequence.ids[: place + 1])
                for place in range(max(1, sequence.shared), len(sequence.ids))
                if sequence.targets[place]
            ]
        assert [sequence_of(row, target) for target in row.targets] == expected
        assert [sequence_of(row, source) for source in row.sources] == [seen[:-1] for seen in expected]


@given(families(), st.integers(1, 40))
def test_positions_count_from_the_start_of_each_sequence(sequences, budget):
    for row in pack(sequences, budget):
        for place in range(len(row)):
            seen = np.flatnonzero(visible(row)[place])
            assert sorted(row.positions[seen]) == list(range(row.positions[place] + 1))


@given(families(), st.integers(1, 40))
def test_bounds_say_what_each_token_sees(sequences, budget):
    for row in pack(sequences, budget):
        seen = np.zeros((len(row), len(row)), dtype=bool)
        for start, end, first, last in bounds_of(row):
            seen[start:end, first:last] = True
            seen[start:end, start:end] |= np.tri(end - start, dtype=bool)
        assert np.array_equal(seen, visible(row))


@given(families())
def test_a_row_is_as_long_as_its_budget_unless_one_sequence_is_longer(sequences):
    for row in pack(sequences, 12):
        assert len(row) <= 12 or len(row.members) == 1
        assert row.unshared == sum(len(sequences[member].ids) for member in row.members)


def test_a_common_beginning_is_stored_once():
    sequences = [TokenSequence([7] * 10 + [n], [False] * 10 + [True], 10) for n in range(5)]
    [row] = pack(sequences, 100)
    assert len(row) == 15 and row.unshared == 55
    assert list(row.targets) == [10, 11, 12, 13, 14] and set(row.sources) == {9}


def test_equal_beginnings_that_are_not_marked_as_shared_stay_apart():
    sequences = [TokenSequence([7, 7, n], [False, False, True]) for n in range(2)]
    [row] = pack(sequences, 100)
    assert len(row) == 6 and not visible(row)[3:, :3].any()
