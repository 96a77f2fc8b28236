"""Whether anybody gave the value that a small model wrote for an argument.

Such a model fills in what it need not: asked for the weather in a town it adds "rainy", asked to weld it adds
"current_a": 2391. So a value of an argument that may be left out stands only where what was said holds a word or a
number of it. What can be meant without being named stands: a value that the schema lists, yes or no, a time of day, a
zone, a code, a day where days are spoken of, any number where numbers are spelled out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cached_property
from typing import Any

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"(?<![^\W_])\d+(?:\.\d+)?")  # not those within a code: "v3Cf"
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_AFTERNOON = re.compile(r"(\d+)(?::\d+)?\s*p\.?m\b")
_UNNAMED = re.compile(r"\d?\d:\d\d(?::\d\d)?|[A-Z]{2,3}|[A-Z][a-z]+/[A-Z]\w+")  # 20:30, JPY, Asia/Tokyo
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_EMPTY = frozenset("a an the of for from to in on at by with and or as is are it its no not all any none".split())
_STEM = 4  # letters by which two forms of a word are known as one
_COUNTED = "zero one two three four five six seven eight nine ten eleven twelve".split()
_DAYS = frozenset(
    "today tonight tomorrow yesterday now day days week weeks weekend month months year years next last this ago since "
    "until till monday tuesday wednesday thursday friday saturday sunday morning afternoon evening noon".split()
)
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
_BY_WORD = {word: number for words in (enumerate(_COUNTED), enumerate(_ORDINALS, 1)) for number, word in words}
# Where numbers are put together from words, any number may be meant: "twenty-five", "half an hour".
_SPELLED = re.compile(
    r"\b(?:(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundreds?|thousands?"
    r"|millions?|half|quarters?|dozens?|couple|pair|once|twice|double|triple)\b|\d\s*[/\u2044]\s*\d"
)
_SCALES = (1, 0.01, 1e3, 1e6)  # "5 %" may be 0.05, "2 million" 2000000


class Said:
    """What was said, to be asked which values it holds.

    Args:
        text: the request with what came before it.
    """

    def __init__(self, text: str) -> None:
        self._text = _plain(text)

    def given(self, arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call without those that may be left out and that nobody gave.

        Args:
            arguments: by name.
            schema: JSON Schema of them all; where it is put together from others, all arguments stay.
        """
        if not {"$ref", "anyOf", "oneOf", "allOf"}.isdisjoint(schema):
            return dict(arguments)  # what is required stands in one of the others
        required, known = schema.get("required", ()), schema.get("properties", {})
        return {
            name: value
            for name, value in arguments.items()
            if name in required or self._holds(value, known.get(name, {}))
        }

    def _holds(self, value: Any, schema: Any) -> bool:
        if _lists(schema):
            return True
        if isinstance(value, dict):
            named = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
            return not value or any(self._holds(item, named.get(name, {})) for name, item in value.items())
        if isinstance(value, list):
            return not value or any(self._holds(item, {}) for item in value)
        if isinstance(value, str):
            return self._holds_text(value)
        return value is None or isinstance(value, bool) or self._holds_number(abs(value))

    def _holds_text(self, value: str) -> bool:
        if _UNNAMED.fullmatch(value) or (_DAY.match(value) and self._words & _DAYS):
            return True
        words = [word for word in _WORD.findall(_plain(value)) if word not in _EMPTY]
        if len(words) == 1 and len(value) < _STEM:
            return any(_abbreviates(words[0], word) for word in self._words)
        return not words or any(map(self._holds_word, words))

    def _holds_word(self, word: str) -> bool:
        if word.isdecimal():
            return self._holds_number(float(word)) or word in self._words
        if not word.isascii():
            return word in self._text  # some scripts write no spaces
        if len(word) < _STEM:
            return not self._words.isdisjoint((word, f"{word}s"))
        return any(one.startswith(word[:_STEM]) for one in self._words)

    def _holds_number(self, value: float) -> bool:
        return value in self._numbers or _SPELLED.search(self._text) is not None

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(_WORD.findall(self._text))

    @cached_property
    def _numbers(self) -> frozenset[float]:
        found = [float(digits) for digits in _NUMBER.findall(_GROUPED.sub("", self._text))]
        found += [float(digits) for digits in _NUMBER.findall(_DECIMAL_COMMA.sub(".", self._text))]
        found += [float(hour) + 12 for hour in _AFTERNOON.findall(self._text)]
        found += [number for word, number in _BY_WORD.items() if word in self._words]
        return frozenset(round(number * scale, 9) for number in found for scale in _SCALES)


def _plain(text: str) -> str:
    """The text as it is compared: without capitals and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _lists(schema: Any) -> bool:
    """Whether a schema names the values there are, or refers to one that may."""
    if not isinstance(schema, Mapping):
        return False
    inner = [schema.get("items"), *schema.get("anyOf", ()), *schema.get("allOf", ())]
    return any(key in schema for key in ("enum", "const", "$ref")) or any(map(_lists, inner))


def _abbreviates(short: str, word: str) -> bool:
    """Whether the letters of a short word stand in order in another with the same first one: "km" for kilometers."""
    rest = iter(word)
    return word[:1] == short[:1] and all(letter in rest for letter in short)
