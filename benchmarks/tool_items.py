"""Questions with the one tool call that each needs, and questions that need none, from public data.

Seal-Tools: a question, one call, and eight tools to choose from: the right one, three of its field, four of any.
SNIPS: what people say to a voice assistant; its seven intents are the tools, its slots their arguments.
No tool: what people asked a chat bot (HaluEval), before a box of Seal-Tools' and SNIPS' tools in turn. A few of them
could be read as a wish for one of the tools in their box; that costs every way the same.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.workspace import ROOT

DATA = ROOT.parent / "shared" / "data"
BOX = 8
_SAME_FIELD = 3
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}
# Intent → what it does, and its slots; the words are ours, as the data set has names only.
SNIPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "AddToPlaylist": (
        "Add a song, album or artist to a playlist.",
        ("music_item", "playlist", "playlist_owner", "artist", "entity_name"),
    ),
    "BookRestaurant": (
        "Book a table at a restaurant.",
        ("restaurant_name", "restaurant_type", "cuisine", "served_dish", "city", "state", "country", "timeRange")
        + ("party_size_number", "party_size_description", "spatial_relation", "poi", "facility", "sort"),
    ),
    "GetWeather": (
        "Get the weather forecast for a place and a time.",
        ("city", "state", "country", "timeRange", "condition_description", "condition_temperature")
        + ("current_location", "geographic_poi", "spatial_relation"),
    ),
    "PlayMusic": (
        "Play music by an artist, a track, an album or a genre.",
        ("artist", "album", "track", "genre", "playlist", "service", "year", "sort", "music_item"),
    ),
    "RateBook": (
        "Rate a book with points or stars.",
        ("object_name", "object_type", "object_select", "object_part_of_series_type", "rating_value", "best_rating")
        + ("rating_unit",),
    ),
    "SearchCreativeWork": (
        "Find a creative work by its title: a book, song, show, game or picture.",
        ("object_name", "object_type"),
    ),
    "SearchScreeningEvent": (
        "Find movie times and cinemas showing a film.",
        ("movie_name", "movie_type", "object_type", "object_location_type", "location_name", "timeRange")
        + ("spatial_relation",),
    ),
}


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


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _seal_tools(data: Path) -> list[Item]:
    known = _seal_specifications(data)
    items = []
    for line in _lines(data / "dev" / "seal_tools" / "test_in_domain.jsonl"):
        if len(line["calling"]) == 1:
            call = line["calling"][0]
            box = _box(known, call["api"], random.Random(line["id"]))
            items.append(Item(line["id"], line["query"], box, call["api"], call["parameters"]))
    return items


def _snips(data: Path) -> list[Item]:
    tools = snips_tools()
    lines = _lines(data / "dev" / "snips" / "dev.jsonl")
    return [
        Item(f"snips-{number}", line["text"], tools, line["intent"], line["slots"]) for number, line in enumerate(lines)
    ]


def _none(data: Path) -> list[Item]:
    known, snips = _seal_specifications(data), snips_tools()
    names = list(known)
    items = []
    for number, line in enumerate(_lines(data / "dev" / "halueval" / "general_data.json")):
        source = random.Random(f"none-{number}")
        box = _box(known, source.choice(names), source) if number % 2 else snips
        items.append(Item(f"none-{number}", line["user_query"], box))
    return items


def _seal_specifications(data: Path) -> dict[str, dict[str, Any]]:
    return {line["api_name"]: line for line in _lines(data / "train" / "seal_tools" / "tool.jsonl")}


def _box(known: Mapping[str, dict[str, Any]], name: str, source: random.Random) -> tuple[dict[str, Any], ...]:
    """The named tool, three of its field and others, in any order."""
    field = known[name]["field"]
    near = [other for other, line in known.items() if line["field"] == field and other != name]
    box = [name, *source.sample(near, min(_SAME_FIELD, len(near)))]
    names = list(known)
    while len(box) < BOX:
        other = source.choice(names)
        if other not in box:
            box.append(other)
    source.shuffle(box)
    return tuple(_seal_schema(known[each]) for each in box)


def _seal_schema(line: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        name: {"type": _TYPES.get(given.get("type", ""), "string"), "description": given.get("description", "")}
        for name, given in line["parameters"].items()
    }
    required = [name for name in line["required"] if name in properties]
    return _schema(line["api_name"], line["api_description"], properties, required)


def snips_tools() -> tuple[dict[str, Any], ...]:
    """SNIPS' seven intents as tools."""
    return tuple(
        _schema(name, told, {slot: {"type": "string"} for slot in slots}, ()) for name, (told, slots) in SNIPS.items()
    )


def _schema(name: str, told: str, properties: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": dict(properties), "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": told, "parameters": parameters}}
