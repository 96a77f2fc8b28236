"""Required arguments that nobody gave, so that what is missing is asked for and not made up.

A small model fills in whatever a tool requires: told "I need a rental car" it books one from "a" to "a". It is easy to
see afterwards, because such a value stands nowhere in the conversation, or one text stands for several things. Where
values can be meant without being said, as choices, yes or no, lists, codes and other scripts can, nothing is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.models.literal_arguments import is_composed, is_given
from agent.models.said import Said
from agent.models.text_values import is_day, parts_of, plain, words_of

_REQUEST = re.compile(r"^Which [^?]+\?$", re.MULTILINE)
_CODE = re.compile(r"(?:[A-Z][a-z]?\d{0,2}){1,6}")  # of an airport, a share, a formula: LAX, AAPL, NaCl
_SETTLED = frozenset({"enum", "const", "default"})  # what an argument may be without being said
_UNITS = frozenset({"unit", "units"})
_UNSAID = (0, 1)  # where nothing begins, and "a" or "the"


def missing(arguments: Mapping[str, Any], schema: Mapping[str, Any], said: Said) -> list[str]:
    """The names of the required arguments that nobody gave; in the order of the schema.

    Args:
        arguments: of a call, by name.
        schema: JSON Schema of them all; where it is put together from others, nothing is taken to be missing.
        said: everything that was said.
    """
    if is_composed(schema):
        return []
    known = schema.get("properties") or {}
    free = {
        name: arguments[name]
        for name in schema.get("required") or ()
        if isinstance(arguments.get(name), str | int | float) and _is_free(name, known.get(name))
    }
    made_up = {name for name, value in free.items() if not _was_given(name, value, known[name], said)}
    made_up.update(*_shared(free, said))
    return [name for name in free if name in made_up]


def request_for(missing_arguments: Sequence[str]) -> str:
    """What is asked instead of making a call that lacks arguments.

    Args:
        missing_arguments: their names, one at least.
    """
    *others, last = (" ".join(parts_of(argument)) or argument for argument in missing_arguments)
    return f"Which {', '.join(others)} and {last}?" if others else f"Which {last}?"


def is_request(text: str) -> bool:
    """Whether a text holds a question such as `request_for` asks."""
    return _REQUEST.search(text) is not None


def _is_free(name: str, argument: Any) -> bool:
    """Whether an argument may be any text or any number; a unit goes without saying."""
    if not isinstance(argument, Mapping) or not _SETTLED.isdisjoint(argument):
        return False
    if "default" in str(argument.get("description")).lower() or not _UNITS.isdisjoint(words_of(name)):
        return False
    return argument.get("type") in ("string", "integer", "number")


def _was_given(name: str, value: Any, argument: Mapping[str, Any], said: Said) -> bool:
    if isinstance(value, str):
        if not value.strip():
            return False
        meant = _CODE.fullmatch(value) or said.is_foreign or said.holds_initials(value)
    else:
        meant = value in _UNSAID or said.holds_digits(value) or said.names_spans
    return bool(meant) or is_given(said, name, value, argument)


def _shared(free: Mapping[str, Any], said: Said) -> Iterator[list[str]]:
    """The arguments that have one text between them which was not said as often; a day may be the first and last."""
    by_text: dict[str, list[str]] = {}
    for name, value in free.items():
        if isinstance(value, str) and not is_day(plain(value)):
            by_text.setdefault(plain(value), []).append(name)
    for text, names in by_text.items():
        if len(names) > max(1, said.count(text)) and not said.shares:
            yield names
