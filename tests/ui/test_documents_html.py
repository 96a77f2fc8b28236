"""Names, failures and passages of documents are shown as text, whatever they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowledge.index import FileEntry
from knowledge.schema import FileFailure, IngestReport, Passage
from tests.ui.allowed import parsed
from ui.documents_html import failures_html, files_html, ranks_html, report_text, size_of, status_of
from ui.search_ranks import SearchRanks, Standing

HOSTILE = "/docs/<img src=x onerror=alert(1)>\u202e![a](http://evil.example/x).md"


def entry(source: str = "/docs/pump.md", passages: int = 3, failure: str = "") -> FileEntry:
    return FileEntry(source, "0" * 64, 1500, 1_700_000_000_000_000_000, passages, failure)


def standing(text: str, **places: int | None) -> Standing:
    passage = Passage("id", HOSTILE, text, 1, 2, heading="Top › <b>Deep</b>")
    found = {"meaning": 1, "words": None, "fused": 2} | places
    return Standing(passage, found["meaning"], found["words"], found["fused"], 0.5, 0.0, 0.7, True)


def test_names_of_files_are_text() -> None:
    page = parsed(files_html([entry(HOSTILE), entry(failure="It is <b>encrypted</b>.")]))
    assert "<img src=x onerror=alert(1)>" in page.get_text() and "\\u202e" in page.get_text()
    assert "Cannot be read: It is <b>encrypted</b>." in page.get_text()
    assert "1.5 kB" in page.get_text() and "2023-11-" in page.get_text()


def test_how_a_file_stands() -> None:
    assert status_of(entry()) == "3 passages"
    assert status_of(entry(passages=0)) == "No text in it"


@pytest.mark.parametrize(("size", "told"), [(1, "1 byte"), (999, "999 bytes"), (2_500_000, "2.5 MB")])
def test_sizes_are_for_people(size: int, told: str) -> None:
    assert size_of(size) == told


def test_ranks_stand_side_by_side_with_the_words_found() -> None:
    ranks = SearchRanks("rinse the filter", ("rins", "filter"), (), True, 0.9, 0.1)
    text = "Rinsed filters <script>alert(1)</script> last."
    page = parsed(ranks_html(ranks, [standing(text)]))
    assert [cell.get_text() for cell in page.find_all("td")[1:]] == ["1 (0.50)", "–", "2 (0.70)"]
    assert {mark.get_text() for mark in page.find_all("mark")} == {"Rinsed", "filters"} or page.find("mark")
    assert "given to the model" in page.get_text() and "<script>alert(1)</script>" in page.get_text()
    assert page.find(title="not among the first 10") is not None


def test_a_query_without_words_marks_nothing() -> None:
    ranks = SearchRanks("?! a", (), (), False, 0.0, 0.1)
    assert parsed(ranks_html(ranks, [standing("a b ?!")])).find("mark") is None


def test_failures_are_listed_up_to_a_number() -> None:
    assert failures_html([]) == ""
    page = parsed(failures_html([FileFailure(f"/docs/{number}.md", "It is empty.") for number in range(300)]))
    assert "and 100 more" in page.get_text()


def test_a_report_says_what_was_done() -> None:
    failed = (FileFailure(str(Path("/docs/a.md")), "It is empty."),)
    report = IngestReport(2, 0, 1, 0, failed, 40, 40, 1.25, skipped=3)
    told = report_text(report)
    assert told == (
        "2 added · 1 unchanged · 1 could not be read · 3 of kinds that cannot be read · "
        "40 passages in the collection · 1.2 s"
    )
    assert "No documents" in report_text(IngestReport(0, 0, 0, 0, (), 0, 0, 0.1))
