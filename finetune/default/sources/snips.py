"""SNIPS: what people say to a voice assistant, before boxes whose tools are named and cut anew for each box."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.default.public_data import chance_of, lines, tool_schema
from finetune.default.sources.boxes import STYLES, Box, Call, asked, called, chunks, occurs, spread
from finetune.default.sources.snips_tools import ALIKE, INTENTS, WHOLE_NUMBERS
from finetune.schema import Example

_UNUSED = 2  # arguments of a tool that no question of its box fills
_SEVERAL = 0.12  # of the questions ask for two things
_AWAY = 0.6  # of the boxes lack an intent that one or two of their questions ask for

Line = Mapping[str, Any]


def examples(data: Path, seed: int) -> Iterator[Example]:
    """One Example a line, some of two lines, in boxes of five to nine."""
    chance = chance_of(f"snips-{seed}")
    known = list(enumerate(lines(data / "train" / "snips" / "train.jsonl"), 1))
    chance.shuffle(known)
    usable = ((number, line) for number, line in known if _clean(line))
    for number, questions in enumerate(chunks(usable, 5, 9, chance)):
        yield from _box(questions, chance, f"snips:box{number}")


def _clean(line: Line) -> bool:
    text = line["text"]
    broken = any(mark in text for mark in ("Ã", "Â", "â€"))  # decoded wrongly by its makers
    return not broken and all(occurs(value, text) for value in line["slots"].values())


@dataclass(frozen=True, slots=True)
class _Tool:
    """A tool of one box: its schema, and slot → argument for the slots it has."""

    schema: Mapping[str, Any]
    arguments: Mapping[str, str]
    integers: frozenset[str]

    def call(self, line: Line) -> Call:
        filled = {
            self.arguments[slot]: int(value) if slot in self.integers else value
            for slot, value in line["slots"].items()
            if slot in self.arguments
        }
        return self.schema["function"]["name"], filled


def _box(questions: Sequence[tuple[int, Line]], chance: random.Random, group: str) -> Iterator[Example]:
    asked_for = sorted({line["intent"] for _, line in questions})
    missing = _missing(asked_for, chance)
    present = [intent for intent in asked_for if intent not in missing]
    others = [intent for intent in INTENTS if intent not in asked_for]
    present += [one for one in chance.sample(others, chance.randint(0, len(others))) if not _alike(one, missing)]
    chance.shuffle(present)
    tools = {
        intent: _tool(intent, [line for _, line in questions if line["intent"] == intent], chance) for intent in present
    }
    box: Box = tuple(tool.schema for tool in tools.values())
    place = 0
    while place < len(questions):
        pair = questions[place : place + 2] if chance.random() < _SEVERAL else questions[place : place + 1]
        place += len(pair)
        calls = [tools[line["intent"]].call(line) for _, line in pair if line["intent"] in tools]
        text = spread([line["text"] for _, line in pair], chance) if len(pair) > 1 else pair[0][1]["text"]
        source = "snips:train#" + "+".join(str(number) for number, _ in pair)
        if all(arguments for _, arguments in calls):
            yield called(asked(text), calls, box, source, group)


def _missing(asked_for: Sequence[str], chance: random.Random) -> set[str]:
    """An intent that is asked for and that no tool of the box serves, with no other that could be taken for it."""
    safe = [one for one in asked_for if not _alike(one, asked_for)]
    return {chance.choice(safe)} if len(asked_for) > 2 and safe and chance.random() < _AWAY else set()


def _alike(intent: str, others: Sequence[str] | set[str]) -> bool:
    return any(intent in pair and (pair - {intent}) & set(others) for pair in ALIKE)


def _tool(intent: str, said: Sequence[Line], chance: random.Random) -> _Tool:
    known = INTENTS[intent]
    used = {slot for line in said for slot in line["slots"]}
    if len(used) > 4 and chance.random() < 0.3:  # a slot that people fill and that the tool does not take
        used -= {chance.choice(sorted(used))}
    unused = [slot for slot in known.slots if slot not in used]
    kept = used | set(chance.sample(unused, min(len(unused), chance.randint(0 if used else 2, _UNUSED))))
    style, plain, described = chance.choice(STYLES), chance.random() < 0.5, chance.random() < 0.5
    integers = frozenset(
        slot
        for slot in kept & WHOLE_NUMBERS
        if all(line["slots"].get(slot, "0").isascii() and line["slots"].get(slot, "0").isdigit() for line in said)
    )
    slots = [slot for slot in known.slots if slot in kept]
    chance.shuffle(slots)
    arguments: dict[str, str] = {}
    properties: dict[str, Any] = {}
    for slot in slots:
        names, meaning = known.slots[slot]
        name = style(names[0] if plain else chance.choice(names))
        arguments[slot] = name
        properties[name] = {"type": "integer" if slot in integers else "string"}
        if described or slot in integers:
            properties[name]["description"] = meaning
    always = [slot for slot in slots if said and all(slot in line["slots"] for line in said)]
    required = [arguments[slot] for slot in always] if chance.random() < 0.6 else []
    schema = tool_schema(style(chance.choice(known.names)), chance.choice(known.told), properties, required)
    return _Tool(schema, arguments, integers)
