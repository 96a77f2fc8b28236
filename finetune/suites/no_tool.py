"""The suite "none": general requests before tools that do not serve them, and requests whose tool is not in the box."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from finetune.default.public_data import BOX, chance_of, lines, seal_box, seal_specifications
from finetune.default.sources.boxes import related
from finetune.default.sources.snips_tools import ALIKE
from finetune.evaluation.items import EvaluationItem
from finetune.schema import ToolSchema
from finetune.suites.snips_tools import snips_tools

_LONGEST = 300  # characters of a request


def items(name: str, data: Path, seed: int) -> list[EvaluationItem]:
    """About as many near misses as general requests."""
    near = _near_seal_tools(data, seed) + _near_snips(data, seed)
    return near + list(islice(_general(data, seed), len(near)))


def _item(identity: str, text: str, box: tuple[ToolSchema, ...]) -> EvaluationItem:
    return EvaluationItem(f"none-{identity}", "none", ({"role": "user", "content": text},), box, {"none": True})


def _general(data: Path, seed: int) -> Iterator[EvaluationItem]:
    """What people asked a chat bot, before one to eight tools that share no word with it."""
    known, snips = seal_specifications(data), snips_tools()
    names = list(known)
    asked = lines(data / "dev" / "halueval" / "general_data.json")
    chance_of(f"general-{seed}").shuffle(asked)
    for line in asked:
        text, chance = line["user_query"].strip(), chance_of(f"none-{line['ID']}-{seed}")
        box = seal_box(known, chance.choice(names), chance, chance.randint(1, BOX))
        if chance.random() < 0.3:
            box = tuple(chance.sample(snips, chance.randint(1, len(snips))))
        if len(text) <= _LONGEST and not related(text, box):
            yield _item(f"general-{line['ID']}", text, box)


def _near_seal_tools(data: Path, seed: int) -> list[EvaluationItem]:
    """Requests for one tool before tools of other fields that share no word with them."""
    known = seal_specifications(data)
    names = list(known)
    found = []
    for line in lines(data / "dev" / "seal_tools" / "test_in_domain.jsonl"):
        chance, calls = chance_of(f"away-{line['id']}-{seed}"), line["calling"]
        box = seal_box(known, chance.choice(names), chance, chance.randint(1, BOX))
        if len(calls) == 1 and calls[0]["api"] in known and not related(line["query"], box):
            found.append(_item(line["id"], line["query"], box))
    return found


def _near_snips(data: Path, seed: int) -> list[EvaluationItem]:
    """What is said to a voice assistant that lacks the tool for it, and every tool that could be taken for it."""
    tools = {tool["function"]["name"]: tool for tool in snips_tools()}
    found = []
    for number, line in enumerate(lines(data / "dev" / "snips" / "dev.jsonl"), 1):
        chance = chance_of(f"away-{number}-{seed}")
        taken = {line["intent"]}.union(*(pair for pair in ALIKE if line["intent"] in pair))
        left = [name for name in tools if name not in taken]
        box = tuple(tools[name] for name in chance.sample(left, chance.randint(1, len(left))))
        if number % 3 == 0:
            found.append(_item(f"snips-{number}", line["text"], box))
    return found
