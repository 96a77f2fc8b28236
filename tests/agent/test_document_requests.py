"""Questions about whole documents are told from all others, and the document they mean is found or asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.document_requests import Found, Target, find, recognize

DATA = Path(__file__).parent / "data"
BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "data"
ASKED = [line.split("\t") for line in (DATA / "document_requests.tsv").read_text().splitlines()]
OTHERS = (DATA / "other_requests.txt").read_text().splitlines()
SOURCES = ("/d/tutorial/cors.md", "/d/tutorial/middleware.md", "/d/advanced/middleware.md", "/d/api/index.md")


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


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("cors.md", Found(SOURCES[:1])),
        ("tutorial/cors.md", Found(SOURCES[:1])),
        ("CORS", Found(SOURCES[:1])),
        ("middleware.md", Found((SOURCES[2], SOURCES[1]))),
        ("advanced/middleware.md", Found(SOURCES[2:3])),
        ("api", Found(SOURCES[3:])),
        ("Sharing Resources", Found(SOURCES[:1])),
        ("corse.md", Found(SOURCES[:1], known=False)),
        ("zebra.pdf", Found((), known=False)),
    ],
)
def test_the_document_that_a_name_means(name: str, found: Found) -> None:
    titles = {"Sharing Resources": SOURCES[:1]}
    assert find(Target(name), SOURCES, lambda title: titles.get(title, ())) == found


def test_hostile_questions_take_no_time() -> None:
    assert recognize("summarize " * 2000) is None
    assert recognize("compare " + "a.md and " * 30) is None  # at once, or the test run stalls
    assert recognize("please and then so " * 15 + "?") is None
