"""Public data sets, read from a folder beside the checkout: their lines, and what several uses of them share."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
BOX = 8
_SAME_FIELD = 3
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines, compressed or not."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in raw.decode("utf-8").splitlines()]


def read_json(path: Path) -> Any:
    """The value of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def tool_schema(name: str, told: str, properties: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    """A tool in OpenAI's form."""
    parameters = {"type": "object", "properties": dict(properties), "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": told, "parameters": parameters}}


class SealTools(dict[str, dict[str, Any]]):
    """Seal-Tools' specifications by name.

    Attributes:
        fields: the names of the tools of each field.
    """

    def __init__(self, specifications: Sequence[dict[str, Any]]) -> None:
        super().__init__((line["api_name"], line) for line in specifications)
        self.fields: dict[str, list[str]] = {}
        for name, line in self.items():
            self.fields.setdefault(line["field"], []).append(name)


def seal_specifications(data: Path) -> SealTools:
    """All of Seal-Tools' specifications, those of its development questions included."""
    return SealTools(lines(data / "train" / "seal_tools" / "tool.jsonl"))


def seal_schema(line: Mapping[str, Any]) -> dict[str, Any]:
    """A specification of Seal-Tools in OpenAI's form."""
    properties = {
        name: {"type": _TYPES.get(given.get("type", ""), "string"), "description": given.get("description", "")}
        for name, given in line["parameters"].items()
    }
    required = [name for name in line["required"] if name in properties]
    return tool_schema(line["api_name"], line["api_description"], properties, required)


def seal_box(known: SealTools, name: str, chance: random.Random, size: int = BOX) -> tuple[dict[str, Any], ...]:
    """The named tool of Seal-Tools, up to three of its field and others, in any order."""
    return seal_boxes(known, [name], chance, size)


def seal_boxes(
    known: SealTools, wanted: Sequence[str], chance: random.Random, size: int = BOX
) -> tuple[dict[str, Any], ...]:
    """All of the named tools, up to three of the first one's field and others, in any order."""
    near = [other for other in known.fields[known[wanted[0]]["field"]] if other not in wanted]
    box = [*wanted, *chance.sample(near, min(_SAME_FIELD, len(near), max(0, size - len(wanted))))]
    names = list(known)
    while len(box) < size:
        other = chance.choice(names)
        if other not in box:
            box.append(other)
    chance.shuffle(box)
    return tuple(seal_schema(known[each]) for each in box)


def chance_of(seed: str) -> random.Random:
    """Draws that are the same for the same seed."""
    return random.Random(seed)  # noqa: S311 - nothing secret depends on it
