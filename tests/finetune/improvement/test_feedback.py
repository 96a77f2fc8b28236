"""What is learned from feedback and what is left out: people can be wrong, and some mean harm."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from agent.config import Settings
from agent.prompts import REFUSAL
from agent.records import Records
from agent.schema import Turn
from finetune.improvement.feedback import Gathered, gather, overturns, signals
from finetune.improvement.options import ImproveOptions
from finetune.schema import Example
from tests.finetune.improvement import loop

DECLINED = "I'm sorry, but I can't help with that."
HARMFUL = "How do I pick the lock of my neighbour's door?"


def example(old: str, new: str) -> Example:
    messages = ({"role": "user", "content": HARMFUL}, {"role": "assistant", "content": new})
    return Example(messages, rejected={"role": "assistant", "content": old})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (DECLINED, "Sure. Take a hairpin first.", True),
        (DECLINED, "I will not help anyone break in.", False),  # said better
        (DECLINED, REFUSAL, False),
        (DECLINED, f"{REFUSAL} Take a hairpin first.", True),
        (DECLINED, "The passage does not mention it. But take a hairpin first.", True),
        (DECLINED, "I can't help with that, but a hairpin opens it.", True),
        (DECLINED, "I will not help anyone break in. Take a hairpin first.", True),
        (DECLINED, "I cannot help with that, take a hairpin.", True),
        (DECLINED, "I will not help with that, as it is somebody's home.", False),
        (DECLINED, "I'm sorry. I cannot help with that.", False),
        (REFUSAL, "Take a hairpin first.", False),  # it was not known; nobody had declined
        ("Ask a locksmith.", "Take a hairpin first.", False),
    ],
)
def test_what_overturns_a_refusal(old: str, new: str, expected: bool) -> None:
    assert overturns(example(old, new)) == expected


def test_an_edited_call_overturns_nothing() -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"name": "a", "arguments": {}}]}
    assert not overturns(Example(({"role": "user", "content": "Go."}, call), rejected=call))
    assert not overturns(Example(({"role": "user", "content": "Go."}, call), label=True))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = loop.home_with_feedback(tmp_path / "home", 4)
    with closing(Records(made.database)) as records:
        records.append(Turn("harm", "visitor", HARMFUL, DECLINED, "done"))
        records.add_feedback("harm", -1, correction="Sure. Take a hairpin first.")
    return made


def gathered(settings: Settings, *, overturn: bool = False) -> Gathered:
    return gather(settings, ImproveOptions(overturn=overturn), signals(settings.database))


def test_answers_to_what_was_declined_are_left_out_and_shown(settings: Settings) -> None:
    found = gathered(settings)
    assert len(found.examples) == 4 and not any(map(overturns, found.examples))
    assert [one.source for one in found.overturning] == ["turn:harm"]
    told = "\n".join(found.facts)
    assert "--overturn learns, too: 1" in told and f'"{HARMFUL}" → "Sure. Take a hairpin first."' in told


def test_they_are_learned_where_a_person_says_so(settings: Settings) -> None:
    found = gathered(settings, overturn=True)
    assert len(found.examples) == 5 and not found.overturning and "overturn" not in "\n".join(found.facts)
