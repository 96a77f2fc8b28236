"""The numbers in a call, each given to the argument that it was said for.

A small model takes one number for two arguments, swaps two, loses a sign, and leaves out what is optional. What was
said beside a number ("29 years", "3.7 %", "floor 8") names its argument; a number that nothing names, and nothing else
has, belongs to the one argument that is left for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain, combinations, permutations
from operator import ge, gt, le, lt, mul
from typing import Any

from agent.models.argument_schema import members, numeric_arguments
from agent.models.said import Said, same_amount
from agent.models.text_values import is_amount, numbers_in, words_of

_EXACT = 2.0**53  # the last whole number up to which all are exact
_FEW = 6  # numbers that something may be worked out from; of more, any is the sum of some
_FACTORS = (1, 7, 12, 24, 30, 52, 60, 100, 365, 1000, 3600)  # of weeks, hours and metres
_OF_TIMES = (1, 60, 3600)
_FIRST_YEAR = 1000  # "30 years" is no year
_PLACED = 2  # numbers that a call has before one that is left over is meant for it
_BOUNDS = {"minimum": ge, "maximum": le, "exclusiveMinimum": gt, "exclusiveMaximum": lt}


def place_numbers(arguments: dict[str, Any], schema: Mapping[str, Any], asked: Said) -> None:
    """Give an argument the number beside its name where it has another's, and numbers their signs.

    Args:
        arguments: of a call, by name; changed in place.
        schema: JSON Schema of them all.
        asked: the request.
    """
    known = numeric_arguments(schema)
    beside = _told_apart({name: _beside(name, schema, asked) for name in known}, arguments)
    for name in [name for name in known if is_amount(arguments.get(name))]:
        value, right = arguments[name], -arguments[name]
        if not (value > 0 and asked.negates(value)):
            right = _swapped(name, arguments, known, beside, asked)
        if right is not None and _fits(right, name, known[name]):
            arguments[name] = right


def _told_apart(beside: Mapping[str, set[float]], arguments: Mapping[str, Any]) -> dict[str, set[float]]:
    """Of several numbers beside a name those alone that are not what another argument has, the only one beside it."""
    only = [numbers for name, numbers in beside.items() if [*numbers] == [arguments.get(name)]]
    return {name: numbers.difference(*only) if len(numbers) > 1 else numbers for name, numbers in beside.items()}


def _swapped(
    name: str,
    arguments: Mapping[str, Any],
    known: Mapping[str, Mapping[str, Any]],
    beside: Mapping[str, set[float]],
    asked: Said,
) -> float | None:
    """The one number beside an argument's name, where what it has was said of something else, or not at all."""
    value, own = arguments[name], beside[name]
    unsaid = _is_made_up(value, asked)
    if len(own) != 1 or not (unsaid or asked.count(float(abs(value)))):
        return None
    number = next(iter(own))
    if unsaid and asked.measures_otherwise(number, f"{name} {known[name].get('description', '')}"):
        return None  # "5 miles" for "distance_km"
    others = {other: numbers for other, numbers in beside.items() if other != name}
    taken = any(number in numbers and arguments.get(other) == number for other, numbers in others.items())
    if same_amount(number, value) or taken:
        return None
    for_another = any(value in numbers for numbers in others.values())
    return as_written(number) if unsaid or for_another else None


def part_numbers(arguments: dict[str, Any], schema: Mapping[str, Any], said: Said) -> None:
    """A number that was said once and stands for two arguments: one of them gets the number beside its name.

    Args:
        arguments: of a call, by name; changed in place.
        schema: JSON Schema of them all.
        said: everything that was said.
    """
    numeric = [name for name, value in arguments.items() if is_amount(value)]
    for name in numeric:
        uses = sum(arguments[other] == arguments[name] for other in numeric)
        if uses > max(1, said.count(float(abs(arguments[name])))):
            left = {other: value for other, value in arguments.items() if other != name}
            if (own := number_for(name, schema, left, said)) is not None:
                arguments[name] = own


def number_for(name: str, schema: Mapping[str, Any], others: Mapping[str, Any], asked: Said) -> float | None:
    """The one number beside which the name of an argument was said, and that stands for nothing else.

    Args:
        name: of the argument.
        schema: JSON Schema of all arguments.
        others: what the other arguments are, by name.
        asked: the request.
    """
    argument = numeric_arguments(schema).get(name)
    if argument is None:
        return None
    words = [word for other in others.values() if isinstance(other, str) for word in words_of(other)]
    found = _unused(_beside(name, schema, asked, words), others)
    if len(found) != 1 or not _fits(number := found.pop(), name, argument):
        return None
    return as_written(number)


def leftover_number(
    arguments: Mapping[str, Any], schema: Mapping[str, Any], elsewhere: Mapping[str, Any], asked: Said
) -> tuple[str, float] | None:
    """The one numeric argument without a number of its own, and the one number that is left: "starting from 42,300".

    The number stands in a sentence with something else that the call has, and not beside the argument's name: there
    `number_for` would have found it, were it meant. An argument that lacks a number gets it only where no word says
    what the number is of, and where the call has two others: a lone one may be about something else.

    Args:
        arguments: of the call, by name.
        schema: JSON Schema of them all.
        elsewhere: what the arguments of other calls are, by name.
        asked: the request.
    """
    known = numeric_arguments(schema)
    twice = [name for name in known if _has_anothers(name, arguments, asked)]
    open_ones = [name for name in known if not known[name].get("enum") and (name not in arguments or name in twice)]
    placed = [name for name in known if is_amount(arguments.get(name))]
    if len(open_ones) != 1 or not (twice or len(placed) >= _PLACED):
        return None
    name, whole = open_ones[0], known[open_ones[0]]["type"] == "integer"
    others = {other: value for other, value in arguments.items() if other != name} | dict(elsewhere)
    apart = set(asked.numbers_near(others.values(), whole)) - set(asked.numbers_beside(name, whole))
    found = _unused(apart, others)
    if len(found) != 1 or not _fits(number := found.pop(), name, known[name]):
        return None
    return (name, as_written(number)) if twice or asked.says_nothing_of(number) else None


def _has_anothers(name: str, arguments: Mapping[str, Any], asked: Said) -> bool:
    """Whether an argument has a number that was said, but not as often as it is used."""
    value = arguments.get(name)
    if not is_amount(value) or asked.shares:
        return False
    times = asked.count(float(abs(value)))
    uses = sum(number == value for other in arguments.values() for number in numbers_within(other))
    return 0 < times < uses


def _is_made_up(value: float, asked: Said) -> bool:
    """Whether a number was neither said nor worked out from what was: 14 days are two weeks, 150 seconds 2:30."""
    if asked.holds_number(abs(value)):
        return False
    numbers = asked.numbers[:_FEW]
    scaled = [[number * factor for factor in _FACTORS] for number in numbers]
    parts = (number / (factor * scale) for number in numbers for factor in _FACTORS for scale in (1, 100))
    sums = (one + other for left, right in combinations(scaled, 2) for one in left for other in right)
    times = (sum(map(mul, three, of)) for three in combinations(numbers, 3) for of in permutations(_OF_TIMES))
    results = (result for a, b in permutations(numbers, 2) for result in _results(a, b))
    return not any(math.isclose(abs(value), result) for result in chain(*scaled, parts, sums, times, results))


def _results(a: float, b: float) -> tuple[float, ...]:
    """What comes of two numbers, the second as a percentage of the first included."""
    return a * b, a - b, a / (b or 1), a * (1 + b / 100), a * (1 - b / 100), a * b / 100


def as_written(number: float) -> float:
    """The number as JSON has it: 3 for 3.0."""
    return int(number) if number.is_integer() else number


def numbers_within(value: Any) -> Iterator[float]:
    """All numbers within a value."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from numbers_within(item)
    elif isinstance(value, str):
        yield from numbers_in(value)
    elif is_amount(value):
        yield float(value)


def _beside(name: str, schema: Mapping[str, Any], asked: Said, words: list[str] | None = None) -> set[float]:
    """The numbers beside which the name of a numeric argument was said, but for words that name something else."""
    known = schema.get("properties") or {}
    named = [word for other in known if other != name for word in words_of(other)]  # "min_price" beside "max_price"
    whole = numeric_arguments(schema)[name]["type"] == "integer"
    return set(asked.numbers_beside(name, whole, [*(words or ()), *named]))


def _unused(numbers: set[float], others: Mapping[str, Any]) -> set[float]:
    taken = [number for other in others.values() for number in numbers_within(other)]
    return {number for number in numbers if not any(same_amount(number, other) for other in taken)}


def _fits(number: float, name: str, argument: Mapping[str, Any]) -> bool:
    """Whether a number may be the value of an argument."""
    if abs(number) > _EXACT or ("year" in words_of(name) and number < _FIRST_YEAR):
        return False
    listed = not argument.get("enum") or number in members(argument["enum"])
    bounds = [(keeps, argument[bound]) for bound, keeps in _BOUNDS.items() if is_amount(argument.get(bound))]
    return listed and all(keeps(number, bound) for keeps, bound in bounds)
