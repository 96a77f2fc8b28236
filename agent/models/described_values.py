"""The values that the description of an argument names as examples: "the category (e.g., civil, criminal)".

People who write tools list there what others would put into an enumeration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_LISTED = re.compile(
    r"(?:\be\.\s?g\.|\b(?:for (?:example|instance)|such as|(?<!would )(?<!looks )(?<!look )like"
    r"|(?:options?|choices?|examples?|values?)(?: are| is|:)))"
    r"[,:]?\s+([^()\n]{1,300}?)(?=[)\n]|\.(?:\s|$)|$)",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r",(?!\d)(?:\s*(?:or|and)\b)?|;|\s(?:or|and)\s")
_QUOTED = re.compile(r"(?<!\w)(?:'([^'\n]{1,60})'|\"([^\"\n]{1,60})\"|`([^`\n]{1,60})`)(?!\w)")
_RULED_OUT = re.compile(r"\b(?:not|never|except|without)\b[^.;]*$", re.IGNORECASE)
_MARKS = " '\"`."
_WORDS = 4  # at most, of an example
_LEADING = frozenset("to in by when as of for with if separated".split())  # what begins so says more of the argument
_NONE = frozenset({"etc", "others", "other", "more"})


def described_values(argument: Mapping[str, Any]) -> list[str]:
    """The examples of a value in an argument's description and in its `examples`, in order, each once.

    Args:
        argument: JSON Schema of it.
    """
    description = str(argument.get("description") or "")
    told = argument.get("examples")
    listed = [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
    return list(dict.fromkeys([*listed, *_in_lists(description), *_in_quotes(description)]))


def repeats_description(value: str, argument: Mapping[str, Any]) -> bool:
    """Whether a text is what describes its argument, in place of a value: "the author of the paper".

    Args:
        value: the text.
        argument: JSON Schema of it.
    """
    told = re.split(r"[.,;:(\n]", str(argument.get("description") or ""))[0]
    one, other = (text.strip(_MARKS).lower().removeprefix("the ") for text in (value, told))
    return " " in one and one == other


def _in_lists(description: str) -> Iterator[str]:
    for match in _LISTED.finditer(description):
        for piece in _BETWEEN.split(match[1]):
            value = piece.strip(_MARKS)
            if _is_value(value):
                yield value


def _in_quotes(description: str) -> Iterator[str]:
    for match in _QUOTED.finditer(description):
        value = next(group for group in match.groups() if group is not None).strip()
        if _is_value(value) and not _RULED_OUT.search(description, 0, match.start()):
            yield value


def _is_value(text: str) -> bool:
    """Whether a text can be a value by itself; a lone number is more often a part of one, or of another thing."""
    words = text.lower().split()
    if not 0 < len(words) <= _WORDS or text.isdecimal() or text.lower() in _NONE:
        return False
    return words[0] not in _LEADING and sum(map(text.count, "'\"`")) % 2 == 0
