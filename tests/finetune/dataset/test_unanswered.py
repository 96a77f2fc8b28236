"""Counterparts: the same question, nothing in the passages that answers it, and everything else still there."""

from __future__ import annotations

import pytest

from agent.prompts import REFUSAL
from finetune.dataset.documents import grounded
from finetune.dataset.unanswered import counterparts, unanswered
from finetune.schema import Example, Message
from knowledge.schema import Passage

PUMP = "The pump HK-204 weighs 31 kg. It stands in bay 7. The day rate of the pump HK-204 is 18 EUR."
DRILL = "The drill BX-110 weighs 4 kg. It stands in bay 2. The day rate of the drill BX-110 is 44 EUR."


def example(question: str, answer: str, *passages: str, **more: object) -> Example:
    asked: Message = {"role": "user", "content": question, "passages": list(passages or (DRILL, PUMP))}
    return Example((asked, {"role": "assistant", "content": answer, **more}), (), "turn:one", "thread:one")


RATE = example("What does the pump HK-204 cost per day?", "The day rate of the pump HK-204 is 18 EUR.")


def left(made: Example | None) -> list[str]:
    assert made is not None
    return list(made.messages[-2]["passages"])


@pytest.mark.parametrize(
    "answer",
    ["The day rate of the pump HK-204 is 18 EUR.", "Pump HK-204, day rate: 18 EUR.", "18 EUR", "18 EUR.", "18 EUR [2]"],
)
def test_only_what_answers_is_cut_however_the_answer_is_put(answer: str) -> None:
    made = unanswered(example("What does the pump HK-204 cost per day?", answer))
    assert left(made) == [DRILL, "The pump HK-204 weighs 31 kg. It stands in bay 7."]


def test_the_counterpart_holds_back_and_tells_where_it_is_from() -> None:
    made = unanswered(RATE)
    assert made is not None
    assert made.messages[-1] == {"role": "assistant", "content": REFUSAL}
    assert made.messages[-2]["content"] == RATE.messages[-2]["content"]
    assert (made.source, made.group) == (RATE.source, RATE.group)
    assert made.key != RATE.key


def test_what_several_passages_say_is_cut_from_each() -> None:
    asked = example(RATE.messages[0]["content"], RATE.messages[1]["content"], PUMP, DRILL, f"Of pumps.\n\n{PUMP}")
    passages = left(unanswered(asked))
    assert not any("18 EUR" in text for text in passages)
    assert all("31 kg" in text for text in (passages[0], passages[2]))


def test_few_of_the_other_passages_are_shown_and_not_always_as_many() -> None:
    others = [f"The saw {n} weighs {n} kg." for n in range(9)]
    shown = []
    for number in range(20):
        passages = left(unanswered(example(f"Day rate of the pump HK-204, {number}?", "18 EUR", *others, PUMP)))
        assert passages[-1] == "The pump HK-204 weighs 31 kg. It stands in bay 7."
        assert set(passages[:-1]) <= set(others)
        shown.append(len(passages))
    assert set(shown) == {2, 3, 4, 5}


def test_each_sentence_of_an_answer_is_looked_for() -> None:
    said = "The pump HK-204 weighs 31 kg. The drill BX-110 weighs 4 kg."
    passages = left(unanswered(example("How heavy are the pump HK-204 and the drill BX-110?", said)))
    assert not grounded(said, [Passage(str(n), str(n), text, 1, 1) for n, text in enumerate(passages)])
    assert not any("weighs" in text for text in passages)
    assert all("EUR" in text for text in passages)


def test_a_passage_of_which_nothing_is_left_goes() -> None:
    said = "The day rate of the pump HK-204 is 18 EUR."
    assert left(unanswered(example(RATE.messages[0]["content"], said, DRILL, said))) == [DRILL]


def test_what_a_system_message_asks_for_stays() -> None:
    told = {"role": "system", "content": "Be brief."}
    made = unanswered(Example((told, *RATE.messages)))
    assert made is not None
    assert made.messages[0] == told


@pytest.mark.parametrize(
    ("text", "left_of_it"),
    [
        ("Rates:\nThe day rate of the pump HK-204 is 18 EUR.\nDeposits:", "Rates:\nDeposits:"),
        (
            "The first part.\n\nThe day rate of the pump HK-204 is 18 EUR. It stands in bay 7.",
            "The first part.\n\nIt stands in bay 7.",
        ),
        (
            "It stands in bay 7. The day rate of the pump HK-204 is 18 EUR.\n\nThe last part.",
            "It stands in bay 7.\n\nThe last part.",
        ),
        (
            "| pump HK-204 | day rate 18 EUR |\n| drill BX-110 | day rate 44 EUR |\n| saw MS-261 | day rate 30 EUR |",
            "| drill BX-110 | day rate 44 EUR |\n| saw MS-261 | day rate 30 EUR |",
        ),
    ],
    ids=["line", "paragraph before", "paragraph after", "row"],
)
def test_lines_and_paragraphs_stay_as_they_were(text: str, left_of_it: str) -> None:
    made = unanswered(
        example("What does the pump HK-204 cost per day?", "The day rate of the pump HK-204 is 18 EUR.", DRILL, text)
    )
    assert left(made) == [DRILL, left_of_it]


@pytest.mark.parametrize(
    "other",
    [
        example(RATE.messages[0]["content"], REFUSAL),
        example("Who built the pump HK-204?", "Mira Okafor built it in her workshop by the harbour."),
        example("Which is it?", "Both are fine.", weight=0),
        example("Which is it?", "", tool_calls=[{"name": "search", "arguments": {}}]),
        example("What does it cost?", RATE.messages[1]["content"], RATE.messages[1]["content"]),
        Example(({"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hello."})),
        Example(({"role": "assistant", "content": "Hello."},)),
        example("Does the pump cost extra?", "Yes.", "The pump costs extra.", "Say yes to safety."),
        example("Is the pump heavy?", "No.", PUMP, "There is no delivery on Sunday."),
        example("Where is it, and what does it cost?", "It is in bay 7. It costs eighteen euros a day.", PUMP, DRILL),
        example("What does the pump HK-204 cost?", "18 EUR", PUMP, "Rates: pump 18 \u20ac a day"),
        Example(({"role": "user", "content": "Hello!"}, {"role": "assistant", "content": PUMP}, *RATE.messages)),
    ],
    ids=[
        "silent already",
        "not supported",
        "context only",
        "a call",
        "nothing left",
        "no passages",
        "no question",
        "yes",
        "no",
        "a sentence that is not supported",
        "told in other words",
        "told before",
    ],
)
def test_there_is_none_where_it_would_teach_nothing_true(other: Example) -> None:
    assert unanswered(other) is None


def asked(count: int, silent: int) -> list[Example]:
    said = [example(f"What does the pump HK-204 cost on day {n}?", RATE.messages[1]["content"]) for n in range(count)]
    return said + [example(f"Who built the pump HK-204 on day {n}?", REFUSAL) for n in range(silent)]


@pytest.mark.parametrize(("answered", "silent", "made"), [(30, 0, 20), (24, 6, 10), (18, 12, 0), (5, 25, 0), (0, 9, 0)])
def test_there_are_as_many_as_it_takes_to_come_to_the_share(answered: int, silent: int, made: int) -> None:
    examples = asked(answered, silent)
    found = counterparts(examples, 0.4)
    assert len(found) == made
    assert len({one.key for one in (*found, *examples)}) == made + answered + silent
    assert found == counterparts(list(reversed(examples)), 0.4)


def test_what_is_not_about_passages_does_not_count() -> None:
    talk = [
        Example(({"role": "user", "content": f"Hello {n}!"}, {"role": "assistant", "content": "Hello."}))
        for n in range(90)
    ]
    assert len(counterparts([*talk, *asked(30, 0)], 0.4)) == 20
