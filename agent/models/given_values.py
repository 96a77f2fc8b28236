"""Whether anybody gave the value that a small model wrote for an argument.

Such a model fills in what it need not: asked for the weather in a town it adds "rainy", asked to weld it adds
"current_a": 2391. So a value of an argument that may be left out stands only where what was said holds a word or a
number of it. What can be meant without being named stands: a value that the schema lists, yes or no, a time of day, a
code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"(?<![^\W_])\d+(?:\.\d+)?")  # not those within a code: "v3Cf"
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_UNNAMED = re.compile(r"\d?\d:\d\d(?::\d\d)?|[A-Z]{2,3}")  # "half past eight" is 20:30, and yen are JPY
_EMPTY = frozenset("a an the of for from to in on at by with and or as is are it its no not all any none".split())
_STEM = 4  # letters by which two forms of a word are known as one
_COUNTED = dict(
    zip("zero one two three four five six seven eight nine ten eleven twelve".split(), range(13), strict=True)
)
_NUMBER_WORDS = _COUNTED | {"once": 1, "twice": 2, "couple": 2, "pair": 2, "dozen": 12, "half": 0.5, "quarter": 0.25}
_NUMBER_WORDS |= {"double": 2, "triple": 3, "hundred": 100, "thousand": 1000, "million": 1e6}
_SCALES = (1, 0.01, 1e3, 1e6)  # "5 %" may be 0.05, "2 million" 2000000


class Said:
    """What was said, to be asked which values it holds.

    Args:
        text: the request with what came before it.
    """

    def __init__(self, text: str) -> None:
        self._text = text.casefold()

    def given(self, arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call without those that may be left out and that nobody gave.

        Args:
            arguments: by name.
            schema: JSON Schema of them all.
        """
        required, known = schema.get("required", ()), schema.get("properties", {})
        return {
            name: value
            for name, value in arguments.items()
            if name in required or self._holds(value, known.get(name, {}))
        }

    def _holds(self, value: Any, schema: Any) -> bool:
        if _lists(schema):
            return True
        if isinstance(value, list | dict):
            items = value if isinstance(value, list) else list(value.values())
            return not items or any(self._holds(item, {}) for item in items)
        if isinstance(value, str):
            return self._holds_text(value)
        return value is None or isinstance(value, bool) or abs(value) in self._numbers

    def _holds_text(self, value: str) -> bool:
        if _UNNAMED.fullmatch(value) or value.casefold() in self._text:
            return True
        words = [word for word in _WORD.findall(value.casefold()) if word not in _EMPTY]
        if len(words) == 1 and len(value) < _STEM:
            return any(_abbreviates(value.casefold(), word) for word in self._words)
        return not words or any(map(self._holds_word, words))

    def _holds_word(self, word: str) -> bool:
        if word.isdecimal():
            return float(word) in self._numbers
        if not word.isascii():
            return word in self._text  # some scripts write no spaces
        return word in self._words or (len(word) >= _STEM and any(one.startswith(word[:_STEM]) for one in self._words))

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(_WORD.findall(self._text))

    @cached_property
    def _numbers(self) -> frozenset[float]:
        found = [float(digits) for digits in _NUMBER.findall(_GROUPED.sub("", self._text))]
        found += [_NUMBER_WORDS[word] for word in self._words if word in _NUMBER_WORDS]
        return frozenset(round(number * scale, 9) for number in found for scale in _SCALES)


def _lists(schema: Any) -> bool:
    """Whether a schema names the values there are, or refers to one that may."""
    if not isinstance(schema, Mapping):
        return False
    inner = [schema.get("items"), *schema.get("anyOf", ()), *schema.get("allOf", ())]
    return any(key in schema for key in ("enum", "const", "$ref", "properties")) or any(map(_lists, inner))


def _abbreviates(short: str, word: str) -> bool:
    """Whether the letters of a short word stand in order in another with the same first one: "km" for kilometers."""
    rest = iter(word)
    return word[:1] == short[:1] and all(letter in rest for letter in short)
