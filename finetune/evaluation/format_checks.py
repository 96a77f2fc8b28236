"""Rules about the form of a reply that a program can check, written as data.

The kinds are those of instruction-following tests; Zhou et al., "Instruction-Following Evaluation for Large Language
Models", 2023.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from finetune.errors import EvaluationError

Check = Mapping[str, Any]

_BULLET = re.compile(r"^\s*(?:[-*•+]|\d+[.)])\s+\S", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]”]*\s+")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|mr|mrs|ms|dr|st|vs|etc)\.|(?<=\d)\.(?=\d)", re.IGNORECASE)
_FENCE = re.compile(r"\A\s*```\w*\n(.*?)```\s*\Z", re.DOTALL)
# The most frequent short words of each language; a reply of a few words has at least one.
_WORDS = {
    "en": "the of and to in is that it was for on are with as be this have from or by not you at his an they which",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er",
    "fr": "le la les des et en un une du que est pour qui dans a par plus pas au sur ne se ce il sont avec elle",
    "es": "el la de que y en un los se del las por con no una su para es al lo como más pero sus le ha o este",
    "it": "il di che e la un a per in una sono mi è si lo ho non con le ha ma della dei gli nel alla come più",
    "pt": "o de que e a do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem",
}


def passes(output: str, check: Check) -> bool:
    """Whether a reply keeps a rule.

    Raises:
        EvaluationError: there is no rule of this kind, or it lacks its value.
    """
    try:
        rule = _RULES[check["kind"]]
        return rule(output.strip(), check)
    except (KeyError, re.error) as error:
        kinds = ", ".join(sorted(_RULES))
        raise EvaluationError(f"No rule of form reads {dict(check)}.", fix=f"Kinds are {kinds}.") from error


def _count(found: int, check: Check) -> bool:
    """Whether a number is as the rule says: exactly `n`, or at least `least` and at most `most`."""
    if "n" in check:
        return found == int(check["n"])
    if "least" not in check and "most" not in check:
        raise KeyError("n")
    return int(check.get("least", 0)) <= found <= int(check.get("most", found))


def _words(text: str) -> int:
    return len(re.findall(r"[^\W_]+(?:['’.-][^\W_]+)*", text))


def _sentences(text: str) -> int:
    return sum(_words(part) > 0 for part in _SENTENCE_END.split(_ABBREVIATION.sub("", text)))


def _is_json(text: str, check: Check) -> bool:
    """Whether the whole reply is JSON, with the `keys` that are asked for; a code fence around it is no fault."""
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
    except ValueError:
        return False
    return all(isinstance(value, dict) and key in value for key in check.get("keys", ()))


def _language(text: str, check: Check) -> bool:
    """Whether more of the reply's words are frequent ones of this language than of any other."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = {name: sum(word in frequent.split() for word in words) for name, frequent in _WORDS.items()}
    wanted = counts[check["code"]]
    return wanted > 0 and wanted == max(counts.values())


def _has(text: str, check: Check) -> bool:
    found = text.casefold().count(str(check["text"]).casefold())
    return found >= int(check.get("times", 1))


_RULES: Mapping[str, Callable[[str, Check], bool]] = {
    "max_words": lambda text, check: 0 < _words(text) <= int(check["n"]),
    "min_words": lambda text, check: _words(text) >= int(check["n"]),
    "words": lambda text, check: _count(_words(text), check),
    "sentences": lambda text, check: _count(_sentences(text), check),
    "paragraphs": lambda text, check: _count(len([part for part in re.split(r"\n\s*\n", text) if part.strip()]), check),
    "lines": lambda text, check: _count(len([line for line in text.splitlines() if line.strip()]), check),
    "bullets": lambda text, check: _count(len(_BULLET.findall(text)), check),
    "contains": _has,
    "not_contains": lambda text, check: bool(text) and not _has(text, {**check, "times": 1}),
    "regex": lambda text, check: re.search(check["pattern"], text) is not None,
    "json": _is_json,
    "lowercase": lambda text, _: bool(text) and text == text.lower(),
    "uppercase": lambda text, _: bool(text) and text == text.upper(),
    "starts_with": lambda text, check: text.casefold().startswith(str(check["text"]).casefold()),
    "ends_with": lambda text, check: text.casefold().endswith(str(check["text"]).casefold()),
    "no_commas": lambda text, _: bool(text) and "," not in text,
    "quoted": lambda text, _: len(text) > 2 and text[0] in '"“' and text[-1] in '"”',
    "one_of": lambda text, check: text.casefold().rstrip(".!") in [str(one).casefold() for one in check["options"]],
    "language": _language,
}
KINDS = tuple(_RULES)
