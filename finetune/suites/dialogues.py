"""The suite "sgd": places of task dialogues where a call is due, and places where a question to the user is.

Dates and times may be given in any of the ways in which they were said, or as the data writes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finetune.default.sources.said_values import readings
from finetune.default.sources.sgd import boxes
from finetune.default.sources.sgd_services import TODAY
from finetune.evaluation.items import EvaluationItem
from finetune.schema import Example
from finetune.suites.own import items_of


def items(name: str, data: Path, seed: int) -> list[EvaluationItem]:
    """The items of "sgd"; those of the data's small talk are left out."""
    folder = data / "dev" / "sgd"
    found: dict[str, EvaluationItem] = {}
    for example in boxes(folder / "dev.schema.json", folder / "dev.compact.jsonl.gz", "dev", seed):
        item = next(iter(items_of(_decision(example), name)))
        if item.kind == "calls" or example.messages[-1]["content"].endswith("?"):
            found[item.id] = _lenient(item)
    return list(found.values())


def _decision(example: Example) -> Example:
    """The Example up to its first reply that counts: what follows a call is not asked for here."""
    last = next(
        place
        for place, message in enumerate(example.messages)
        if message["role"] == "assistant" and message.get("weight", 1)
    )
    return Example(example.messages[: last + 1], example.tools, example.source, example.group)


def _lenient(item: EvaluationItem) -> EvaluationItem:
    """The item with dates and times in all their readings."""
    if item.kind != "calls":
        return item
    text = "\n".join(message["content"] for message in item.messages)
    calls = [
        {"name": call["name"], "arguments": {key: _any(value, text) for key, value in call["arguments"].items()}}
        for call in item.expected["calls"][0]
    ]
    return EvaluationItem(item.id, item.suite, item.messages, item.tools, {"calls": [calls]})


def _any(value: Any, text: str) -> Any | Mapping[str, Any]:
    if not isinstance(value, str):
        return value
    ways = [value, *readings(value, text, TODAY)]
    ways += [re.sub(r"(?i)^the ", "", way) for way in ways]
    ways = list(dict.fromkeys(ways))
    return {"any": ways} if len(ways) > 1 else value
