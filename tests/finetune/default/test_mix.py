"""The mix: what is asked in an evaluation is not taught, in these or in like words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from finetune import suites
from finetune.default import mix as module
from finetune.default import talk
from finetune.default.mix import gives_away
from finetune.default.sources.boxes import answered, asked, called, content_words
from finetune.schema import Example, Message

_ITEMS = [content_words("How many days does a week have?"), content_words("Who painted the Mona Lisa?")]


@pytest.mark.parametrize(
    ("question", "leaks"),
    [
        ("A week has how many days?", True),
        ("Quick question: who was it that painted the Mona Lisa?", True),
        ("How many teeth does a shark have?", False),
        ("Who painted my fence green last summer, and with which brush?", False),
        ("", False),
    ],
)
def test_questions_in_like_words_are_known(question: str, leaks: bool) -> None:
    assert gives_away(answered(question, "No.", (), "x", ""), _ITEMS) is leaks


def test_requests_that_need_tools_are_not_held_against_their_words() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {}}}}
    assert not gives_away(called(asked("Who painted the Mona Lisa?"), [("f", {})], (tool,), "x", ""), _ITEMS)


def test_the_mix_drops_them(monkeypatch: pytest.MonkeyPatch) -> None:
    item = suites.load_suite("general", 1)[0]
    leak = answered(f"Tell me: {item.messages[-1]['content']}", "x", (), "leak", "")
    kept = answered("Name a small harbour in Brittany.", "x", (), "kept", "")

    def drawn(name: str, tools: Sequence[object], seed: int) -> Iterator[Example]:
        yield from (leak, kept)

    monkeypatch.setattr(module, "_drawn", drawn)
    monkeypatch.setattr(module, "evaluation_keys", frozenset)
    assert {one.source for one in module.mix(scale=0.1).train} == {"kept"}


def test_a_dialogue_on_the_way_to_which_an_item_is_asked_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    item = suites.load_suite("general", 1)[0]
    more: tuple[Message, ...] = (
        *item.messages,
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "Name a small harbour in Brittany."},
        {"role": "assistant", "content": "Le Conquet."},
    )
    monkeypatch.setattr(module, "_drawn", lambda name, tools, seed: iter([Example(more, (), "leak")]))
    monkeypatch.setattr(module, "evaluation_keys", lambda: frozenset({item.key}))
    assert module.mix(scale=0.1).train == ()


def test_our_own_dialogues_hardly_ask_what_the_suites_ask() -> None:
    items = [
        content_words(module.question_of(item.messages)) for name in suites.BUILT_IN for item in suites.load_suite(name)
    ]
    made = talk.examples()
    assert sum(gives_away(one, items) for one in made) < 0.02 * len(made)
