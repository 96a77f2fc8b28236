"""Required arguments that nobody gave, so that what is missing is asked for and not made up.

A small model fills in whatever a tool requires: told "I need a rental car" it books one from "a" to "a". It is easy to
see afterwards, because such a value stands nowhere in the conversation, or one text stands for several things. Where
values can be meant without being said, nothing is missing: choices, units, defaults, yes or no, lists, codes, what has
to be composed, and words of other scripts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.models.argument_schema import is_composed
from agent.models.literal_arguments import is_given
from agent.models.said import Said
from agent.models.text_values import is_day, numbers_in, parts_of, plain, words_of

_SYMBOL = re.compile(r"(?:[A-Z][a-z]?\d{0,2}){1,6}")  # of an airport, a share, a substance: LAX, AAPL, NaCl
_HERE = frozenset({"/", ".", ".."})
_SETTLED = frozenset({"enum", "const", "default"})  # what an argument may be without being said
_DEFAULT = re.compile(r"(?<!no )\bdefault(?:s to|s? is|:|=)", re.IGNORECASE)
# Texts that a model has to compose, and numbers that it has to know.
_WORKED_OUT = frozenset(
    "title subject label pattern glob regex command cron sql script expression query latitude longitude lat lon "
    "lng".split()
)
_OF_TIMES = frozenset({"year", "month", "day", "hour", "minute"})
_OF_IDS = frozenset({"id", "ids", "phone", "isbn", "iban"})  # nothing like it will do
_UNITS = frozenset({"unit", "units"})
_SHORT = 3  # letters of a name that says little
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


def words_for(name: str, schema: Mapping[str, Any]) -> str:
    """An argument as people are asked for it: its title, the words of its name, or what describes a short one."""
    argument = (schema.get("properties") or {}).get(name)
    told = argument if isinstance(argument, Mapping) else {}
    named = " ".join(parts_of(name)) or name
    if title := str(told.get("title") or ""):
        return title.lower()
    described = re.split(r"[.,;:(\n]", str(told.get("description") or ""))[0].strip()
    return described[:1].lower() + described[1:] if len(named) <= _SHORT and described else named


def question_for(words: Sequence[str]) -> str:
    """What is asked instead of making calls that lack arguments, in the form that training dialogues have.

    Args:
        words: for the arguments (`words_for`), one at least.
    """
    return f"Which {_listed(words)}?"


def regret_for(name: str, words: Sequence[str]) -> str:
    """What is said of a call that is not made, where no answer is waited for.

    Args:
        name: of the tool.
        words: for the arguments that it lacks, one at least.
    """
    return f"I did not use {name}, as I do not know the {_listed(words)}."


def _listed(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _is_free(name: str, argument: Any) -> bool:
    """Whether an argument may be any text or any number that somebody has to say."""
    if not isinstance(argument, Mapping) or not _SETTLED.isdisjoint(argument):
        return False
    if argument.get("type") not in ("string", "integer", "number") or _DEFAULT.search(str(argument.get("description"))):
        return False
    return _WORKED_OUT.isdisjoint(words_of(name))


def _was_given(name: str, value: Any, argument: Mapping[str, Any], said: Said) -> bool:
    if not isinstance(value, str):
        meant = value in _UNSAID or said.names_spans or (said.tells_times and not _OF_TIMES.isdisjoint(words_of(name)))
        return meant or said.holds_digits(value) or is_given(said, name, value, argument)
    is_unit = not _UNITS.isdisjoint(parts_of(name)[-1:])
    if value in _HERE or _SYMBOL.fullmatch(value) or is_unit or said.is_foreign:
        return True
    if not words_of(value) or parts_of(value) == parts_of(name):  # "...", "any", a city called "City"
        return False
    if "@" in value or (re.search(r"\d", value) and not _OF_IDS.isdisjoint(parts_of(name)[-1:])):
        return said.holds_spaced(value) or any(map(said.holds_number, numbers_in(plain(value))))
    return said.holds_initials(value) or said.holds_spaced(value) or is_given(said, name, value, argument)


def _shared(free: Mapping[str, Any], said: Said) -> Iterator[list[str]]:
    """The arguments that have one text between them which was not said as often.

    A day may be the first and the last, and two things may have one code.
    """
    by_text: dict[str, list[str]] = {}
    for name, value in free.items():
        if isinstance(value, str) and not is_day(plain(value)) and not _SYMBOL.fullmatch(value):
            by_text.setdefault(plain(value), []).append(name)
    for text, names in by_text.items():
        if len(names) > max(1, said.count(text)) and not said.shares:
            yield names
