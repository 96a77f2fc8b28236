"""Which questions ask for a conversion or a calculation with units: rules, made to be right when they fire."""

from __future__ import annotations

import re

from tools.units.conversion import ASKING, degrees_named

# Units that people ask for. A question is looked at every turn, so it is not worth loading pint's table for.
_COMMON = frozenset(
    "mm cm dm m km nm µm um in inch inches ft foot feet yd yard yards mi mile miles meter meters metre metres "
    "kilometer kilometers kilometre kilometres centimeter centimeters centimetre centimetres millimeter millimeters "
    "millimetre millimetres mg g kg t lb lbs oz gram grams kilogram kilograms kilo kilos pound pounds ounce ounces "
    "stone stones ton tons tonne tonnes ml l L cl dl liter liters litre litres milliliter milliliters millilitre "
    "millilitres gallon gallons pint pints quart quarts cup cups tsp tbsp teaspoon teaspoons tablespoon tablespoons "
    "s sec second seconds min minute minutes h hr hour hours day days week weeks month months year years ms "
    "celsius fahrenheit kelvin degC degF K C F mph kmh kph knot knots km/h m/s mi/h B kB KB MB GB TB KiB MiB GiB TiB "
    "byte bytes kilobyte kilobytes megabyte megabytes gigabyte gigabytes terabyte terabytes bit bits Mbit Gbit Mb Gb "
    "Mbps Gbps Mbit/s Gbit/s MB/s J kJ cal kcal joule joules calorie calories Wh kWh W kW MW watt watts hp horsepower "
    "Pa kPa bar psi atm N newton newtons Hz kHz MHz GHz acre acres hectare hectares ha degree degrees radian radians "
    "rad deg m^2 km^2 ft^2 m^3 m² m³ km² sqft".split()
)
_WORD = r"(?:(?:square|cubic)\s+)?[A-Za-zµ°][A-Za-zµ°²³/^0-9]*"
_NUMBER = r"(?<![\w.])[-+−]?\d[\d.,]*(?:/\d+)?"
_ONE = rf"{_NUMBER}\s*{_WORD}"
_TARGET = rf"(?P<target>{_WORD}(?:\s+and\s+{_WORD})?)"
_TWICE = rf"{_ONE}\s*[*/+-]\s*{_ONE}"
_LEAD = rf"^\W*?(?:{ASKING}\s*)*"
_AMOUNT = rf"(?P<value>(?:an?|one)\s+[A-Za-z]+|{_ONE})"
_HOW_MANY = rf"^\W*how (?:many|much)\s+{_TARGET}"
_ASKED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_LEAD}(?P<value>{_ONE}(?:\s+{_ONE})?|{_TWICE})\s+(?:in|to|into|as)\s+{_TARGET}$",
        rf"{_LEAD}(?P<value>{_TWICE})(?P<target>)$",
        rf"{_HOW_MANY}\s+(?:(?:are\s+|is\s+)?(?:there\s+)?(?:in|make)|is|are|has|equals?)\s+{_AMOUNT}$",
        rf"{_HOW_MANY}\s+(?:does|do)\s+{_AMOUNT}\s+(?:make|equal|have|contain)$",
        rf"^\W*{_AMOUNT}\s+(?:is|are|has|have|makes?|equals?)\s+how (?:many|much)\s+{_TARGET}$",
    )
)


def hints(question: str) -> str | None:
    """The conversion that a whole question asks for, in units that people use; None for any other question."""
    text = degrees_named(question[:300]).rstrip("?!. ")
    for pattern in _ASKED:
        if match := pattern.match(text):
            value = re.sub(r"^(?:an?|one)\s+", "1 ", match.group("value"), flags=re.IGNORECASE)
            target = match.group("target")
            named = [*re.findall(r"[A-Za-zµ°][A-Za-zµ°²³/^]*", value), *re.split(r"\s+(?:and\s+)?", target)]
            if all(map(_is_common, named)):
                return f"{value} to {target}" if target else value
    return None


def _is_common(name: str) -> bool:
    return name in _COMMON or name.lower() in _COMMON or name.lower() in ("", "square", "cubic")
