"""Questions about whole documents are told from all others, and the document they mean is found or asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.document_requests import recognize

DATA = Path(__file__).parent / "data"
BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "data"
ASKED = [line.split("\t") for line in (DATA / "document_requests.tsv").read_text().splitlines()]
OTHERS = (DATA / "other_requests.txt").read_text().splitlines()


def sure(question: str) -> bool:
    """Whether it would be taken for a whole document whatever the collection holds."""
    request = recognize(question)
    return request is not None and all(target.sure for target in request.targets)


@pytest.mark.parametrize(("label", "question"), ASKED)
def test_requests_are_recognized_with_their_targets(label: str, question: str) -> None:
    request = recognize(question)
    assert request is not None
    assert f"{request.kind}:{'|'.join(target.name or '*' for target in request.targets)}" == label


def test_the_labelled_set_is_large_enough() -> None:
    assert len(ASKED) >= 60
    assert len(OTHERS) >= 60


@pytest.mark.parametrize("question", OTHERS)
def test_what_only_sounds_like_a_request_is_left_alone(question: str) -> None:
    request = recognize(question)
    # A bare word ("summarize what …") is taken only where a document bears that name.
    assert request is None or not sure(question)


def test_no_question_of_the_documentation_is_taken_for_one() -> None:
    lines = (BENCHMARKS / "fastapi_questions.jsonl").read_text().splitlines()
    threads = (BENCHMARKS / "followups.jsonl").read_text().splitlines()
    questions = [json.loads(line)["question"] for line in lines]
    questions += [turn for line in threads for turn in json.loads(line)["turns"]]
    assert len(questions) > 100
    assert [question for question in questions if recognize(question)] == []


def test_no_question_about_encyclopedia_articles_is_taken_for_one(shared_data: Path) -> None:
    articles = json.loads((shared_data / "dev" / "squad" / "dev_articles.json").read_text())
    questions = list(_questions(articles))
    assert len(questions) > 1000
    assert [question for question in questions if recognize(question)] == []


def _questions(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["question"]] if isinstance(value.get("question"), str) else []
        return own + [found for each in value.values() for found in _questions(each)]
    return [found for each in value for found in _questions(each)] if isinstance(value, list) else []


def test_hostile_questions_take_no_time() -> None:
    assert recognize("summarize " * 2000) is None
    assert recognize("compare " + "a.md and " * 30) is None  # at once, or the test run stalls
    assert recognize("please and then so " * 15 + "?") is None


@pytest.mark.parametrize(
    ("question", "section", "name"),
    [
        ("Summarize the section Wildcards of cors.md", "Wildcards", "cors.md"),
        ("Summarize the section about preflight requests in cors.md", "preflight requests", "cors.md"),
        ("What does the “Simple requests” section of cors.md say?", "Simple requests", "cors.md"),
        ("Give me an overview of the chapter Setup of this book", "Setup", ""),
    ],
)
def test_a_section_of_a_document_is_told_from_its_name(question: str, section: str, name: str) -> None:
    request = recognize(question)
    assert request is not None
    assert [(target.section, target.name) for target in request.targets] == [(section, name)]


@pytest.mark.parametrize(
    ("question", "kind", "count"),
    [
        ("What are its main points?", "summary", 1),
        ("Summarize it", "summary", 1),
        ("List its headings", "outline", 1),
        ("What changed between them?", "difference", 2),
        ("How do they differ?", "difference", 2),
        ("Compare them", "comparison", 2),
    ],
)
def test_a_pronoun_names_no_document_for_sure(question: str, kind: str, count: int) -> None:
    request = recognize(question)
    assert request is not None
    assert (request.kind, len(request.targets)) == (kind, count)
    assert not any(target.sure or target.name for target in request.targets)
