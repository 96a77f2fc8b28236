"""What is plainly asked for is seen without a model."""

import pytest

from agent.context import leans_on_history
from agent.intent import fact_to_remember, is_about_oneself, is_question, is_small_talk


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("Remember that my name is Ada.", "my name is Ada."),
        ("please remember: the door code is 4711", "the door code is 4711"),
        ("Can you remember that I live in Oslo?", "I live in Oslo"),
        ("remember my dog is called Rex", "my dog is called Rex"),
        (
            "Remember that the server is called heron. Will moved there.",
            "the server is called heron. Will moved there.",
        ),
        ("Do you remember my name?", None),
        ("What should I remember about CORS?", None),
        ("I remember that film", None),
        ("How does it remember that?", None),
    ],
)
def test_remember(question: str, fact: str | None) -> None:
    assert fact_to_remember(question) == (fact, question if fact is None else "")


@pytest.mark.parametrize(
    ("text", "fact", "question"),
    [
        ("Note that I use Windows. How do I install it?", "I use Windows.", "How do I install it?"),
        ("remember my cat is Tom; what does it eat?", "my cat is Tom;", "what does it eat?"),
        ("Remember that we ship v2.1 today. So which port is it?", "we ship v2.1 today.", "So which port is it?"),
    ],
)
def test_a_question_after_a_fact_is_no_part_of_it(text: str, fact: str, question: str) -> None:
    assert fact_to_remember(text) == (fact, question)


def test_small_talk_and_questions() -> None:
    assert is_small_talk("Hello there!")
    assert not is_small_talk("Hello, how do I install it?")
    assert not is_small_talk("hi" + " " * 200_000 + "x")  # at once, or the test run stalls
    assert is_question("how do I install it")
    assert is_question("Postgres too?")
    assert not is_question("Write a haiku about spring.")


def test_talk_of_oneself() -> None:
    assert is_about_oneself("Where do I live?")
    assert is_about_oneself("What is my name?")
    assert not is_about_oneself("How do I deploy?")
    assert not is_about_oneself("Can you tell me the port?")


def test_what_leans_on_earlier_turns() -> None:
    assert leans_on_history("And how do I delete it?")
    assert leans_on_history("What is my name?")
    assert not leans_on_history("How do I add documents?")
    assert not leans_on_history("Show me the exit codes")
