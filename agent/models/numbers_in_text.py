"""The numbers of a text with the words beside them, which may say what each of them is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.models.text_values import is_number, pieces_in, words_of

_POINTED = re.compile(r"\b([ap])\.\s?m\b\.?")
# What makes a number a part of something, or negative: 555-1234, 5-10, 8:30, 3 pm.
_JOINTS = frozenset(("-", "\u2013", "\u2212", ":", "/", "^", "x10", "am", "pm"))
_SHORTENED = {"yrs": "years", "yr": "year", "hrs": "hours", "hr": "hour", "mins": "minutes"}
_BEFORE, _AFTER = 3, 2  # pieces beside a number that may say what it is
_LEADING = frozenset("from of at is are was be with to for by about only and $ \u20ac \u00a3 \u00a5".split())
_FOLLOWING = frozenset("and or at from in on for to with by over as if when while but then".split())
_UNITS = {  # by what they measure; the first word of each line is the one name of the unit
    word: (kind, words.split()[0])
    for kind, units in {
        "mass": ("g gram grams gramme grammes", "kg kilo kilos kilogram kilograms", "mg milligram milligrams",
                 "lb lbs pound pounds", "oz ounce ounces", "ton tons tonne tonnes"),
        "length": ("m meter meters metre metres", "km kilometer kilometers kilometre kilometres", "cm centimeter "
                   "centimeters centimetre centimetres", "mm millimeter millimeters millimetre millimetres",
                   "foot feet ft", "inch inches", "mile miles mi", "yard yards yd"),
        "heat": ("celsius centigrade", "fahrenheit", "kelvin"),
        "time": ("second seconds sec secs s", "minute minutes min", "hour hours h", "day days", "week weeks",
                 "month months monthly", "year years yearly annual annually"),
        "volume": ("liter liters litre litres l", "ml milliliter milliliters millilitre millilitres", "gallon gallons",
                   "cup cups"),
        "speed": ("kmh kph", "mph", "knot knots"),
        "data": ("byte bytes", "kb kilobyte kilobytes", "mb megabyte megabytes", "gb gigabyte gigabytes"),
        "angle": ("degree degrees", "radian radians"),
    }.items()
    for words in units
    for word in words.split()
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NumberInText:
    """A number in digits.

    Attributes:
        digits: as they were written.
        beside: the words before it, the nearest first, and those after it, up to a sign or another number.
        before: what stands directly before it; empty where it comes first.
        after: what stands directly after it; empty where it comes last.
    """

    digits: str
    beside: Sequence[str]
    before: str
    after: str

    @property
    def stands_free(self) -> bool:
        """Whether no word says what it counts or is the number of: "from 42,300", but not "4 stars" or "room 5"."""
        led = not self.before.isalpha() or self.before in _LEADING
        return led and (not self.after.isalpha() or self.after in _FOLLOWING)

    def measures_otherwise(self, described: str) -> bool:
        """Whether it is given in another unit than the one that an argument wants: 5 miles for "distance_km".

        Args:
            described: the name and the description of the argument.
        """
        wanted = {_UNITS[word] for word in words_of(described) if word in _UNITS}
        given = {_UNITS[word] for word in self.beside if word in _UNITS}
        kinds = {kind for kind, _ in wanted}
        return wanted.isdisjoint(given) and any(kind in kinds for kind, _ in given)


def surrounded(text: str) -> list[NumberInText]:
    """The numbers of a plain text in order, but for those below zero, of days, times and ranges."""
    pieces = [_SHORTENED.get(piece, piece) for piece in pieces_in(_POINTED.sub(r"\1m", text))]
    return [
        NumberInText(piece, _words_beside(pieces, at), *_neighbours(pieces, at))
        for at, piece in enumerate(pieces)
        if is_number(piece) and _JOINTS.isdisjoint(pieces[max(0, at - 1) : at + 2])
    ]


def _neighbours(pieces: Sequence[str], at: int) -> tuple[str, str]:
    return (pieces[at - 1] if at else ""), (pieces[at + 1] if at + 1 < len(pieces) else "")


def _words_beside(pieces: Sequence[str], at: int) -> list[str]:
    """The words before and after a number that may say what it is."""
    before, after = pieces[max(0, at - _BEFORE) : at][::-1], pieces[at + 1 : at + 1 + _AFTER]
    return [*_until_stop(before), *(["percent"] if after[:1] == ["%"] else _until_stop(after))]


def _until_stop(pieces: Sequence[str]) -> list[str]:
    """The words up to the first sign or number."""
    found: list[str] = []
    for piece in pieces:
        if not piece.isalpha():
            break
        found.append(piece)
    return found
