"""From a question of a tool family to the request and the calls that it needs."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from finetune.default.arguments import PLACEHOLDER, QUOTED, Argument, spoken_number
from finetune.default.pools import Said, said_date
from finetune.default.tool_files import ToolFamily, slots

Call = tuple[ToolFamily, dict[str, Any]]
_TRIES = 12
_ARTICLE = re.compile(r"(?<![\w])([Aa])n? $")
_UNSURE = re.compile(r"[\W_uU]|[Oo]ne|[Ee]u|[Hh]o|[A-Z][A-Z-]")
_EIGHT = re.compile(r"8|1[18](?!\d)")
_QUOTES = "'\"“”‘’`"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a request: words that may be varied, or a value that may not."""

    text: str
    value: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, in pieces, and the calls it needs, in order."""

    pieces: tuple[Piece, ...]
    calls: tuple[Call, ...]


def ask(family: ToolFamily, template: str, rng: Random, date: str) -> Request | None:
    """Draw values for a question.

    Args:
        family: the tool.
        template: one of its questions.
        rng: where the values come from.
        date: the form in which calls carry dates.

    Returns:
        The request, or None if its calls could not be told apart.
    """
    for _ in range(_TRIES):
        drawn = _draw(family, template, rng)
        calls = [_arguments(family, number, drawn, date) for number in range(1, max(call for call, _ in drawn) + 1)]
        if all(one not in calls[:at] for at, one in enumerate(calls)):
            return Request(_pieces(family, template, drawn, rng), tuple((family, one) for one in calls))
    return None


def _draw(family: ToolFamily, template: str, rng: Random) -> dict[tuple[int, str], Said]:
    """A value for each place; arguments of the same kind get different ones where there are enough."""
    leaves = family.leaves()
    drawn: dict[tuple[int, str], Said] = {(1, ""): Said(None, "")}
    taken: dict[str, list[Any]] = {}
    for call, path in slots(template):
        if (call, path) in drawn:
            continue
        others = taken.setdefault(f"{leaves[path].kind} {leaves[path].spec}", [])
        for _ in range(_TRIES):
            said = _drawn(leaves[path], others, rng, family)
            if said.value not in others:
                break
        others.append(said.value)
        drawn[call, path] = said
    _put_in_order(leaves, drawn)
    return drawn


def _drawn(leaf: Argument, others: list[Any], rng: Random, family: ToolFamily) -> Said:
    """A value; a second date of a request lies a little after the first."""
    if leaf.kind == "pool" and leaf.spec == "date" and others:
        first = datetime.date.fromisoformat(others[0])
        return said_date(first + datetime.timedelta(days=rng.randint(1, rng.choice((10, 10, 30, 90)))), rng)
    return leaf.draw(rng, family.pools)


def _put_in_order(leaves: Mapping[str, Argument], drawn: dict[tuple[int, str], Said]) -> None:
    """Within a call the earlier date, time or year belongs to the argument that comes first."""
    for kind in ("date", "time", "year"):
        dated = [path for path, leaf in leaves.items() if leaf.kind == "pool" and leaf.spec == kind]
        for call in (1, 2, 3):
            places = [(call, path) for path in dated if (call, path) in drawn]
            said = sorted((drawn[place] for place in places), key=lambda one: str(one.value))
            drawn.update(zip(places, said, strict=True))


def _arguments(family: ToolFamily, number: int, drawn: dict[tuple[int, str], Said], date: str) -> dict[str, Any]:
    """The arguments of one call, in the schema's order; what the question does not say of it is as in the first."""
    arguments: dict[str, Any] = {}
    for path, leaf in family.leaves().items():
        said = drawn.get((number, path)) or drawn.get((1, path))
        if said is None:
            continue
        *outer, name = path.split(".")
        place = arguments
        for step in outer:
            place = place.setdefault(step, {})
        place[name] = leaf.in_date_form(said.value, date)
    return arguments


def _pieces(family: ToolFamily, template: str, drawn: dict[tuple[int, str], Said], rng: Random) -> tuple[Piece, ...]:
    literals = PLACEHOLDER.split(template)[::2]
    leaves = family.leaves()
    pieces = [Piece(literals[0])]
    for at, (call, path) in enumerate(slots(template)):
        before, after = pieces[-1].text, literals[at + 1]
        said = drawn[call, path]
        if not said.text:
            if not after or after[0] in " .,?!;":
                pieces[-1] = Piece(before.rstrip(" "))
            pieces.append(Piece(after if pieces[-1].text else after.lstrip(" ")))
            continue
        text = _as_written(leaves[path], said, before, after, rng)
        pieces[-1] = Piece(_with_article(before, text))
        pieces += [Piece(text, value=True), Piece(after[1:] if text[-1] == after[:1] == "." else after)]
    return tuple(piece for piece in pieces if piece.text)


def _with_article(before: str, text: str) -> str:
    """A or an, as what follows has it; where spelling does not tell, as it was."""
    article = _ARTICLE.search(before)
    if not article or _UNSURE.match(text):
        return before
    vowel = text[0].lower() in "aeio" or _EIGHT.match(text)
    return before[: article.start()] + article[1] + ("n " if vowel else " ")


def _as_written(leaf: Argument, said: Said, before: str, after: str, rng: Random) -> str:
    """A saying as it stands in the sentence: numbers in words or with separators, texts in quotes at times."""
    if leaf.kind == "int" and isinstance(said.value, int) and not leaf.say:
        return said.text if leaf.may_be_year else spoken_number(said.value, said.text, before, after, rng)
    if leaf.kind == "pool" and leaf.spec in QUOTED and not leaf.say:
        quoted = before[-1:] in _QUOTES and before or after[:1] in _QUOTES and after
        if not quoted and (leaf.spec == "message" or rng.random() < 0.15):
            mark = '"' if rng.random() < 0.8 else "'"
            return said.text if mark in said.text else f"{mark}{said.text}{mark}"
    return said.text
