"""Optional arguments that a request names in passing, and that a small model leaves out.

"The available books by Ursula Le Guin" gives `available` and `author`: a yes or no by the word that it is called, and a
person by what they did. Both are read only where the words stand beside something else that the call has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.models.argument_schema import not_null, texts_within
from agent.models.said import Said
from agent.models.text_values import MONTHS, STEM, parts_of, plain

# Words of a name that say nothing of what is true: "include_symbols", "is_open_now".
_IDLE = frozenset(
    "is are be has have do does can include includes included including with only show get use uses return returns "
    "should enable enabled allow allowed need needs require required requires want whether flag a an the of to "
    "in".split()
)
_MAKERS = frozenset(
    "artist author composer director singer band writer creator painter performer musician poet".split()
)
_NAME = r"[A-Z][\w.'\u2019-]*"
_JOINED = rf"(?:\s+(?:(?:of|the|de|da|van|von|der|den|le|la)\s+)*{_NAME})*"
_MAKING = frozenset("written composed directed sung painted performed recorded created drawn made".split())
_BY = re.compile(rf"(\w*)[\s\"'\u201d\u2019]+by\s+((?:the\s+)?{_NAME}{_JOINED})")
_DAYS = frozenset([*MONTHS, *"monday tuesday wednesday thursday friday saturday sunday christmas easter".split()])
# "With notifications off", "hide the toolbar"; what is ruled out by "no", "not" or "without", `Said` knows.
_OFF = r"(?:off|disabl\w+|exclud\w+|false|omit\w*|skip\w*|hid(?:e|ing|den)|mut(?:e|ed|ing)|remov\w+)"
_BETWEEN = r"[^\w,;.!?]+(?:\w+[^\w,;.!?]+){0,2}?"
_SHORT = 3  # letters of a word that is part of many


def truth_for(name: str, argument: Mapping[str, Any], others: Mapping[str, Any], asked: Said) -> bool | None:
    """Yes where the words of a yes-or-no's name were said, no where they were ruled out, else None.

    Args:
        name: of the argument.
        argument: JSON Schema of it.
        others: what the other arguments are, by name.
        asked: the request.
    """
    words = [_singular(word) for word in parts_of(name) if word not in _IDLE]
    if not_null(argument).get("type") != "boolean" or not any(len(word) > _SHORT for word in words):
        return None
    texts = [*texts_within(dict(others))]
    if any(Said(text).holds_word(word) for text in texts for word in words):
        return None
    said = asked.affirms(" ".join(words), texts)
    return False if said and any(_is_off(word[:STEM], asked.text.lower()) for word in words) else said


def maker_for(name: str, schema: Mapping[str, Any], others: Mapping[str, Any], asked: Said) -> str | None:
    """The one person or group whose work was asked for ("by Queen"), for the one argument that takes such a name.

    Args:
        name: of the argument.
        schema: JSON Schema of all arguments.
        others: what the other arguments are, by name.
        asked: the request.
    """
    known: Mapping[str, Any] = schema.get("properties") or {}
    makers = [one for one, told in known.items() if isinstance(told, Mapping) and _names_maker(one, told)]
    said = _BY.findall(asked.text)
    found = [*dict.fromkeys(_trimmed(maker) for _, maker in said)]
    # "Sorted by Title", "published by Penguin"
    otherwise = any(word.lower().endswith("ed") and word.lower() not in _MAKING for word, _ in said)
    if makers != [name] or len(found) != 1 or otherwise or plain(found[0]) in _DAYS:
        return None
    texts = [*texts_within(dict(others))]
    taken = any(plain(found[0]) in plain(text) for text in texts)
    return None if taken or not asked.holds_beside(found[0], texts) else found[0]


def _names_maker(name: str, argument: Mapping[str, Any]) -> bool:
    text = not_null(argument)
    return text.get("type") == "string" and not text.get("enum") and not _MAKERS.isdisjoint(parts_of(name))


def _is_off(stem: str, text: str) -> bool:
    """Whether "off", or a word like it, was said beside a word that begins so: "images excluded"."""
    return re.search(rf"\b{_OFF}{_BETWEEN}{stem}|\b{stem}\w*{_BETWEEN}{_OFF}\b", text) is not None


def _singular(word: str) -> str:
    """A word as it may be said in a name: "toll" of "avoid_tolls"."""
    return word[:-1] if len(word) > _SHORT + 1 and word.endswith("s") and word[-2] != "s" else word


def _trimmed(name: str) -> str:
    return name.rstrip(".").removesuffix("'s").removesuffix("\u2019s")
