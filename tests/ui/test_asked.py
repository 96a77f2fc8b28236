"""Questions without an answer outlast the server, and no damage to what is kept of them is in anybody's way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from knowledge.schema import SearchFilter
from ui.asked import Asked, AskedQuestions


def test_a_question_is_kept_until_it_is_dropped(tmp_path: Path) -> None:
    questions = AskedQuestions(tmp_path)
    asked = Asked("thread", "What? “é”", {"paths": ["/a/*"], "suffixes": [], "modified_after": 1.5}, "turn")
    questions.keep(asked.here())
    questions.keep(Asked("../other", "And?"))
    found = AskedQuestions(tmp_path).get("thread")
    assert found is not None
    assert (found.thread_id, found.instead, found.at) == ("thread", "turn", asked.at)
    assert found.search_filter == SearchFilter(paths=("/a/*",), modified_after=1.5)
    assert not found.elsewhere
    assert {each.thread_id for each in questions.all()} == {"thread", "../other"}
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "asked"}
    assert (tmp_path / "asked").stat().st_mode & 0o077 == 0
    questions.drop("thread")
    questions.drop("thread")
    assert questions.get("thread") is None
    assert Asked("thread", "What?").search_filter is None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"process": [1, 2], "colour": 1}', '{"process": "x"}', "\0"])
def test_a_damaged_file_is_no_question(tmp_path: Path, content: str) -> None:
    questions = AskedQuestions(tmp_path)
    questions.keep(Asked("thread", "What?"))
    for path in (tmp_path / "asked").iterdir():
        path.write_text(content)
    assert questions.get("thread") is None
    assert questions.all() == []
    questions.keep(Asked("thread", "Again?"))
    assert [asked.question for asked in questions.all()] == ["Again?"]


def test_only_a_living_process_keeps_a_question_from_others() -> None:
    assert not Asked("thread", "What?").elsewhere
    assert not Asked("thread", "What?", process=(os.getpid(), 0.0)).elsewhere
    assert not Asked("thread", "What?", process=(2**30, 1.0)).elsewhere
    assert not Asked("thread", "What?", process=(os.getppid(), 1.0)).elsewhere  # its number went to another


def test_a_home_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "asked").write_text("in the way")
    questions = AskedQuestions(tmp_path)
    questions.keep(Asked("thread", "What?"))
    questions.keep(Asked("thread", "half a character: \udc80"))
    questions.drop("thread")
    assert questions.all() == [] and questions.get("thread") is None
