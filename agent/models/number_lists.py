"""Lists of numbers as a text gives them, so that a small model, which drops and doubles some, need not copy them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.models.argument_schema import not_null
from agent.models.text_values import is_amount, undated

_ONE = r"(?<![\w.:/])[$€£]?[-+\u2212]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?"
_NEXT, _LAST = r"\s*[,;]\s*", r"(?:\s*[,;])?\s*(?:\b(?:and|or)\s|&)\s*"
_END = r"(?!\w|[:/.\-]\w|\s*%?\s*(?:to|-)\s*\d)"  # no time, no range
_PLAIN = re.compile(rf"{_ONE}(?:(?:{_NEXT}{_ONE})*{_LAST}{_ONE}|(?:{_NEXT}{_ONE})+){_END}", re.IGNORECASE)
_OF_ONE_UNIT = re.compile(
    rf"{_ONE}\s?(?P<unit>[a-zµ%°]{{1,4}})(?:(?:{_NEXT}|{_LAST}){_ONE}\s?(?P=unit))+(?![\w/])",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[-+\u2212]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?", re.IGNORECASE)
_AFTER_DAY = re.compile(r"\s,\s*$")  # "May 3, 5 and 7" without its day is no list of two
_SPAN = re.compile(rf"\bbetween\s+{_ONE}{_LAST}{_ONE}{_END}", re.IGNORECASE)  # and neither is one
_BRACKET = "\x00"  # in the place of a list in brackets
_BRACKETED = re.compile(rf"\[\s*({_NUMBER.pattern}(?:[\s,;]+{_NUMBER.pattern})*)[\s,;]*\]", re.IGNORECASE)


def number_lists(text: str) -> list[list[float]]:
    """The lists of two numbers or more in a text, in order: "[3, 5]", "3, 5 and 8.5", "3 kg, 5 kg and 8.5 kg".

    Args:
        text: a request.
    """
    text = text.replace(_BRACKET, " ")
    brackets = [match[1] for match in _BRACKETED.finditer(text)]
    bare = undated(_SPAN.sub(" ", _BRACKETED.sub(_BRACKET, text)))
    found = [*zip((match.start() for match in re.finditer(_BRACKET, bare)), brackets, strict=True)]
    matches = [match for pattern in (_PLAIN, _OF_ONE_UNIT) for match in pattern.finditer(bare)]
    found += [(match.start(), match[0]) for match in matches if not _AFTER_DAY.search(bare, 0, match.start())]
    lists = (numbers for _, written in sorted(found) if len(numbers := _numbers(written)) > 1)
    return [numbers for numbers in lists if all(map(math.isfinite, numbers))]


def write_number_lists(
    arguments: dict[str, Any],
    schema: Mapping[str, Any],
    lists: Sequence[list[float]],
    writes: Callable[[float], bool] = lambda number: False,
) -> None:
    """Give each list of numbers in a call that was copied badly the one list that was said and that no other has.

    One that shares less than half of it was computed rather than copied, and one with another number that was said
    was put together: both stay.

    Args:
        arguments: of the call, by name; changed in place.
        schema: JSON Schema of them all.
        lists: those that were said (`number_lists`).
        writes: whether a number stands in what was said.
    """
    known, left, wrong = schema.get("properties") or {}, [*lists], list[str]()
    for name, value in arguments.items():
        if not _takes_numbers(known.get(name)) or not isinstance(value, list):
            continue
        if (same := next((one for one in left if _is_reordered(value, one)), None)) is not None:
            left.remove(same)
        else:
            wrong.append(name)
    if len(wrong) != 1 or not left:
        return
    name = wrong[0]
    shared, meant = _nearest(arguments[name], left)
    twice = len(left) == 1 and arguments[name] in lists  # another's list
    copied = twice or (2 * shared >= len(meant) and not _goes_on(arguments[name], meant, writes))
    if copied and _fits(meant, known[name]):
        arguments[name] = _as_written(meant)


def share_number_lists(
    calls: Sequence[dict[str, Any]], schema: Mapping[str, Any], lists: Sequence[list[float]]
) -> None:
    """Give several calls of one tool the lists that were said, one each and in order.

    Nothing is done where there are not as many lists as calls, where a tool takes two, where more than one call has no
    copy of its own list, where one has another's, as the order may be another, or where calls differ in something else:
    the mean and the median may be those of one list.

    Args:
        calls: the arguments of each, by name; changed in place.
        schema: JSON Schema of the arguments.
        lists: those that were said (`number_lists`).
    """
    names = [name for name, argument in (schema.get("properties") or {}).items() if _takes_numbers(argument)]
    if len(names) != 1 or not 1 < len(calls) == len(lists):
        return
    copied = [one for call in calls if isinstance(one := call.get(names[0]), list)]
    if len(copied) < len(calls) or not all(_fits(one, schema["properties"][names[0]]) for one in lists):
        return
    pairs = [*zip(copied, lists, strict=True)]
    strayed = any(one in lists and one != own for one, own in pairs)
    doubled = any(one in copied[:at] for at, one in enumerate(copied))
    others = [{name: value for name, value in call.items() if name != names[0]} for call in calls]
    kept = sum(2 * sum(number in one for number in own) >= len(own) for one, own in pairs)
    if kept >= len(calls) - 1 and all(one == others[0] for one in others) and (doubled or not strayed):
        for call, own in zip(calls, lists, strict=True):
            call[names[0]] = _as_written(own)


def _is_reordered(numbers: Sequence[Any], said: Sequence[float]) -> bool:
    """Whether two lists hold the same numbers: one may have been sorted."""
    return Counter(number for number in numbers if is_amount(number)) == Counter(said) and len(numbers) == len(said)


def _goes_on(numbers: Sequence[Any], meant: Sequence[float], writes: Callable[[float], bool]) -> bool:
    """Whether a list may be more than a bad copy: "3, 5 and 8, and also 10". "5,100,200" may be one number or three."""
    last = max((at for at, number in enumerate(numbers) if number in meant), default=-1)
    more = numbers[last + 1 :] if all(map(writes, meant)) else [number for number in numbers if number not in meant]
    return any(writes(number) for number in more if isinstance(number, int | float))


def _takes_numbers(argument: Any) -> bool:
    told = not_null(argument) if isinstance(argument, Mapping) else {}
    items = told.get("items") if told.get("type") == "array" else None
    return isinstance(items, Mapping) and items.get("type") in ("integer", "number")


def _fits(numbers: Sequence[float], argument: Mapping[str, Any]) -> bool:
    return not_null(argument)["items"]["type"] == "number" or all(map(float.is_integer, numbers))


def _nearest(numbers: Sequence[float], lists: Sequence[list[float]]) -> tuple[int, list[float]]:
    """The list that shares most with the numbers, and how much; 0 where two share as much."""
    ranked = sorted(((sum(number in one for number in numbers), one) for one in lists), reverse=True)
    alike = len(ranked) > 1 and ranked[0][0] == ranked[1][0]
    return (0 if alike else ranked[0][0]), ranked[0][1]


def _as_written(numbers: Sequence[float]) -> list[float]:
    return [int(number) if number.is_integer() else number for number in numbers]


def _numbers(written: str) -> list[float]:
    return [float(digits.replace("\u2212", "-")) for digits in _NUMBER.findall(written)]
