"""Seal-Tools: requests and the calls they need, where every value can be read off the request."""

from __future__ import annotations

import calendar
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.default.public_data import chance_of, lines, seal_schema, seal_specifications
from finetune.default.sources.boxes import (
    Box,
    Call,
    asked,
    called,
    chunks,
    content_words,
    occurs,
    related,
    spread,
    words,
)
from finetune.schema import Example

_MOST = 8
_WHOLE = 0.4  # of the requests for several things are kept whole, beside their sentences
_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z])")
_LINK = re.compile(
    r"^(?:(?:Then|Next|Finally|Lastly|Also|Additionally|Furthermore|After that|Afterwards|In addition|Moreover|First"
    r"|Firstly|Secondly|Second|Third|Thirdly),? )(?:and )?"
)
_VAGUE = re.compile(r"\b(specif(?:ic|ied)|certain|given|particular|unspecified)\b", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")


def examples(data: Path, seed: int) -> Iterator[Example]:
    """Three to five requests a box of up to eight tools; about every sixth request fits no tool of its box."""
    chance = chance_of(f"seal_tools-{seed}")
    known = seal_specifications(data)
    usable = []
    for line in lines(data / "train" / "seal_tools" / "dev.jsonl"):
        usable += [
            (part, calls)
            for part in _parts(line, chance)
            if (calls := exact_calls(part, known)) and len(calls) <= _MOST
        ]
    chance.shuffle(usable)
    for number, group in enumerate(_groups(usable, chance)):
        yield from _box(group, usable, known, chance, f"seal_tools:box{number}")


def _parts(line: Mapping[str, Any], chance: random.Random) -> Iterator[Mapping[str, Any]]:
    """The line, and from one of several calls the sentences that ask for one or two of them and nothing else."""
    calls = line["calling"]
    if len(calls) == 1 or chance.random() < _WHOLE:
        yield line
    if len(calls) == 1:
        return
    alone = [(_LINK.sub("", sentence), call) for sentence in _SENTENCE.split(line["query"]) for call in calls]
    alone = [(sentence, call) for sentence, call in alone if _asks(sentence, call, calls)]
    for number, (sentence, call) in enumerate(alone):
        yield {"id": f"{line['id']}.{number}", "query": sentence[:1].upper() + sentence[1:], "calling": [call]}
    if len(alone) >= 2 and alone[0][0] != alone[1][0] and alone[0][1] is not alone[1][1]:
        (first, one), (second, other) = alone[:2]
        both = spread([first, second], chance)
        yield {"id": f"{line['id']}.pair", "query": both[:1].upper() + both[1:], "calling": [one, other]}


def _asks(sentence: str, call: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a sentence has all values of a call, a word of its name, and no value of another call."""
    others = [value for other in calls if other is not call for value in other["parameters"].values()]
    told = content_words(call["api"]) & content_words(sentence)
    own = call["parameters"].values()
    foreign = any(occurs(value, sentence) for value in others if value not in own)
    back = re.search(r"(?i)\b(same|it|its|this|these|those|above|previous|also be|their)\b", sentence)
    return bool(told) and not foreign and not back and all(occurs(value, sentence) for value in own)


def exact_calls(line: Mapping[str, Any], known: Mapping[str, Any]) -> list[Call] | None:
    """The calls of a line with values of their types, or None where some value cannot be read off the request."""
    calls: list[Call] = []
    for call in line["calling"]:
        arguments = _typed(call, known.get(call["api"]), line["query"])
        if arguments is None:
            return None
        calls.append((call["api"], arguments))
    return calls


def _typed(call: Mapping[str, Any], specification: Any, query: str) -> dict[str, Any] | None:
    if specification is None or not call["parameters"]:
        return None
    schema = seal_schema(specification)["function"]["parameters"]
    arguments = {}
    for name, value in call["parameters"].items():
        kind = schema["properties"].get(name, {}).get("type")
        typed = _as(kind, value)
        if kind is None or typed is None or not _said(name, typed, query):
            return None
        arguments[name] = typed
    if any(name not in arguments and _named(name, query) for name in schema["properties"]):
        return None
    return arguments if all(name in arguments for name in schema["required"]) else None


def _named(name: str, query: str) -> bool:
    """Whether a request names an argument, so that a label without it lacks something that was asked for."""
    told = content_words(name)
    return bool(told) and told <= content_words(query)


def _as(kind: str | None, value: Any) -> Any:
    """The value in the type of its schema, or None where it has no such value."""
    if isinstance(value, bool) or kind in ("boolean", "object", None):
        return value if isinstance(value, bool) and kind == "boolean" else None
    if kind == "string":
        return value if isinstance(value, str) else None
    if kind == "array":
        return value if isinstance(value, list) and all(isinstance(one, (str, int, float)) for one in value) else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if kind == "integer" or number.is_integer():
        return int(number) if number.is_integer() else None
    return number


def _said(name: str, value: Any, query: str) -> bool:
    if isinstance(value, str):
        lowered = value.casefold()
        placeholder = lowered.startswith("api_call") or set(words(value)) <= {*words(name), "the", "a", "id"}
        vague = bool(_VAGUE.search(query)) and re.search(rf"{_VAGUE.pattern} {re.escape(lowered)}", query.casefold())
        if placeholder or vague:
            return False
        if date := _DATE.fullmatch(value):
            return occurs(value, query) or _date_said(date, query)
    if isinstance(value, bool):
        return occurs(" ".join(words(name)), query)
    return occurs(value, query)


def _date_said(date: re.Match[str], query: str) -> bool:
    """Whether the date stands in the request in words: "May 10th, 2020", "10 May 2020"."""
    year, month, day = map(int, date.groups())
    if not 1 <= month <= 12:
        return False
    named, number = calendar.month_name[month], rf"0?{day}(?:st|nd|rd|th)?"
    forms = rf"{named} {number},? {year}|{number} (?:of )?{named},? {year}"
    return bool(re.search(rf"(?i)\b(?:{forms})\b", query))


def _groups(usable: Sequence[Any], chance: random.Random) -> Iterator[list[Any]]:
    """Requests in runs of three to five, fewer where they need more than eight tools together."""
    for run in chunks(usable, 3, 5, chance):
        group: list[Any] = []
        needed: set[str] = set()
        for line, calls in run:
            names = {name for name, _ in calls}
            if group and len(needed | names) > _MOST:
                yield group
                group, needed = [], set()
            group.append((line, calls))
            needed |= names
        yield group


def _box(group: Any, usable: Any, known: Mapping[str, Any], chance: random.Random, name: str) -> Iterator[Example]:
    needed = list(dict.fromkeys(tool for _, calls in group for tool, _ in calls))
    fields = {known[tool]["field"] for tool in needed}
    near = [tool for tool, line in known.items() if line["field"] in fields and tool not in needed]
    wanted = chance.randint(len(needed), _MOST)
    extra = chance.sample(near, min(len(near), (wanted - len(needed) + 1) // 2))
    strangers = [tool for tool in known if tool not in needed and tool not in extra]
    extra += chance.sample(strangers, max(0, wanted - len(needed) - len(extra)))
    chosen = needed + extra
    chance.shuffle(chosen)
    box: Box = tuple(seal_schema(known[tool]) for tool in chosen)
    for line, calls in group:
        yield called(asked(line["query"]), calls, box, f"seal_tools:dev#{line['id']}", name)
    for line, _ in chance.sample(usable, 3):
        if not related(line["query"], box):
            yield called(asked(line["query"]), (), box, f"seal_tools:dev#{line['id']}", name)
            break
