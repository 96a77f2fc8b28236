"""How a request and a schema look: greetings, slips, sentences beside the point; names in one style or another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from finetune.default.arguments import ISO
from finetune.default.asking import Piece
from finetune.default.pools import Pools
from finetune.default.tool_files import ToolFamily

_GREETINGS = (
    "Hi! ",
    "Hello, ",
    "Hey, ",
    "Hi there, ",
    "Good morning. ",
    "Quick one: ",
    "Hey! ",
    "Ok, ",
)
_THANKS = (
    " Thanks!",
    " Thank you.",
    " Thanks a lot.",
    " Cheers.",
    " Please and thank you.",
    " Much appreciated.",
    " Thx",
)
_SLIPS = {
    "the": "teh",
    "please": "plese",
    "and": "adn",
    "for": "fro",
    "with": "wiht",
    "you": "yuo",
    "what": "waht",
    "would": "woud",
    "need": "ned",
    "want": "wnat",
    "from": "form",
    "find": "fnd",
    "what's": "whats",
    "I'm": "Im",
    "can": "cna",
    "does": "dose",
    "could": "coud",
    "how": "hwo",
}
_WORD = re.compile(r"[A-Za-z']+")
_FIRST_PERSON = re.compile(r"I(?![a-z])")


@dataclass(frozen=True, slots=True)
class Style:
    """How the schemas of one box are written.

    Attributes:
        described: whether arguments that explain themselves carry descriptions.
        naming: of tools and arguments: "as is", "camel", "snake", "dotted" or "pascal".
        date: the form in which dates are wanted.
    """

    described: bool = True
    naming: str = "as is"
    date: str = ISO

    @classmethod
    def draw(cls, rng: Random) -> Style:
        """Mostly as the files have it."""
        naming = rng.choices(("as is", "camel", "snake", "dotted", "pascal"), (60, 14, 14, 8, 4))[0]
        date = rng.choices((ISO, "DD/MM/YYYY", "MM/DD/YYYY", "DD.MM.YYYY"), (82, 7, 7, 4))[0]
        return cls(rng.random() < 0.7, naming, date)

    def tool(self, family: ToolFamily) -> str:
        """The tool's name."""
        if self.naming == "dotted":
            return family.name if "." in family.name else f"{family.file}.{family.name}"
        if self.naming == "pascal":
            return "".join(word[:1].upper() + word[1:] for word in _words(family.name))
        return self.argument(family.name)

    def argument(self, name: str) -> str:
        """An argument's name."""
        if self.naming in ("as is", "dotted"):
            return name
        words = _words(name)
        if self.naming == "snake":
            return "_".join(words)
        return words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])

    def schema(self, family: ToolFamily) -> dict[str, Any]:
        """The tool's schema in this style."""
        schema = family.schema(self.described, self.date)
        function = schema["function"]
        renamed = {"name": self.tool(family), "parameters": self._properties(function["parameters"])}
        return {**schema, "function": {**function, **renamed}}

    def _properties(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        renamed = dict(schema)
        if "properties" in schema:
            inner = schema["properties"].items()
            renamed["properties"] = {self.argument(name): self._properties(one) for name, one in inner}
            renamed["required"] = [self.argument(name) for name in schema["required"]]
        if "items" in schema:
            renamed["items"] = self._properties(schema["items"])
        return renamed

    def arguments(self, value: Any) -> Any:
        """The arguments of a call in this style."""
        if isinstance(value, Mapping):
            return {self.argument(name): self.arguments(one) for name, one in value.items()}
        return [self.arguments(one) for one in value] if isinstance(value, list) else value


def _words(name: str) -> list[str]:
    """Lower-case words of a name in any style."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word.lower() for word in re.split(r"[._]+", spaced) if word]


def joined(first: tuple[Piece, ...], second: tuple[Piece, ...], rng: Random) -> tuple[Piece, ...]:
    """Two requests in one."""
    ways = [" Also, ", " And ", " Then ", " ", " Second thing: ", " Oh, and ", " Besides, ", "\n"]
    way = rng.choice(ways)
    if way not in (" ", "\n"):
        second = lowered(second)
    if first[-1].text.endswith(".") and not first[-1].value and second[0].text[:1].islower() and rng.random() < 0.4:
        first = (*first[:-1], Piece(first[-1].text[:-1]))
        way = rng.choice((", and ", ", and then ", " and also ", ", then ", "; "))
    elif first[-1].text[-1:] not in ".?!":
        way = ". " + way.lstrip(" ") if way != "\n" else way
    return (*first, Piece(way), *second)


def lowered(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Without a capital at the front, unless that is a value, a name, or I."""
    text = pieces[0].text
    word = _WORD.match(text)
    if pieces[0].value or not word or _FIRST_PERSON.match(text) or not word[0][1:].islower():
        return pieces
    return (Piece(text[0].lower() + text[1:]), *pieces[1:])


def worded(pieces: tuple[Piece, ...], rng: Random, pools: Pools) -> str:
    """The finished request, with the variation of real ones; values stay as they are."""
    if rng.random() < 0.10:
        pieces = lowered(pieces)
    if rng.random() < 0.04:
        pieces = tuple(piece if piece.value else Piece(_without_capitals(piece.text)) for piece in pieces)
    if rng.random() < 0.06:
        pieces = _with_slip(pieces, rng)
    if rng.random() < 0.15 and not pieces[-1].value:
        pieces = (*pieces[:-1], Piece(pieces[-1].text.rstrip(".?!")))
    pieces = tuple(piece for piece in pieces if piece.text)
    before = after = ""
    if rng.random() < 0.08:
        before = rng.choice(_GREETINGS)
        pieces = lowered(pieces) if before.endswith((", ", ": ")) else pieces
    elif rng.random() < 0.07:
        before = pools.draw("context_before", rng).text + " "
    ended = pieces[-1].text[-1:] in ".?!"
    if rng.random() < 0.08:
        after = ("" if ended else ".") + rng.choice(_THANKS)
    elif rng.random() < 0.06:
        after = ("" if ended else ".") + " " + pools.draw("context_after", rng).text
    return (before + "".join(piece.text for piece in pieces) + after).strip()


def _without_capitals(text: str) -> str:
    return re.sub(r"\b[A-Z](?=[a-z']*\b)", lambda match: match[0].lower(), text)


def _with_slip(pieces: tuple[Piece, ...], rng: Random) -> tuple[Piece, ...]:
    """One mistyped small word."""
    places = [
        (at, word)
        for at, piece in enumerate(pieces)
        if not piece.value
        for word in _WORD.finditer(piece.text)
        if word[0] in _SLIPS
    ]
    if not places:
        return pieces
    at, word = rng.choice(places)
    text = pieces[at].text
    return (*pieces[:at], Piece(text[: word.start()] + _SLIPS[word[0]] + text[word.end() :]), *pieces[at + 1 :])
