"""Texts that a small model copied with a slip: other capitals, a code with a digit too few."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent.models.argument_schema import lists_values
from agent.models.described_values import described_values
from agent.models.text_values import is_day, plain, words_of

_TOKEN = re.compile(r"[\w.+@/#-]+")
_CALCULATED = re.compile(r"\d[+*/^]|[+*/^]\d")  # 12+7, +49
_SENTENCE = re.compile(r"(?:^|[.!?:]\s+|\n)[\"'\u201c]?$")
_TIME = re.compile(r"\d{1,2}:\d\d")
_SHORTEST = 5  # signs of a code; shorter ones are alike by chance
_SLIP = 2  # signs at most that were dropped or doubled within a code
_CAPITAL = 0.7  # of the letters of a request that is written in capitals
_WAYS = frozenset("unit units order sort sorting format status method mode type".split())  # tools write them their way


def write_copies(arguments: dict[str, Any], schema: Mapping[str, Any], text: str) -> None:
    """Give texts that were said with other capitals, and codes that were miscopied, as they were said.

    Args:
        arguments: of a call, by name; changed in place.
        schema: JSON Schema of them all.
        text: what was said.
    """
    known = schema.get("properties") or {}
    for name, value in arguments.items():
        argument = known.get(name)
        if isinstance(value, str) and isinstance(argument, Mapping) and not _is_listed(value, argument):
            others = [other for key, other in arguments.items() if key != name]
            form = None if _is_spelled(name, value, argument) else _as_said(value, text)
            arguments[name] = form or _nearest_code(value, text, others) or value


def _is_listed(value: str, argument: Mapping[str, Any]) -> bool:
    """Whether the tool says itself how the value is written."""
    return lists_values(argument) or value in described_values(argument)


def _is_spelled(name: str, value: str, argument: Mapping[str, Any]) -> bool:
    """Whether the tool has capitals of its own for the value: its description names it, or it is a unit or a way."""
    described = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", str(argument.get("description") or ""))
    return described is not None or not _WAYS.isdisjoint(words_of(name))


def _as_said(value: str, text: str) -> str | None:
    """The value with the capitals that it was said with each time; one that a sentence begins with is none."""
    letters = [letter for letter in text if letter.isalpha()]
    if not value.strip() or sum(map(str.isupper, letters)) > _CAPITAL * len(letters):
        return None
    places = [*re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE)]
    forms = {match[0] for match in places}
    form = forms.pop() if len(forms) == 1 else value
    raised = any(said.isupper() and not own.isupper() for said, own in zip(form, value, strict=False))
    if not raised and not (_is_code(value) and form != value):
        return None
    led = form == value[:1].upper() + value[1:] and all(_SENTENCE.search(text, 0, match.start()) for match in places)
    return None if led else form


def _nearest_code(value: str, text: str, others: list[Any]) -> str | None:
    """The one code that was said, that no other argument has, and that a code of which nothing was said is like.

    What holds all of a code that was said, or its signs with others between them, may have been made of it.
    """
    if not _is_code(value) or len(value) < _SHORTEST or is_day(plain(value)) or _TIME.search(value):
        return None
    codes = dict.fromkeys(_codes(text))
    derived = any(_holds(code, value) or code in value for code in codes)
    if derived or _CALCULATED.search(value) or _is_spaced(value, text):
        return None
    alike = [code for code in codes if code not in others and _is_alike(value, code)]
    return alike[0] if len(alike) == 1 else None


def _codes(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        code = match[0].strip(".+@/-")
        if len(code) >= _SHORTEST and _is_code(code) and not is_day(plain(code)) and not _TIME.search(code):
            yield code


def _is_code(value: str) -> bool:
    return re.search(r"\d", value) is not None and _TOKEN.fullmatch(value) is not None


def _is_spaced(value: str, text: str) -> bool:
    """Whether the letters and digits of a value were said in order, with other signs between them: (555) 123-4567."""
    signs = r"[\W_]*".join(re.findall(r"[^\W_]", value))
    return re.search(rf"(?<!\w){signs}(?!\w)", text, re.IGNORECASE) is not None


def _holds(code: str, value: str) -> bool:
    """Whether a value is a code or stands between its signs: "9f3a1" of "app-9f3a1", which may be meant."""
    return re.search(rf"(?<![^\W_]){re.escape(value)}(?![^\W_])", code, re.IGNORECASE) is not None


def _is_alike(value: str, code: str) -> bool:
    """Whether a code was cut off, or has signs that were dropped, doubled or changed places.

    Another sign in the place of one may be meant: the next invoice, a copy in another format.
    """
    if code.endswith(value) or code.startswith(value) or sorted(value) == sorted(code):
        return True
    short, long = sorted((value, code), key=len)
    signs = iter(long)
    return 0 < len(long) - len(short) <= _SLIP and all(sign in signs for sign in short)
