"""Passages are widened by their neighbours within the budget, and stay verbatim stretches of their file."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.widening import join, widen
from knowledge.index import KnowledgeIndex
from knowledge.schema import Passage
from tests.agent.library import library

WORDS = " ".join(["wave"] * 90)
TEXT = (
    "# Sea\n\n" + "\n\n".join(f"Paragraph {number} begins here. {WORDS}" for number in range(6)) + "\n\n## End\n\nDone."
)


def count(text: str) -> int:
    return len(text.split())


class Around:
    """Neighbours from a real index."""

    def __init__(self, index: KnowledgeIndex) -> None:
        self.index = index

    def __call__(self, passage: Passage, before: int, after: int) -> list[Passage]:
        rows = self.index.rows_of(passage.source)
        return self.index.neighbours(int(rows[self.index.ids(rows).index(passage.id)]), before, after)


@pytest.fixture
def around(tmp_path: Path) -> Around:
    index, _ = library(tmp_path, {"sea.md": TEXT})
    return Around(index)


def all_of(around: Around) -> list[Passage]:
    return around.index.passages(around.index.rows_of(next(iter(around.index.sources()))))


def test_a_passage_grows_by_its_neighbours(around: Around) -> None:
    passages = all_of(around)
    assert len(passages) >= 4
    (wide,) = widen([passages[1]], around, 10_000, count)
    assert (wide.start_line, wide.end_line) == (passages[0].start_line, passages[2].end_line)
    lines = Path(wide.source).read_text().split("\n")
    assert wide.text == "\n".join(lines[wide.start_line - 1 : wide.end_line])
    assert wide.id not in {passage.id for passage in passages}
    assert (wide.score, wide.heading) == (passages[1].score, passages[1].heading)


def test_adjacent_hits_become_one(around: Around) -> None:
    passages = all_of(around)
    found = [passages[2], passages[1]]
    wide = widen(found, around, sum(count(passage.text) + 12 for passage in found), count)
    assert [(each.start_line, each.end_line) for each in wide] == [(passages[1].start_line, passages[2].end_line)]


@pytest.mark.parametrize("budget", [0, 100, 250, 400])
def test_the_budget_is_never_exceeded_by_neighbours(around: Around, budget: int) -> None:
    passages = all_of(around)
    found = [passages[0], passages[3]]
    own = sum(count(passage.text) + 12 for passage in found)
    wide = widen(found, around, budget, count)
    assert sum(count(passage.text) for passage in wide) <= max(own, budget)
    for passage in found:
        assert any(passage.text in each.text for each in wide)


def test_what_is_not_contiguous_is_not_joined(around: Around) -> None:
    passages = all_of(around)
    assert join(passages[0], passages[2]) is None
    assert join(passages[-2], passages[-1]) is None  # a heading stands between them
    row = Passage("r", "/t.csv", "name | price", 1, 1, unit="row")
    assert join(row, Passage("s", "/t.csv", "pump | 3", 2, 2, unit="row")) is None
    piece = Passage("p", "/x.txt", "half of a line", 1, 1)
    assert join(piece, Passage("q", "/x.txt", "the other half", 1, 1)) is None


def test_pieces_of_a_long_line_stay_as_they_are(tmp_path: Path) -> None:
    index, _ = library(tmp_path, {"long.md": "One. " * 400 + "  \n\n" + "Two. " * 400})
    around = Around(index)
    passages = all_of(around)
    assert widen(passages[:1], around, 10_000, count) == passages[:1]
    last = [passage for passage in passages if passage.start_line == 1][-1:]
    assert widen(last, around, 10_000, count) == last


def test_no_passage_is_lost_where_the_index_knows_it_no_more(around: Around) -> None:
    stranger = Passage("gone", "/gone.md", "Gone.", 1, 1)
    assert widen([stranger], lambda passage, before, after: [passage], 100, count) == [stranger]
