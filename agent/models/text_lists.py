"""Lists of words as a text gives them, as a small model that copies one drops some and makes some up."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from agent.models.argument_schema import not_null
from agent.models.text_values import plain, words_in

_STOP = re.compile(r"[.!?](?:\s+|$)|[\n:()\[\]]+")
_BETWEEN = re.compile(r"\s?[,;]\s?(?:(?:and|or|&|plus)\s)?|\s(?:and|or|&|plus)\s", re.IGNORECASE)  # single blanks
_ARTICLE = re.compile(r"(?:an?|the)\s+", re.IGNORECASE)
_JOINING = re.compile(r"\w|&")
# "Ann, my boss, and Carol", "Ann, who is away, and Carol": what is said of one thing is no other.
_ASIDE = re.compile(
    r"(?:not|but|no|maybe|perhaps|except|who|whom|whose|which|that|where|when|if|as|like|my|our|his|her|their|its|our|"
    r"your|is|are|was|were|then)\b",
    re.IGNORECASE,
)
# What chooses from a list, so that not all of it is meant.
_CHOOSING = re.compile(r"\b(?:or|either|only|pick|choose|select|which|whichever|those|not|but)\b", re.IGNORECASE)
_MARKS = " '\"`\u201c\u201d\u2018\u2019"
_ENDING = 2  # letters by which two forms of a word may differ
_LONGEST = 5  # words of one thing in a list


class _Piece(NamedTuple):
    """What stands between two separators, and whether "and" or "or" is the first of them."""

    text: str
    joined: bool


def write_text_lists(
    arguments: dict[str, Any], schema: Mapping[str, Any], said: Callable[[Sequence[Any]], list[str] | None]
) -> None:
    """Give a list of words in a call that was copied badly the list that was said.

    Args:
        arguments: of the call, by name; changed in place.
        schema: JSON Schema of them all.
        said: the list of which another is a copy (`said_list`).
    """
    known = schema.get("properties") or {}
    for name, value in arguments.items():
        if _takes_words(known.get(name)) and isinstance(value, list) and (meant := said(value)):
            arguments[name] = meant


def said_list(copied: Sequence[Any], text: str) -> list[str] | None:
    """The one list that was said and that another is a copy of; None where there is none.

    Where a list begins and where it ends only the copy tells: "prices of [sorghum, millet and cassava] per bushel".
    One that shares less than half of it is no copy, nor is one with what was said twice: it may have been chosen from
    the list.

    Args:
        copied: as a model wrote it.
        text: a request.
    """
    items = [item for item in copied if isinstance(item, str) and words_in(plain(item))]
    whole = plain(text)
    if len(items) < len(copied) or not items or any(whole.count(plain(item)) > 1 for item in items):
        return None
    if _CHOOSING.search(text):
        return None
    runs = [run for stretch in _STOP.split(text) for run in _runs(_pieces(" ".join(stretch.split())), items)]
    alike = [run for run in runs if _is_copy(items, run, whole)]
    return alike[0] if len(alike) == 1 and alike[0] != list(copied) else None


def _is_copy(items: Sequence[str], run: Sequence[str], text: str) -> bool:
    """Whether items are half of a list or more, and whatever else they are does not stand in the plain text."""
    shared = sum(any(_same(one, item) for item in items) for one in run)
    others = [item for item in items if not any(_same(one, item) for one in run)]
    return 2 * shared >= len(run) and not any(plain(item) in text for item in others)


def _runs(pieces: Sequence[_Piece], items: Sequence[str]) -> list[list[str]]:
    """The lists of three and more in a stretch of text that begin and end with one of the items."""
    found: list[list[str]] = []
    start = 0
    while start < len(pieces):
        first = _edge(pieces[start].text, items, at_end=True)
        stop = _last(pieces, start, items) if first else start
        if first and stop - start > 1:
            last = _edge(pieces[stop].text, items, at_end=False)
            inner = [_bare(piece.text, items) for piece in pieces[start + 1 : stop]]
            if last and all(0 < len(one.split()) <= _LONGEST and not _ASIDE.match(one) for one in inner):
                found.append([first, *inner, last])
                start = stop
        start += 1
    return found


def _last(pieces: Sequence[_Piece], start: int, items: Sequence[str]) -> int:
    """Where the list that begins at `start` ends: behind its "and", or with the last of the items."""
    joined = next((at for at in range(start + 1, len(pieces)) if pieces[at].joined), None)
    if joined is not None:
        return joined
    known = [at for at in range(start + 1, len(pieces)) if _edge(pieces[at].text, items, at_end=False)]
    return known[-1] if known else start


def _edge(piece: str, items: Sequence[str], at_end: bool) -> str | None:
    """The words at the end or at the beginning of a piece that are one of the items, as the piece has them."""
    words = _bare(piece, items).split()
    counts = range(min(len(words), _LONGEST), 0, -1)
    edges = [" ".join(words[-count:] if at_end else words[:count]).strip(_MARKS) for count in counts]
    alike = [edge for edge in edges if any(_same(edge, item) for item in items)]
    exact = [edge for edge in alike if any(plain(edge) == plain(item) for item in items)]
    return next(iter(exact or alike), None)


def _bare(piece: str, items: Sequence[str]) -> str:
    """A piece without its article, where the items have none."""
    article = None if any(map(_ARTICLE.match, items)) else _ARTICLE.match(piece)
    return piece[article.end() :] if article else piece


def _pieces(stretch: str) -> list[_Piece]:
    found: list[_Piece] = []
    at, joined = 0, False
    for match in _BETWEEN.finditer(stretch):
        found.append(_Piece(stretch[at : match.start()].strip(_MARKS), joined))
        at, joined = match.end(), _JOINING.search(match[0]) is not None
    return [*found, _Piece(stretch[at:].strip(_MARKS), joined)]


def _same(one: str, other: str) -> bool:
    """Whether two texts are the same but for an ending: soybean and soybeans."""
    short, long = sorted((plain(one).strip(), plain(other).strip()), key=len)
    return bool(short) and long.startswith(short) and len(long) - len(short) <= min(_ENDING, len(short) // 3)


def _takes_words(argument: Any) -> bool:
    told = not_null(argument) if isinstance(argument, Mapping) else {}
    items = told.get("items") if told.get("type") == "array" else None
    return isinstance(items, Mapping) and items.get("type") == "string" and not items.get("enum")
