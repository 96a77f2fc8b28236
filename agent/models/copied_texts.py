"""Texts that a small model copied with a slip: other capitals, a code with a digit too few."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from agent.models.argument_schema import lists_values
from agent.models.described_values import described_values
from agent.models.text_values import is_day, plain

_CODE = re.compile(r"[\w.+@/#-]*\d[\w.+@/#-]*\w|\w[\w.+@/#-]*\d")
_SENTENCE = re.compile(r"(?:^|[.!?:]\s+|\n)[\"'\u201c]?$")
_TIME = re.compile(r"\d{1,2}:\d\d")
_SHORTEST = 5  # signs of a code; shorter ones are alike by chance
_ALIKE = 0.8  # of two codes, by the signs they share


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
            arguments[name] = _as_said(value, text) or _nearest_code(value, text, others) or value


def _is_listed(value: str, argument: Mapping[str, Any]) -> bool:
    """Whether the tool says itself how the value is written."""
    return lists_values(argument) or value in described_values(argument)


def _as_said(value: str, text: str) -> str | None:
    """The value with the capitals that it was said with each time; one that a sentence begins with is none."""
    if not value.strip():
        return None
    places = [*re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE)]
    forms = {match[0] for match in places}
    form = forms.pop() if len(forms) == 1 else value
    raised = any(said.isupper() and not own.isupper() for said, own in zip(form, value, strict=False))
    if not raised and not (_CODE.fullmatch(value) and form != value):
        return None
    led = form == value[:1].upper() + value[1:] and all(_SENTENCE.search(text, 0, match.start()) for match in places)
    return None if led else form


def _nearest_code(value: str, text: str, others: list[Any]) -> str | None:
    """The one code that was said, that no other argument has, and that a code of which nothing was said is like."""
    if not _CODE.fullmatch(value) or len(value) < _SHORTEST or is_day(plain(value)) or _TIME.search(value):
        return None
    codes = dict.fromkeys(_codes(text))
    if any(_holds(code, value) for code in codes):
        return None
    alike = [code for code in codes if code not in others and _is_alike(value, code)]
    return alike[0] if len(alike) == 1 else None


def _codes(text: str) -> Iterator[str]:
    for match in _CODE.finditer(text):
        code = match[0].rstrip(".")
        if len(code) >= _SHORTEST and not is_day(plain(code)) and not _TIME.search(code):
            yield code


def _holds(code: str, value: str) -> bool:
    """Whether a value is a code or stands between its signs: "9f3a1" of "app-9f3a1", which may be meant."""
    return re.search(rf"(?<![^\W_]){re.escape(value)}(?![^\W_])", code, re.IGNORECASE) is not None


def _is_alike(value: str, code: str) -> bool:
    return code.endswith(value) or code.startswith(value) or SequenceMatcher(None, value, code).ratio() >= _ALIKE
