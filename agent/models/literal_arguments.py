"""The arguments that a small model wrote, held against what was said.

Such a model fills in what it need not (asked for the weather in a town it adds "rainy"), forgets what was said, takes
one number for two things, and writes days in a form of its own. So, in this order: an argument that may be left out
stands only where somebody gave its value; a day is written in the form that the argument asks for; of two arguments
with one number, the one beside whose name another was said gets that; what slipped in copying becomes the example or
the list that was said; and a choice, a number or a text with a label that was said, and that no argument took, is
added. All is read off the text: where two readings are possible, nothing is done.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from agent.models.argument_schema import is_composed, lists_values, not_null
from agent.models.copied_texts import write_copies
from agent.models.described_values import described_values, repeats_description
from agent.models.literal_days import add_day, form_of_days, write_days
from agent.models.literal_numbers import (
    leftover_number,
    number_for,
    numbers_within,
    part_numbers,
    place_numbers,
)
from agent.models.named_arguments import maker_for, truth_for
from agent.models.number_lists import write_number_lists
from agent.models.said import Said
from agent.models.text_lists import write_text_lists
from agent.models.text_values import STEM, is_amount, plain, words_of

_CODE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z]{2})?")  # of a language, a country, a currency
_CODED = frozenset({"language", "languages", "lang", "locale", "country", "currency", "source", "target"})
_OF_DAYS = frozenset({"year", "month", "day"})
_WAYS = frozenset({"sort", "order", "status", "format", "category"})  # told by words that are said for other reasons
_TRUTHS = frozenset({"true", "false", "yes", "no"})
_FREE = frozenset(
    "text message body content note description comment caption query question prompt phrase sentence title task word "
    "words keyword keywords input string data subject find replace reminder song lyrics label term".split()
)
_LEADING = frozenset("a an the my your his her its our their".split())  # words that a value only begins with
_BOUND = frozenset({"const", "pattern", "minLength", "maxLength", "format"})
_RULING_OUT = frozenset("exclude excluded excludes excluding except without not ignore ignored avoid skip omit".split())
_AROUND = 2  # words at most around an example that are taken for the model's: "the Hindu religion"
_NAMING = 4  # words at most of a name with "the"
_FEW = 12  # smaller numbers are said of many things


def literal(
    arguments: Mapping[str, Any],
    schema: Mapping[str, Any],
    said: Said,
    asked: Said | None,
    elsewhere: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The arguments of a call as they were said.

    Args:
        arguments: by name.
        schema: JSON Schema of them all; where it is put together from others, all arguments stay as they are.
        said: everything that was said.
        asked: the request alone, which may hold what the call lacks; None where it asks for several calls of the tool,
            as what was said might belong to any of them.
        elsewhere: the arguments of other calls: what was said may stand there.
    """
    if is_composed(schema):
        return dict(arguments)
    found = _given(arguments, schema, said)
    _name_things(found, schema, said)
    write_days(found, schema, said)
    part_numbers(found, schema, said)
    write_copies(found, schema, said.text)
    if asked is None:
        return found
    place_numbers(found, schema, asked)
    _write_described(found, schema, asked)
    write_number_lists(found, schema, asked.number_lists, asked.writes)
    write_text_lists(found, schema, asked.list_like)
    return _completed(found, schema, asked, elsewhere)


def _given(arguments: Mapping[str, Any], schema: Mapping[str, Any], said: Said) -> dict[str, Any]:
    """Without what may be left out and nobody gave."""
    required, known = schema.get("required") or (), schema.get("properties") or {}
    kept = {name: value for name, value in arguments.items() if name in required}
    for name, value in arguments.items():
        if name in kept or not is_given(said, name, value, known.get(name, {})):
            continue
        if not _taken(said, name, value, kept, required):
            kept[name] = value
    return {name: kept[name] for name in arguments if name in kept}


def is_given(said: Said, name: str, value: Any, schema: Any) -> bool:
    """Whether somebody gave the value of an argument, or may have.

    Args:
        said: everything that was said.
        name: of the argument.
        value: as it stands in a call.
        schema: JSON Schema of the argument; anything else allows everything.
    """
    schema = schema if isinstance(schema, Mapping) else {}
    if value is None or "const" in schema or "$ref" in schema:
        return True
    if isinstance(value, bool) or (isinstance(value, str) and plain(value) in _TRUTHS):
        return said.touches(name)
    if isinstance(value, dict):
        inner = schema.get("properties") or {}
        return not value or any(is_given(said, key, item, inner.get(key, {})) for key, item in value.items())
    if isinstance(value, list):
        items = schema.get("items", {})
        return not value or any(is_given(said, name, item, items) for item in value)
    if isinstance(value, str):
        if _is_article(name, value, schema, said) or (repeats_description(value, schema) and not said.count(value)):
            return False
        coded = _CODE.fullmatch(value) and (not _CODED.isdisjoint(words_of(name)) or _lists_codes(schema))
        return bool(coded) or (said.holds_choice(value) if lists_values(schema) else said.holds_text(value))
    if not is_amount(value):
        return True
    part_of_day = any(value in parts for parts in said.parts_of_days) and not _OF_DAYS.isdisjoint(words_of(name))
    return part_of_day or said.holds_number(abs(value))


def _is_article(name: str, value: str, schema: Mapping[str, Any], said: Said) -> bool:
    """Whether a value is a word that only leads up to what was meant, which itself does not end a request."""
    if value not in _LEADING or lists_values(schema) or not _FREE.isdisjoint(words_of(name)):
        return False
    return re.search(rf"(?<!\w){value}\s*(?:[.,;:?!]|$)", said.text) is None


def _lists_codes(schema: Mapping[str, Any]) -> bool:
    values = [value for value in schema.get("enum") or () if isinstance(value, str)]
    return bool(values) and all(_CODE.fullmatch(value) and value.isupper() for value in values)


def _name_things(arguments: dict[str, Any], schema: Mapping[str, Any], said: Said) -> None:
    """What a few words name, without "the", unless it was quoted: tools know a Flamingo, and no "the Flamingo"."""
    known = schema.get("properties") or {}
    for name, value in arguments.items():
        told = known.get(name)
        bound = isinstance(told, Mapping) and (lists_values(told) or not _BOUND.isdisjoint(told))
        if bound or not isinstance(value, str) or not _FREE.isdisjoint(words_of(name)) or said.quotes(value):
            continue
        bare = value.removeprefix("the ").lstrip()
        if bare and len(value.split()) <= _NAMING and not any(map(str.isdigit, value)):  # "the 4th of March"
            arguments[name] = bare


def _taken(said: Said, name: str, value: Any, others: Mapping[str, Any], required: Collection[str]) -> bool:
    """Whether all that was said of a number stands for other arguments of the call, or of a text for required ones.

    Arguments whose names share a word may share a number, too: the first and the last year.
    """
    if isinstance(value, str):
        same = any(
            isinstance(one, str) and plain(one) == plain(value) for other, one in others.items() if other in required
        )
        return same and bool(value.strip()) and said.count(value) == 1
    if not is_amount(value) or said.spells_numbers or said.shares:
        return False
    words = {*words_of(name)}
    apart = [one for other, one in others.items() if words.isdisjoint(words_of(other))]
    used: int = sum(number == value for one in apart if not isinstance(one, str) for number in numbers_within(one))
    return 0 < said.count(float(abs(value))) <= used


def _write_described(arguments: dict[str, Any], schema: Mapping[str, Any], asked: Said) -> None:
    """What is a part of the one example in its description that was said, or was put around it, becomes that."""
    known = schema.get("properties") or {}
    for name, value in arguments.items():
        argument = known.get(name)
        if not isinstance(value, str) or not isinstance(argument, Mapping) or argument.get("enum"):
            continue
        said = [one for one in described_values(argument) if asked.count(one)]
        if len(said) == 1 and said[0] not in arguments.values() and _is_slip(value, said[0], asked):
            arguments[name] = said[0]


def _is_slip(value: str, meant: str, asked: Said) -> bool:
    """Whether a text stands where a longer one was meant ("Hindu", said was "Hinduism"), or has more that nobody said.

    What was said by itself is no slip.
    """
    short, whole = plain(value), plain(meant)
    within = f" {short} " in f" {whole} "
    if short == whole or asked.count(value) > (asked.count(meant) if within else 0):
        return False
    if whole.startswith(short) or within:
        return len(short) >= STEM - 1
    more = f" {short} ".replace(f" {whole} ", " ", 1).split()
    return f" {whole} " in f" {short} " and len(more) <= _AROUND and not any(map(asked.holds_word, more))


def _completed(
    arguments: Mapping[str, Any], schema: Mapping[str, Any], asked: Said, elsewhere: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """With what may be left out, was left out, and was said all the same; in the order of the schema."""
    found, known = dict(arguments), schema.get("properties") or {}
    there = {f"{name} {place}": value for place, one in enumerate(elsewhere) for name, value in one.items()}
    for name, argument in known.items():
        if name in (schema.get("required") or ()) or not isinstance(argument, Mapping):
            continue
        if not found.get(name) and (truth := truth_for(name, argument, found | there, asked)) is not None:
            found[name] = truth
        if name in found:
            continue
        choice = _choice_for(name, argument, found | there, asked)
        value = number_for(name, schema, found | there, asked) if choice is None else choice
        value = _labelled_for(name, argument, found | there, asked) if value is None else value
        value = maker_for(name, schema, found | there, asked) if value is None else value
        if value is not None:
            found[name] = value
    if left := leftover_number(found, schema, there, asked):
        found[left[0]] = left[1]
    add_day(found, schema, asked, elsewhere)
    return {name: found[name] for name in dict.fromkeys([*known, *arguments]) if name in found}


def _choice_for(name: str, argument: Mapping[str, Any], others: Mapping[str, Any], asked: Said) -> Any:
    """The one value of those that a schema or a description lists that was said and stands for nothing else.

    Where several may be given, all that were said, in that order.
    """
    argument = not_null(argument)
    if not (_WAYS | _RULING_OUT).isdisjoint(words_of(name)):
        return None
    if argument.get("type") == "array":
        items = argument.get("items")
        listed = items.get("enum") if isinstance(items, Mapping) else None
        named = [one for one in listed or () if isinstance(one, str) and asked.names(one)]
        free = [one for one in named if not any(_stands_in(one, other, value) for other, value in others.items())]
        most = argument.get("maxItems")
        fits = not isinstance(most, int) or len(free) <= most
        return (sorted(free, key=asked.place_of) or None) if fits else None
    listed = argument.get("enum") or ()
    if not isinstance(listed, Sequence):
        return None
    if not listed and argument.get("type") == "string" and _BOUND.isdisjoint(argument):
        listed = [value for value in described_values(argument) if not asked.only_in_names(value)]
    named = [value for value in listed if _names(asked, value)]
    if len(named) != 1 or any(_stands_in(named[0], other, value) for other, value in others.items()):
        return None
    return named[0]


def _labelled_for(name: str, argument: Mapping[str, Any], others: Mapping[str, Any], asked: Said) -> str | None:
    """The text that was said behind an argument's name and a colon, and stands for nothing else."""
    text = not_null(argument)
    if text.get("type") != "string" or lists_values(argument) or form_of_days(argument) or not _BOUND.isdisjoint(text):
        return None
    value = asked.labelled(name)
    return None if not value or any(_stands_in(value, other, said) for other, said in others.items()) else value


def _names(asked: Said, value: Any) -> bool:
    if isinstance(value, str):
        return asked.names(value)
    return is_amount(value) and value > _FEW and value in asked.numbers


def _stands_in(value: Any, name: str, other: Any) -> bool:
    """Whether a value is a part of what another argument has, or is called."""
    if isinstance(value, str):
        words = f"{name} {other}" if isinstance(other, str) else name
        return Said(" ".join(words_of(words))).names(value)
    return value in numbers_within(other)
