from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from knowledge.errors import QuestionSetError, SourceMissing, StorageError
from knowledge.questions import Question, judged, read_questions, save_questions
from knowledge.schema import Passage


def passage(start: int, end: int, source: str = "/docs/a.md", part: str = "", page: int | None = None) -> Passage:
    return Passage(f"{source}{part}{start}", source, "text", start, end, page, "", part)


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    asked = [
        Question("Wie weit?", "/docs/a.md", start_line=3, end_line=9, text="Zeile »eins«\nzwei"),
        Question.about(passage(4, 4, "/docs/b.pdf", page=2), "How far?"),
        Question("Where?", "/docs/c.xlsx", part="sheet Prices", start_line=7, end_line=7),
    ]
    save_questions(asked, tmp_path / "q.jsonl")
    assert read_questions(tmp_path / "q.jsonl") == asked


def test_an_edited_set_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text("edited", encoding="utf-8")
    with pytest.raises(StorageError, match="exists already"):
        save_questions([Question("a?", "/a")], path)
    assert path.read_text(encoding="utf-8") == "edited"


def test_a_person_may_write_question_and_file_only(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").touch()
    (tmp_path / "q.jsonl").write_text('{"question": " How? ", "source": "docs/a.md"}\n\n', encoding="utf-8")
    (only,) = read_questions(tmp_path / "q.jsonl")
    assert (only.question, only.source) == ("How?", str(tmp_path / "docs" / "a.md"))
    assert only.answered_by(passage(70, 80, only.source))
    assert not only.answered_by(passage(70, 80, "/docs/b.md"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not JSON"),
        ('{"question": "a?"}', '"source"'),
        ('{"question": "", "source": "a"}', '"question"'),
        ('{"question": "a?", "source": "a", "start_line": "3"}', '"start_line"'),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "q.jsonl").write_text(f'{{"question": "a?", "source": "a"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(QuestionSetError, match=said) as caught:
        read_questions(tmp_path / "q.jsonl")
    assert "line 2" in caught.value.what


def test_no_set_and_an_empty_set_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing):
        read_questions(tmp_path / "q.jsonl")
    (tmp_path / "q.jsonl").touch()
    with pytest.raises(QuestionSetError, match="no question"):
        read_questions(tmp_path / "q.jsonl")


def test_an_answer_is_a_passage_that_shares_lines_with_the_place() -> None:
    (query,) = judged([Question("How?", "/docs/a.md", start_line=10, end_line=20)])
    relevant = [
        query.gains.get(query.item(hit), 0) for hit in (passage(1, 9), passage(5, 10), passage(20, 30), passage(21, 30))
    ]
    assert relevant == [0, 1, 1, 0]
    assert query.expected == ("/docs/a.md, 10-20",)


def test_lines_of_another_page_or_part_are_other_lines() -> None:
    question = Question.about(passage(1, 5, page=3), "How?")
    assert not question.answered_by(passage(1, 5, page=4))
    assert question.answered_by(passage(5, 9, page=3))
    sheet = Question.about(passage(1, 5, part="sheet A"), "How?")
    assert not sheet.answered_by(passage(1, 5, part="sheet B"))


def test_a_line_is_easy_to_edit(tmp_path: Path) -> None:
    save_questions([Question.about(passage(4, 8), "Größe?")], tmp_path / "q.jsonl")
    line = (tmp_path / "q.jsonl").read_text(encoding="utf-8")
    assert "Größe?" in line
    assert list(json.loads(line)) == ["question", "source", "start_line", "end_line", "text"]


def test_half_a_set_is_not_left_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "questions.jsonl"
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        save_questions([Question("How high?", "/mast.md")], path)
    assert not path.exists()


def test_a_source_of_any_length_is_only_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps({"question": "How high?", "source": "a" * 5_000}))
    (question,) = read_questions(path)
    assert question.source.endswith("aaaa")
