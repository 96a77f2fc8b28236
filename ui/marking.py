"""Where marked sentences begin and end, carried through the Markdown parser by signs that no text contains."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from unicodedata import category

if TYPE_CHECKING:
    from markdown_it.token import Token

Parse = Callable[[str], "list[Token]"]

# Punctuation of cuneiform: to the parser as good as a full stop beside emphasis, and hardly ever written.
_SIGNS = "\U00012470\U00012471\U00012472\U00012473\U00012474"
# What opens a block at the start of a line; a sign before it would turn it into words.
_OPENING = re.compile(r"(?:[ \t]*(?:[-*+]|\d{1,9}[.)]|#{1,6})[ \t]+|[ \t]*[>|][ \t]?)+")
_ATTACHED = frozenset({"Mn", "Mc", "Me", "Cf", "Sk"})  # accents, styles, joiners, and the skin tones of emoji
MOST_MARKS = 500
MOST_WORK = 1_000_000  # characters to parse while looking for the marks that fit


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a text to be marked.

    Attributes:
        start, end: character offsets in the text.
        kind: how far it is supported.
        title: what a person is told about it.
    """

    start: int
    end: int
    kind: Literal["supported", "partly", "not"]
    title: str


@dataclass(frozen=True, slots=True)
class Marked:
    """A parsed text: `tokens` whose contents hold `opening` and `closing` around what each of `marks` covers."""

    tokens: list[Token]
    marks: tuple[Mark, ...] = ()
    opening: str = ""
    closing: str = ""


def parsed(text: str, marks: Sequence[Mark], parse: Parse) -> Marked:
    """Parse a text with its marks; a mark that would change how the text reads is left out."""
    tokens = parse(text)
    free = [sign for sign in _SIGNS if sign not in text]
    wanted = _apart(text, marks)
    if not wanted or len(free) < 2:
        return Marked(tokens)
    opening, closing = free[:2]
    plain = list(_reading(tokens))

    def attempt(chosen: Sequence[Mark]) -> list[Token] | None:
        signed = parse(_with_signs(text, chosen, opening, closing))
        reading = list(_reading(signed, opening + closing))
        signs = "".join(re.findall(f"[{opening}{closing}]", "".join(_contents(signed))))
        return signed if reading == plain and signs == (opening + closing) * len(chosen) else None

    kept: list[Mark] = []
    best = attempt(wanted)
    if best is not None:
        return Marked(best, tuple(wanted), opening, closing)
    if len(text) * len(wanted) > MOST_WORK:
        return Marked(tokens)
    for mark in wanted:
        if (found := attempt([*kept, mark])) is not None:
            best = found
            kept.append(mark)
    return Marked(best if best is not None else tokens, tuple(kept), opening, closing)


def _apart(text: str, marks: Sequence[Mark]) -> list[Mark]:
    """The marks in order, within the text, tightly around words, and none over another."""
    apart: list[Mark] = []
    for mark in sorted(marks, key=lambda each: each.start)[:MOST_MARKS]:
        start, end = max(0, mark.start), min(len(text), mark.end)
        opened = _OPENING.match(text, text.rfind("\n", 0, start) + 1)
        if opened:
            start = max(start, opened.end())
        inside = text[start:end]
        start += len(inside) - len(inside.lstrip())
        end = _between_letters(text, start + len(inside.strip().rstrip("| \t")))
        start = _between_letters(text, start)
        if start < end and (not apart or start >= apart[-1].end):
            apart.append(Mark(start, end, mark.kind, mark.title))
    return apart


def _between_letters(text: str, at: int) -> int:
    """The next place that parts no letter, or emoji, from what joins, styles or accents it."""
    while 0 < at < len(text) and (category(text[at]) in _ATTACHED or category(text[at - 1]) == "Cf"):
        at += 1
    return at


def _with_signs(text: str, marks: Sequence[Mark], opening: str, closing: str) -> str:
    pieces, done = [], 0
    for mark in marks:
        pieces += [text[done : mark.start], opening, text[mark.start : mark.end], closing]
        done = mark.end
    return "".join(pieces) + text[done:]


def _reading(tokens: Sequence[Token], signs: str = "") -> Iterator[tuple[object, ...]]:
    """Everything about the tokens that shows, but for the signs."""
    without = dict.fromkeys(map(ord, signs))
    for token in tokens:
        said = "" if token.children else token.content.translate(without)
        yield token.type, token.tag, token.hidden, token.info, sorted(token.attrs.items()), said
        yield from _reading(token.children or (), signs)


def _contents(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.children:
            yield from _contents(token.children)
        else:
            yield token.content
