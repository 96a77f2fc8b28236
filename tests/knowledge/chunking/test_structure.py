from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document

from knowledge.chunking import embedded_text, estimate_tokens, split
from knowledge.schema import Passage


def passages(text: str, budget: int = 180, **metadata: Any) -> list[Passage]:
    return list(split([Document(text, metadata=metadata)], "/a", budget))


def markdown(text: str, budget: int = 180) -> list[Passage]:
    return passages(text, budget, markup="markdown")


CODE = """import os

# How wide it stands.
WIDTH = 3


class Door:
    \"\"\"Opens and closes.\"\"\"

    # Slowly, or it squeaks.
    @property
    def open(self):
        return 1

    def close(self):
        return 2
"""
OUTLINE = [[7, 1, "class Door"], [12, 2, "open"], [15, 2, "close"]]


def test_code_is_split_by_symbol_with_its_comments_and_decorators() -> None:
    found = [(p.heading, p.start_line, p.end_line) for p in passages(CODE, markup="code", outline=OUTLINE)]
    assert found == [
        ("", 1, 4),
        ("class Door", 7, 8),
        ("class Door › open", 10, 13),
        ("class Door › close", 15, 16),
    ]


def test_a_long_symbol_is_parted_at_its_blank_lines() -> None:
    steps = "\n\n".join(f"    step_{n} = prepare(value, {n})\n    store(step_{n})" for n in range(30))
    found = passages(f"def work():\n{steps}\n", markup="code", outline=[(1, 1, "work")])
    assert len(found) > 2
    assert {p.heading for p in found} == {"work"}
    assert all("store" in p.text.splitlines()[-1] for p in found)


def test_underlined_titles_come_as_an_outline() -> None:
    text = "Guide\n=====\n\nWatering\n--------\n\nEvery day.\n\nPruning\n-------\n"
    found = passages(text, outline=[(1, 1, "Guide"), (4, 2, "Watering"), (9, 2, "Pruning")])
    assert [(p.heading, p.start_line) for p in found] == [("Guide › Watering", 4), ("Guide › Pruning", 9)]


ROWS = "\n".join(f"pump {n} | {n * 100} € | in stock" for n in range(2, 60))


def test_rows_carry_their_header_as_context_and_their_own_numbers() -> None:
    found = passages(f"name | price | state\n{ROWS}", markup="table", unit="row", first=1, part="sheet Prices")
    assert found[0].start_line == 2
    assert found[-1].end_line == 59
    assert all(p.heading == "name | price | state" for p in found)
    assert "\n".join(p.text for p in found) == ROWS
    assert embedded_text(found[1]).startswith("sheet Prices › name | price | state\npump")
    assert found[1].locator == f"sheet Prices, rows {found[1].start_line}-{found[1].end_line}"
    assert all(estimate_tokens(embedded_text(p)) <= 180 for p in found)


def test_a_table_of_only_a_header_is_kept() -> None:
    (only,) = passages("name | price", markup="table", unit="row")
    assert (only.text, only.heading) == ("name | price", "")


def test_a_header_too_long_to_repeat_is_text() -> None:
    header = " | ".join(f"column {n}" for n in range(80))
    found = passages(f"{header}\n{ROWS}", markup="table", unit="row")
    assert {p.heading for p in found} == {""}
    assert " ".join(p.text for p in found if p.start_line == 1).split() == header.split()
    assert all(estimate_tokens(embedded_text(p)) <= 180 for p in found)


def test_a_row_too_long_is_cut_and_keeps_the_header() -> None:
    found = passages(f"name | notes\npump | {'It leaks again. ' * 200}", markup="table", unit="row")
    assert len(found) > 3
    assert {(p.heading, p.start_line, p.end_line) for p in found} == {("name | notes", 2, 2)}


def test_a_long_markdown_table_repeats_its_header() -> None:
    rows = "\n".join(f"| pump {n} | {n * 100} € |" for n in range(60))
    found = markdown(f"# Prices\n\nAll of them:\n\n| name | price |\n| --- | --- |\n{rows}\n")
    assert found[0].text == "All of them:"
    assert found[1].text.startswith("| name | price |")
    assert {p.heading for p in found[2:]} == {"Prices › name | price"}


def test_a_long_list_is_parted_between_items() -> None:
    items = "\n".join(f"- Item {n} says something\n  that goes on here." for n in range(60))
    found = markdown(f"# List\n\n{items}\n")
    assert len(found) > 3
    assert all(p.text.startswith("- Item") and p.text.endswith("here.") for p in found)


def test_underlined_headings_are_headings() -> None:
    found = markdown("Guide\n=====\n\nIntro.\n\nWater it\n--------\nEvery day.\n")
    assert [(p.heading, p.text) for p in found] == [("Guide", "Intro."), ("Guide › Water it", "Every day.")]


@pytest.mark.parametrize("text", ["- item\n---\nmore", "---\ntitle: x\n---", "a | b\n---\nc", "two\nlines\n---\nmore"])
def test_other_rules_are_not_headings(text: str) -> None:
    (only,) = markdown(text)
    assert (only.heading, only.text) == ("", text)


def test_what_a_colon_announces_stays_with_it() -> None:
    filler = "\n\n".join("Some words of little weight stand here for a while." for _ in range(8))
    found = markdown(f"{filler}\n\nThe steps are:\n\n1. Open the door.\n2. Walk in.\n\n{filler}\n", budget=90)
    (holder,) = [p for p in found if "The steps are:" in p.text]
    assert "Walk in." in holder.text


def test_spans_of_a_section_are_about_equally_long() -> None:
    text = "\n\n".join(f"This is paragraph {n} of a long section that has no headings." for n in range(31))
    costs = [estimate_tokens(p.text) for p in markdown(text)]
    assert min(costs) > 0.7 * max(costs)


def test_a_long_heading_is_text_too() -> None:
    title = "A heading of a great many words " * 12
    found = markdown(f"# {title}\n\nText.\n")
    assert title.strip() in " ".join(p.text for p in found)
    assert all(estimate_tokens(embedded_text(p)) <= 180 for p in found)


def test_deep_headings_leave_room_for_text() -> None:
    headings = "\n".join(f"{'#' * n} {'Heading of some length ' * 6}{n}" for n in range(1, 7))
    found = markdown(f"{headings}\n\n{'Words of the text. ' * 100}\n")
    assert found[-1].heading.endswith("6")
    assert all(estimate_tokens(embedded_text(p)) <= 180 for p in found)
    assert all(estimate_tokens(p.text) > 40 for p in found)


def test_lines_are_counted_from_the_first() -> None:
    found = passages("one\n\ntwo", first=41, part="message 12", page=None)
    assert [(p.start_line, p.end_line, p.part) for p in found] == [(41, 43, "message 12")]


def test_the_same_words_in_two_parts_are_two_passages() -> None:
    documents = [Document("Agenda", metadata={"part": f"slide {n}"}) for n in (1, 2)]
    found = list(split(documents, "/a.pptx"))
    assert [p.locator for p in found] == ["slide 1, line 1", "slide 2, line 1"]
    assert len({p.id for p in found}) == 2
