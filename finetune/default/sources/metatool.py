"""MetaTool: requests and the one tool that serves each, told apart by descriptions alone; and those that need none.

The data says nothing about arguments, so these tools have none: only the choice is learned from it.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from finetune.default.public_data import chance_of, read_json, tool_schema
from finetune.default.sources.boxes import Box, answered, asked, called, chunks, content_words, related
from finetune.schema import Example

_PER_TOOL = 25  # requests; a few tools have hundreds
_LONGEST = 160  # characters of a request; of a description half of that more


def examples(data: Path, seed: int) -> Iterator[Example]:
    """Boxes of three to eight tools: requests for some of them, and requests for tools that are not there."""
    chance = chance_of(f"metatool-{seed}")
    folder = data / "train" / "metatool"
    told: Mapping[str, str] = {
        name: text.strip() for name, text in read_json(folder / "plugin_des.json").items() if len(text) <= 240
    }
    requests = _requests(folder / "all_clean_data.csv", told, chance)
    for line, row in enumerate(read_json(folder / "Task1.json")):
        if row["label"] == "negative" and len(row["query"]) <= _LONGEST:
            requests.append((f"task1#{line}", row["query"], ""))
    chance.shuffle(requests)
    for number, group in enumerate(chunks(requests, 5, 8, chance)):
        box = _box([tool for _, _, tool in group if tool], told, chance)
        names = {tool["function"]["name"] for tool in box}
        for source, text, tool in group:
            if tool in names:
                yield called(asked(text), [(tool, {})], box, f"metatool:{source}", f"metatool:box{number}")
            elif not related(text, box):
                yield answered(text, "", box, f"metatool:{source}", f"metatool:box{number}")


def _requests(path: Path, told: Mapping[str, str], chance: random.Random) -> list[tuple[str, str, str]]:
    """(source, request, tool), at most `_PER_TOOL` a tool, where the request shares a word with the description."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            text, tool = row["Query"].strip(), row["Tool"]
            usable = tool in told and len(text) <= _LONGEST and not set("[]{}<>") & set(text)
            if usable and content_words(text) & content_words(f"{tool} {told[tool]}"):
                found.setdefault(tool, []).append((f"all_clean#{line}", text, tool))
    return [row for rows in found.values() for row in chance.sample(rows, min(_PER_TOOL, len(rows)))]


def _box(wanted: list[str], told: Mapping[str, str], chance: random.Random) -> Box:
    """Tools of the requests but for one or two, and others; no two of them share a word."""
    kept = list(dict.fromkeys(wanted))
    box: list[dict[str, object]] = []
    for name in kept[: max(1, len(kept) - chance.randint(1, 2))]:
        if not related(f"{name} {told[name]}", box):  # else a request for one may as well be for the other
            box.append(_tool(name, told[name]))
    for name in chance.sample(sorted(told), 12):
        if len(box) < chance.randint(3, 8) and not related(f"{name} {told[name]}", box):
            box.append(_tool(name, told[name]))
    chance.shuffle(box)
    return tuple(box)


def _tool(name: str, told: str) -> dict[str, object]:
    return tool_schema(name.replace("&", "And").replace(" ", "_"), told, {}, ())
