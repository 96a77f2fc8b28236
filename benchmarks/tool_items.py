"""Questions with the one tool call that each needs, and questions that need none, from public data.

Seal-Tools: a question, one call, and eight tools to choose from: the right one, three of its field, four of any.
SNIPS: what people say to a voice assistant; its seven intents are the tools, its slots their arguments.
No tool: what people asked a chat bot (HaluEval), before a box of Seal-Tools' and SNIPS' tools in turn. A few of them
could be read as a wish for one of the tools in their box; that costs every way the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.default.public_data import DATA, lines, seal_box, seal_specifications
from finetune.suites.snips_tools import snips_tools


@dataclass(frozen=True, slots=True)
class Item:
    """A question before a box of tools.

    Attributes:
        tools: their schemas in OpenAI's form.
        name: of the right tool; empty when none is needed.
        arguments: of the right call.
    """

    id: str
    question: str
    tools: tuple[dict[str, Any], ...]
    name: str = ""
    arguments: Mapping[str, Any] | None = None


def load(name: str, limit: int, data: Path = DATA) -> list[Item]:
    """Items of "seal_tools", "snips" or "none", in an order of their own that does not depend on `limit`."""
    items = {"seal_tools": _seal_tools, "snips": _snips, "none": _none}[name](data)
    random.Random(name).shuffle(items)
    return items[:limit] if limit else items


def _seal_tools(data: Path) -> list[Item]:
    known = seal_specifications(data)
    items = []
    for line in lines(data / "dev" / "seal_tools" / "test_in_domain.jsonl"):
        if len(line["calling"]) == 1:
            call = line["calling"][0]
            box = seal_box(known, call["api"], random.Random(line["id"]))
            items.append(Item(line["id"], line["query"], box, call["api"], call["parameters"]))
    return items


def _snips(data: Path) -> list[Item]:
    tools = snips_tools()
    known = lines(data / "dev" / "snips" / "dev.jsonl")
    return [
        Item(f"snips-{number}", line["text"], tools, line["intent"], line["slots"]) for number, line in enumerate(known)
    ]


def _none(data: Path) -> list[Item]:
    known, snips = seal_specifications(data), snips_tools()
    names = list(known)
    items = []
    for number, line in enumerate(lines(data / "dev" / "halueval" / "general_data.json")):
        source = random.Random(f"none-{number}")
        box = seal_box(known, source.choice(names), source) if number % 2 else snips
        items.append(Item(f"none-{number}", line["user_query"], box))
    return items
