"""The grammar of quantities: numbers, units, + - * / ^ and brackets. A reader of its own, bounded in every way.

A unit belongs to the number before it, with what is joined to it: "2 GiB / 100 Mbit/s" divides by the speed
"100 Mbit/s", while "10 m / 2 s" divides by "2 s". Numbers side by side add up, as in "5 ft 3 in".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

Quantity = Any  # pint's, whose type exists only once pint is loaded

MAX_CHARS = 300
MAX_DEPTH = 20
MAX_EXPONENT = 12
MAX_BITS = 4_000  # about 1,200 digits

_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<number>(?:\d+\s+)?\d+/\d+(?=\s*[^\W\d])|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+(?!\w))?"
    r"|\.\d+)"
    r"|(?P<power>\*\*|\^)|(?P<raised>[⁻]?[²³¹⁰⁴-⁹]+)"
    r"|(?P<sign>[-+*/()·×÷−])"
    r"|(?P<quote>['\"′″])"
    r"|(?P<word>[^\W\d_²³¹⁰⁴-⁹][^\W\d²³¹⁰⁴-⁹]{0,39}|%|°)"
    r")"
)
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_SIGNS = {"·": "*", "×": "*", "÷": "/", "−": "-"}
_QUOTES = {"'": "foot", "′": "foot", '"': "inch", "″": "inch"}
_SYMBOLS = {"%": "percent", "°": "degree"}
_SPOKEN_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}


class QuantityError(ValueError):
    """The text is no quantity, or cannot be worked out."""


class Table(Protocol):
    """What is known of units."""

    def canonical(self, word: str, /) -> str:
        """The one name of a unit."""
        ...

    def quantity(self, value: Fraction, factors: Mapping[str, int], /) -> Quantity:
        """A value with a unit."""
        ...

    def combined(self, sign: str, left: Quantity, right: Quantity, /) -> Quantity:
        """The sum, difference, product or quotient."""
        ...


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def is_too_large(value: Fraction) -> bool:
    """Whether a value has outgrown what anybody asks for."""
    return max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS


def _tokens(text: str) -> list[_Token]:
    if len(text) > MAX_CHARS:
        raise QuantityError(f"an expression may have {MAX_CHARS} characters, this has {len(text)}")
    found, at, text = [], 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise QuantityError(f'"{text[at : at + 10].strip()}" cannot be understood here')
        token = match.group(match.lastgroup)
        kind = "sign" if token.lower() == "per" else match.lastgroup
        found.append(_Token(kind, "/" if token.lower() == "per" else _SIGNS.get(token, token)))
        at = match.end()
    return found


def _number(text: str) -> Fraction:
    whole, _, ratio = text.replace(",", "").rpartition(" ")
    power = ratio.lower().partition("e")[2].lstrip("+-")
    if len(power) > 3:
        raise QuantityError("the number is too large")
    try:
        return (Fraction(whole.strip()) if whole else Fraction(0)) + Fraction(ratio)
    except ZeroDivisionError:
        raise QuantityError("division by zero") from None


class Reader:
    """Reads one text, once.

    Args:
        text: an expression or a unit.
        table: what is known of units.
    """

    def __init__(self, text: str, table: Table) -> None:
        self._tokens = _tokens(text)
        self._table = table
        self._at = 0
        self._depth = 0

    def quantity(self) -> Quantity:
        """The value of the whole text.

        Raises:
            QuantityError: it is no expression, does not fit together, or grows too large.
        """
        value = self._sum()
        self._end()
        return value

    def unit(self) -> dict[str, int]:
        """The text as a unit: canonical name → exponent.

        Raises:
            QuantityError: it is more, or less, than a unit.
        """
        factors = self._factors()
        if not factors:
            raise QuantityError("the unit to convert to is missing")
        self._end()
        return factors

    def _end(self) -> None:
        if token := self._peek():
            raise QuantityError(f'"{token.text}" does not fit here')

    def _peek(self, ahead: int = 0) -> _Token | None:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else None

    def _is(self, kind: str, texts: str = "", ahead: int = 0) -> bool:
        token = self._peek(ahead)
        return token is not None and token.kind == kind and (not texts or token.text in texts)

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1].text

    def _sum(self) -> Quantity:
        value = self._product()
        while self._is("sign", "+-"):
            value = self._combined(self._take(), value, self._product())
        return value

    def _product(self) -> Quantity:
        value = self._power()
        while self._is("sign", "*/"):
            value = self._combined(self._take(), value, self._power())
        return value

    def _power(self) -> Quantity:
        value = self._signed()
        if self._is("power") or self._is("raised"):
            return self._raised(value, self._exponent())
        return value

    def _signed(self) -> Quantity:
        negative = False
        while self._is("sign", "+-"):
            negative ^= self._take() == "-"
        value = self._atom()
        return -value if negative else value

    def _atom(self) -> Quantity:
        if self._is("sign", "("):
            return self._bracket()
        if self._is("word"):
            return self._table.quantity(Fraction(1), self._factors())
        value = self._literal()
        while self._is("number"):  # "5 ft 3 in"
            further = self._literal()
            if value.unitless or further.unitless:
                raise QuantityError("two numbers stand side by side")
            value = self._combined("+", value, further)
        return value

    def _bracket(self) -> Quantity:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise QuantityError(f"brackets may be {MAX_DEPTH} deep")
        self._take()
        value = self._sum()
        if not self._is("sign", ")"):
            raise QuantityError("a bracket is not closed")
        self._take()
        self._depth -= 1
        return value

    def _literal(self) -> Quantity:
        if not self._is("number"):
            raise QuantityError(
                "a number is missing" if self._peek() is None else f'"{self._take()}" does not fit here'
            )
        value = _number(self._take())
        if self._is("quote"):
            return self._table.quantity(value, {_QUOTES[self._take()]: 1})
        return self._table.quantity(value, self._factors())

    def _factors(self) -> dict[str, int]:
        """A unit as far as it goes, such as "kg m^2/s^2"; a factor follows only a word, or a sign before a word."""
        powers: dict[str, int] = {}
        sign = 1
        while self._is("word"):
            name, exponent = self._factor()
            powers[name] = powers.get(name, 0) + sign * exponent
            if abs(powers[name]) > MAX_EXPONENT:
                raise QuantityError(f"powers of units go up to {MAX_EXPONENT}")
            sign = 1
            if self._is("sign", "*/") and self._is("word", ahead=1):
                sign = -1 if self._take() == "/" else 1
        return powers

    def _factor(self) -> tuple[str, int]:
        word = self._take()
        spoken = _SPOKEN_POWERS.get(word.lower(), 1) if self._is("word") else 1
        name = self._table.canonical(_SYMBOLS.get(word, word) if spoken == 1 else self._take())
        if self._is("power") or self._is("raised"):
            return name, spoken * self._exponent()
        return name, spoken

    def _exponent(self) -> int:
        if self._is("raised"):
            digits = self._take().translate(_RAISED)
        else:
            self._take()
            digits = self._take() if self._is("sign", "-") else ""
            digits += self._take() if self._is("number") else ""
        if not re.fullmatch(r"-?\d{1,2}", digits) or abs(int(digits)) > MAX_EXPONENT:
            raise QuantityError(f"a power must be a whole number up to {MAX_EXPONENT}")
        return int(digits)

    def _raised(self, value: Quantity, exponent: int) -> Quantity:
        result = self._table.quantity(Fraction(1), {})
        for _ in range(abs(exponent)):
            result = self._combined("*" if exponent > 0 else "/", result, value)
        return result

    def _combined(self, sign: str, left: Quantity, right: Quantity) -> Quantity:
        value = self._table.combined(sign, left, right)
        powers = [abs(power) for _, power in value.unit_items()]
        if is_too_large(Fraction(value.magnitude)) or max(powers, default=0) > 2 * MAX_EXPONENT:
            raise QuantityError("the result is too large")
        return value
