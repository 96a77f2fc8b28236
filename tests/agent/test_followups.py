"""Follow-up questions take over what they leave out; questions that stand alone stay untouched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.followups import MOST_CARRIED, Focus, accepted, focus_after, is_follow_up, resolve

BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "data"
CORS = Focus(
    "How do I allow CORS in FastAPI?", "1. Use CORSMiddleware\n2. Set allow_origins", ("/d/cors.md",), ("CORS",)
)


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("Why?", "Why? (allow CORS FastAPI)"),
        ("And in Python?", "And in Python? (allow CORS FastAPI)"),
        ("What about WebSockets?", "What about WebSockets? (allow CORS FastAPI)"),
        ("How do I test it?", "How do I test it? (allow CORS FastAPI)"),
        ("Which one is safer?", "Which one is safer? (allow CORS FastAPI)"),
        ("the second", "the second (allow_origins allow CORS FastAPI)"),
        ("Any example?", "Any example? (allow CORS FastAPI)"),
        ("Is that also done by default in CORS?", "Is that also done by default in CORS? (allow FastAPI)"),
    ],
)
def test_a_follow_up_takes_over_the_topic(question: str, query: str) -> None:
    assert resolve(question, CORS) == query


@pytest.mark.parametrize(
    "question",
    [
        "How do I upload a file?",
        "What is dependency injection?",
        "WebSockets",
        "How do I declare a dependency and override it in tests?",
        "Is there a tool that converts the code?",
        "Is it possible to stream a response?",
        "I registered two middlewares. Which of them runs first?",
        "And how do I deploy the application with Docker on a server?",
    ],
)
def test_a_change_of_topic_drags_nothing_along(question: str) -> None:
    assert resolve(question, CORS) == question


def test_questions_that_stand_alone_are_never_changed() -> None:
    lines = (BENCHMARKS / "fastapi_questions.jsonl").read_text().splitlines()
    questions = [json.loads(line)["question"] for line in lines]
    assert len(questions) >= 50
    assert [question for question in questions if is_follow_up(question)] == []


def test_every_follow_up_of_the_labelled_threads_is_seen() -> None:
    threads = [json.loads(line)["turns"] for line in (BENCHMARKS / "followups.jsonl").read_text().splitlines()]
    assert len(threads) >= 40
    assert [turns[-1] for turns in threads if not is_follow_up(turns[-1])] == []
    assert [turns[0] for turns in threads if is_follow_up(turns[0])] == []


def test_without_a_past_nothing_is_added() -> None:
    assert resolve("Why?", Focus()) == "Why?"


def test_long_questions_hand_over_a_few_words_and_keep_names() -> None:
    before = Focus(" ".join(f"alpha{letter} beta{letter}" for letter in "abcdefgh") + " `allow_origins`")
    carried = resolve("Why?", before).split("(")[1].strip(")").split()
    assert len(carried) == MOST_CARRIED
    assert "allow_origins" in carried


def test_what_a_turn_was_about_outlasts_small_talk() -> None:
    cited = [{"source": "/d/cors.md", "heading": "CORS"}]
    state = {"query": "How?", "answer": "So.", "citations": cited, "relevant": True}
    focus = focus_after(state)
    assert (focus.query, focus.sources, focus.headings) == ("How?", ("/d/cors.md",), ("CORS",))
    assert focus_after({"query": "", "focus": focus.to_json()}) == focus
    assert Focus.from_json(json.loads(json.dumps(focus.to_json()))) == focus


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("Question: “How do I test CORS in FastAPI?”", "How do I test CORS in FastAPI?"),
        ("How do I test CORS?\nUse the client.", None),
        ("", None),
        ("The weather in Lima is fine today, isn't it?", None),
        ("CORS " * 200, None),
    ],
)
def test_a_model_s_version_is_taken_only_if_it_is_one(said: str, taken: str | None) -> None:
    assert accepted(said, "How do I test it?", CORS) == taken


def test_a_long_question_is_read_once() -> None:
    assert is_follow_up("so and " * 2800 + "it?")  # quadratic, this would stall the test run
    assert not is_follow_up("pump, " + "so and " * 2800 + "it?")
