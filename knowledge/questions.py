"""A question set about one's own documents: each question with the place that answers it.

    questions.jsonl    {"question": …, "source": …, "part": …, "page": …, "start_line": …, "end_line": …,
                        "text": …, "origin": …}

One question a line, made to be edited: only "question" and "source" are needed, the last two are for the reader.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from knowledge.beir import read_jsonl
from knowledge.errors import QuestionSetError, SourceMissing, StorageError
from knowledge.evaluate import JudgedQuery
from knowledge.schema import Passage

_ANSWER = "answer"
_FORM = 'A line of a question set is {"question": "…", "source": "FILE"}, with start_line and end_line if known.'
_KINDS = {"question": str, "source": str, "part": str, "page": int | None, "start_line": int, "end_line": int}
_NOTES = ("text", "origin")


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the place that answers it.

    Attributes:
        question: what is asked.
        source: absolute path of the file.
        part, page: as in `Passage`; may be empty or None.
        start_line, end_line: the lines that answer it; 0 for anywhere in the file.
        text: what stands there, for the person who edits the set; not used to measure.
        origin: who proposed it, "template" or "model"; empty for a person.
    """

    question: str
    source: str
    part: str = ""
    page: int | None = None
    start_line: int = 0
    end_line: int = 0
    text: str = ""
    origin: str = ""

    @classmethod
    def about(cls, passage: Passage, question: str, origin: str = "") -> Question:
        """A question that a passage answers."""
        place = (passage.part, passage.page, passage.start_line, passage.end_line)
        return cls(question, passage.source, *place, passage.text, origin)

    @property
    def place(self) -> str:
        """Where the answer stands, for people."""
        page = f"page {self.page}" if self.page is not None else ""
        lines = f"{self.start_line}-{self.end_line}" if self.start_line else ""
        return ", ".join(filter(None, (self.source, self.part, page, lines)))

    def answered_by(self, passage: Passage) -> bool:
        """Whether a passage shares lines with the place."""
        if passage.source != self.source:
            return False
        if not self.start_line:
            return True
        same = (passage.part, passage.page) == (self.part, self.page)
        return same and passage.start_line <= self.end_line and passage.end_line >= self.start_line


def save_questions(questions: Sequence[Question], path: Path) -> None:
    """Write a question set as JSONL, one question a line, for a person to edit.

    Raises:
        StorageError: the file exists already, or cannot be written.
    """
    lines = [json.dumps(_record(question), ensure_ascii=False) + "\n" for question in questions]
    try:
        with path.open("x", encoding="utf-8") as file:
            try:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                path.unlink(missing_ok=True)  # half a set would be in the way of the next attempt
                raise
    except FileExistsError as error:
        what = f"{path} exists already; it may hold questions that you edited."
        raise StorageError(what, kept="It was not changed.", fix="Name another file with --out.") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}.") from error


def _record(question: Question) -> dict[str, Any]:
    return {key: value for key, value in asdict(question).items() if value not in ("", None)}


def read_questions(path: Path) -> list[Question]:
    """A question set, as `save_questions` writes it or as a person wrote it: "question" and "source" suffice.

    A relative source is looked for below the folder of the set, then below the working folder.

    Raises:
        SourceMissing: there is no such file.
        QuestionSetError: a line is not a question, or there is none.
    """
    if not path.is_file():
        raise SourceMissing(f"There is no file {path}.", fix="Propose questions with `ratchet knowledge questions`.")
    questions = [_question(record, where, path.parent) for where, record in read_jsonl(path, _FORM)]
    if not questions:
        raise QuestionSetError(f"{path} holds no question.", fix="Propose some with `ratchet knowledge questions`.")
    return questions


def _question(record: dict[str, Any], where: str, folder: Path) -> Question:
    known = {key: record[key] for key in _KINDS if key in record}
    wrong = [key for key, value in known.items() if not isinstance(value, _KINDS[key])]
    wrong += [key for key in ("question", "source") if not str(known.get(key, "")).strip()]
    if wrong:
        raise QuestionSetError(f'{where} cannot be used: "{wrong[0]}" is missing or wrong.', fix=_FORM)
    known["question"] = known["question"].strip()
    known["source"] = _absolute(known["source"], folder)
    known["end_line"] = max(known.get("start_line", 0), known.get("end_line", 0))
    known |= {key: str(record.get(key, "")) for key in _NOTES}
    return Question(**known)


def _absolute(source: str, folder: Path) -> str:
    candidates = [folder / source, Path(source)]
    found = next((path for path in candidates if os.path.exists(path)), candidates[0])
    return os.path.abspath(found)


def judged(questions: Sequence[Question]) -> list[JudgedQuery]:
    """The questions as queries, each with one item to find: its place."""
    return [_judged(number, question) for number, question in enumerate(questions, start=1)]


def _judged(number: int, question: Question) -> JudgedQuery:
    def item(passage: Passage) -> str:
        return _ANSWER if question.answered_by(passage) else passage.id

    return JudgedQuery(str(number), question.question, {_ANSWER: 1}, item, (question.place,))
