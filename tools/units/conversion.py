"""Units for the calculator: "3 km in miles", "20 degC in degF", "5 ft 3 in to cm", "2 GiB / 100 Mbit/s".

Values are fractions throughout, so that what is defined exactly is converted exactly. The text is read by
`tools.units.quantities`; of pint only its table of units is used, never its parser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from typing import Any

from tools.calculator import format_value, normalize
from tools.units.quantities import Quantity, QuantityError, Reader, is_too_large

MISSING = "Units need the package pint: `pip install 'ratchet-agent[tools]'`."

ASKING = (
    r"(?:please|can you|could you|tell me|convert|express|calculate|compute|work out|what(?:'s| is| are)"
    r"|how much (?:is|are))\b"
)
_ASIDE = re.compile(rf"^\W*(?:{ASKING}\s*)+", re.IGNORECASE)
_HOW_MANY = re.compile(
    r"^how (?:many|much)\s+(?P<to>.+?)\s+(?:are\s+|is\s+)?(?:there\s+)?(?:in|make|to)\s+(?P<value>.+)$", re.IGNORECASE
)
_JOINT = re.compile(r"\s(?:in|to|into|as)(?=\s)|→|=>|->", re.IGNORECASE)
_TWO_WORDS = re.compile(r"\b(light|fluid|nautical|metric|fl\.?)\s+(years?|ounces?|miles?|tons?|oz)\b", re.IGNORECASE)
_DEGREES = re.compile(r"(?:°|\bdeg(?:rees?|s)?\.?)\s*(c(?:elsius|entigrade)?|f(?:ahrenheit)?)\b", re.IGNORECASE)
_BARE_DEGREES = re.compile(r"(?P<number>(?<![\w.])[-+]?[\d.,]+)\s*(?P<letter>[CF])$")
_THERMAL = frozenset({"C", "F", "K", "degC", "degF", "celsius", "fahrenheit", "kelvin", "centigrade"})
_ENDS_THERMAL = re.compile(r"\b(?:deg[CF]|celsius|fahrenheit|kelvin|K)$", re.IGNORECASE)
_OTHER_NAMES = {  # spoken names, and short ones that stand for something else in physics
    "b": "bit",
    "kb": "kilobit",
    "Kb": "kilobit",
    "Mb": "megabit",
    "Gb": "gigabit",
    "Tb": "terabit",
    "KB": "kilobyte",
    "gb": "gigabyte",
    "mb": "megabyte",
    "tb": "terabyte",
    "KiB": "kibibyte",
    "kmh": "kilometer_per_hour",
    "centigrade": "degree_Celsius",
    "ctemp": "degree_Celsius",
    "lightyear": "light_year",
    "lightyears": "light_year",
    "fl_oz": "fluid_ounce",
    "sqft": "square_foot",
    "btu": "british_thermal_unit",
}


class Units:
    """pint's table of units, of which single names are looked up; what it answers with is kept by pint."""

    def __init__(self) -> None:
        import pint

        self._table: Any = pint.UnitRegistry(non_int_type=Fraction, on_redefinition="ignore")
        # pint takes a bit for a mere number: bytes would add up with percentages.
        self._table.define("bit = [information]")
        self._table._build_cache()
        self._unknown: type[Exception] = pint.UndefinedUnitError
        self._mismatch: tuple[type[Exception], ...] = (pint.DimensionalityError, pint.OffsetUnitCalculusError)

    def canonical(self, word: str) -> str:
        """The name pint has for a word such as "km" or "Miles".

        Raises:
            QuantityError: it is no unit.
        """
        for name in (_OTHER_NAMES.get(word, word), word.lower()):
            try:
                found = str(self._table.get_name(name))
            except self._unknown:
                continue
            if found:
                return found
        raise QuantityError(f'"{word}" is not a unit that is known')

    def quantity(self, value: Fraction, factors: Mapping[str, int]) -> Quantity:
        """A value with a unit, given as canonical name → exponent."""
        expression = " * ".join(f"{name} ** {exponent}" for name, exponent in factors.items())
        unit = self._table.parse_units(expression) if factors else self._table.dimensionless
        return self._table.Quantity(value, unit)

    def converted(self, quantity: Quantity, factors: Mapping[str, int]) -> Fraction:
        """The value in another unit.

        Raises:
            QuantityError: that measures something else.
        """
        target = self.quantity(Fraction(1), factors)
        try:
            return Fraction(quantity.to(target.units).magnitude)
        except self._mismatch:
            here, there = self.dimension(quantity), self.dimension(target)
            raise QuantityError(f"a quantity of {here} cannot be expressed in a unit of {there}") from None

    def combined(self, sign: str, left: Quantity, right: Quantity) -> Quantity:
        """The sum, difference, product or quotient.

        Raises:
            QuantityError: they do not fit together, or a zero divides.
        """
        try:
            match sign:
                case "+":
                    return left + right
                case "-":
                    return left - right
                case "*":
                    return left * right
                case _:
                    return left / right
        except self._mismatch:
            if self.dimension(left) == self.dimension(right) or sign in "*/":
                raise QuantityError("a temperature in °C or °F can be converted, not calculated with") from None
            here, there = self.dimension(left), self.dimension(right)
            raise QuantityError(f"a quantity of {here} and one of {there} cannot be added") from None
        except ZeroDivisionError:
            raise QuantityError("division by zero") from None

    def dimension(self, quantity: Quantity) -> str:
        """What is measured, such as "length / time"."""
        return _joined({name.strip("[]"): int(power) for name, power in quantity.dimensionality.items()}, " ")

    def simplest(self, quantity: Quantity) -> tuple[Fraction, str]:
        """Value and unit, with units of the same kind taken together."""
        reduced = quantity.to_reduced_units() if len(quantity.unit_items()) > 1 else quantity
        symbols = {self._table.get_symbol(name): int(power) for name, power in reduced.unit_items()}
        return Fraction(reduced.magnitude), _joined(symbols, "*") if symbols else ""


def _joined(powers: Mapping[str, int], product: str) -> str:
    over = [name if power == 1 else f"{name}^{power}" for name, power in powers.items() if power > 0]
    under = [name if power == -1 else f"{name}^{-power}" for name, power in powers.items() if power < 0]
    if not powers:
        return "a plain number"
    return "/".join([product.join(over) or "1", *under])


@cache
def _units() -> Units:
    return Units()


def is_there() -> bool:
    """Whether units can be worked out: pint is installed."""
    return find_spec("pint") is not None


def convert(text: str) -> str:
    """The value of an expression with units, in the unit asked for, as "3 km = 1.86411357671 miles (rounded)".

    Raises:
        QuantityError: it cannot be read or worked out, or pint is not installed.
    """
    if not is_there():
        raise QuantityError(MISSING)
    units = _units()
    value, targets = _parted(_tidy(text), units)
    try:
        quantity = Reader(value, units).quantity()
        return f"{value} = {_shown(quantity, targets, units)}".replace("**", "^").replace("_", " ")
    except OverflowError:
        raise QuantityError("the result is too large") from None


def _tidy(text: str) -> str:
    text = _TWO_WORDS.sub(lambda match: f"{match.group(1).rstrip('.')}_{match.group(2)}", degrees_named(text))
    text = normalize(text).rstrip("!. ")
    return text if _HOW_MANY.match(text) else _ASIDE.sub("", text)


def degrees_named(text: str) -> str:
    """The text on one line, with "°C", "deg. C" and "degrees Celsius" as "degC"."""
    return " ".join(_DEGREES.sub(lambda match: f" deg{match.group(1)[0].upper()}", text).split())


def _parted(text: str, units: Units) -> tuple[str, list[str]]:
    """What is to be expressed, and the units to express it in; none when any will do."""
    if match := _HOW_MANY.match(text):
        value, target = match.group("value"), match.group("to")
    else:
        value, target = _split_at_joint(text, units)
    value, target = _as_temperatures(value.strip(), target.strip())
    return value, _parts(target)


def _as_temperatures(value: str, target: str) -> tuple[str, str]:
    """C and F beside another temperature are degrees, no coulombs and farads."""
    bare = _BARE_DEGREES.search(value)
    if bare and target in _THERMAL:
        value = f"{value[: bare.start()]}{bare.group('number')} deg{bare.group('letter')}"
    if target in ("C", "F") and _ENDS_THERMAL.search(value):
        target = f"deg{target}"
    return value, target


def _split_at_joint(text: str, units: Units) -> tuple[str, str]:
    """Value and target: "in" may also be inches, so the last joint counts that leaves units behind it."""
    joints = [(text[: match.start()], text[match.end() :]) for match in _JOINT.finditer(text)]
    for value, target in reversed(joints):
        try:
            for part in _parts(target):
                Reader(part, units).unit()
        except QuantityError:
            continue
        if _parts(target):
            return value, target
    return joints[-1] if joints and joints[-1][1].strip() else (text, "")


def _parts(target: str) -> list[str]:
    """The units of "feet and inches"."""
    return [part.strip() for part in re.split(r"\band\b|,", target) if part.strip()]


def _shown(quantity: Quantity, targets: list[str], units: Units) -> str:
    if not targets:
        value, symbol = units.simplest(quantity)
        _bounded(value)
        return format_value(value, symbol)
    factors = [Reader(target, units).unit() for target in targets]
    if len(targets) == 1:
        value = units.converted(quantity, factors[0])
        _bounded(value)
        return format_value(value, targets[0])
    shown, rest = [], quantity
    for target, factor in zip(targets[:-1], factors, strict=False):
        whole = Fraction(int(units.converted(rest, factor)))
        rest = units.combined("-", rest, units.quantity(whole, factor))
        shown.append(format_value(whole, target))
    value = units.converted(rest, factors[-1])
    _bounded(value)
    return " ".join([*shown, format_value(value, targets[-1])])


def _bounded(value: Fraction) -> None:
    if is_too_large(value):
        raise QuantityError("the result is too large")
