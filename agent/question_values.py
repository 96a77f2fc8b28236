"""What a question says, as candidate values for the arguments of a tool.

A small model that writes arguments freely invents them: "25" becomes 2.5, and a city appears that nobody named. So it
is let choose among what stands in the question only: quoted texts, runs of words that neither begin nor end with a
function word, numbers, and dates in ISO form.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from agent.models.text_values import MONTHS

MAX_WORDS = 6  # of an unquoted value
MAX_VALUES = 400  # per argument; a grammar of more takes noticeably long to prepare
MAX_LENGTH = 120  # characters of a value for which the question has no candidates
_EDGES = "\"'“”‘’.,;:!?()[]"
_QUOTED = re.compile(
    r"[\"“](?P<double>[^\"”]{1,300})(?:[\"”]|$)"
    r"|(?<!\w)['‘](?P<single>[^'’]{1,300}(?:['’](?=\w)[^'’]{1,300})*)['’](?!\w)"
)
_PIECES = re.compile(r"\n+|[.!?;:](?=\s|$)|,(?=\s)|[()\[\]]")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?!\w|\.\d)")
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_LONG_DATE = re.compile(rf"\b({'|'.join(MONTHS)})\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})\b", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({'|'.join(MONTHS)}),?\s+(\d{{4}})\b", re.I)
_ISO_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_SHAPED = {  # a word of an argument's name → what its values look like
    "email": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "url": re.compile(r"https?://[^\s\"'<>]*[^\s\"'<>.,;:!?)]"),
}
_NAME_PARTS = re.compile(r"[_\W]+|(?<=[a-z])(?=[A-Z])")
_FUNCTION_WORDS = frozenset(
    "a an the this that these those my your our their his her its of for from to in on at by with about into and or as "
    "is are was were be been being it i me you we they he she please can could would should will do does did has have "
    "had not no if then than so such there here what which who whom whose when where why how specified given certain "
    "specific particular using via under over between during after before per called named titled tell show give "
    "provide get find retrieve want need".split()
)


def texts(question: str) -> list[str]:
    """The values that a text argument may take from a question, quoted ones first, at most `MAX_VALUES`."""
    found: dict[str, None] = {}
    unquoted = list(question)
    for match in _QUOTED.finditer(question):
        value = (match["double"] or match["single"]).strip()
        # The full stop inside the quotation marks of a name belongs to the sentence.
        found[value.rstrip(".,") if len(value.split()) <= 2 else value] = None
        unquoted[match.start() : match.end()] = "\n" * (match.end() - match.start())
    for piece in _PIECES.split("".join(unquoted)):
        found |= dict.fromkeys(_runs(piece))
    found.pop("", None)
    return list(found)[:MAX_VALUES]


def _runs(piece: str) -> list[str]:
    words = list(re.finditer(r"\S+", piece))
    ends = [match.group().strip(_EDGES).lower() not in _FUNCTION_WORDS for match in words]
    runs = []
    for first in range(len(words)):
        for last in range(first, min(len(words), first + MAX_WORDS)):
            if ends[first] and ends[last]:
                run = piece[words[first].start() : words[last].end()].strip(_EDGES)
                runs.append(re.sub(r"['’]s$", "", run))
    return runs


def numbers(question: str, *, whole: bool = False) -> list[int | float]:
    """The numbers that stand in a question, in order; with `whole` only integers."""
    found = dict.fromkeys(_NUMBER.findall(_GROUPED.sub("", question)))
    return [float(text) if "." in text else int(text) for text in found if not (whole and "." in text)]


def dates(question: str) -> list[str]:
    """The dates that a question writes out, in ISO form (2026-11-21)."""
    found = [(match.start(), match[3], match[1], match[2]) for match in _LONG_DATE.finditer(question)]
    found += [(match.start(), match[3], match[2], match[1]) for match in _DAY_FIRST.finditer(question)]
    written = [(at, f"{year}-{MONTHS.index(month.lower()) + 1:02}-{int(day):02}") for at, year, month, day in found]
    written += [(match.start(), match.group()) for match in _ISO_DATE.finditer(question)]
    return [date for _, date in sorted(written)]


def narrowed(schema: Mapping[str, Any], question: str) -> dict[str, Any]:
    """A tool (OpenAI's form) whose arguments can only take values from the question.

    Texts and numbers get the candidates as their `enum`; an optional argument stays only when the question mentions
    it by a word of its name or by one of its values, and is then required. Arguments of other types stay as they are;
    those that the question has no candidates for are only bounded.
    """
    narrow = copy.deepcopy(dict(schema))
    parameters = narrow["function"].setdefault("parameters", {"type": "object", "properties": {}})
    properties = parameters.get("properties", {})
    # "Add", "Book", "Play": the word that asks for the tool is no value for it.
    told = f"{narrow['function']['name']} {narrow['function'].get('description', '')}".lower()
    verb = question.split(maxsplit=1)[0].strip(_EDGES) if question.strip() else ""
    spans = [text for text in texts(question) if verb.lower() not in told or text.split()[0] != verb]
    required = set(parameters.get("required", ()))
    kept = {
        name: _with_values(name, argument, question, spans)
        for name, argument in properties.items()
        if name in required or _is_mentioned(name, argument, question)
    }
    parameters["properties"], parameters["required"] = kept, list(kept)
    return narrow


def _is_mentioned(name: str, argument: Mapping[str, Any], question: str) -> bool:
    asked = question.lower()
    words = [word.lower() for word in _NAME_PARTS.split(name) if len(word) > 3]
    values = [str(value).lower() for value in argument.get("enum", ())]
    return any(re.search(rf"\b{re.escape(word)}", asked) for word in [*words, *values] if word)


def _with_values(name: str, argument: Mapping[str, Any], question: str, spans: list[str]) -> dict[str, Any]:
    if "enum" in argument or "const" in argument:
        mentioned = [value for value in argument.get("enum", ()) if _stands_in(value, question)]
        return {**argument, "enum": mentioned} if mentioned else dict(argument)
    words = [word.lower() for word in _NAME_PARTS.split(name)]
    shape = next((_SHAPED[word] for word in words if word in _SHAPED), None)
    values: list[Any] = []
    match argument.get("type"):
        case "string" if argument.get("format") == "date" or "date" in words:
            values = dates(question) or ([] if argument.get("format") else spans)
        case "string" if not argument.get("format") and not argument.get("pattern"):
            values = (shape.findall(question) if shape else []) or spans
        case "integer" | "number" as kind:
            values = numbers(question, whole=kind == "integer")
    return {**argument, "enum": values} if values else _bounded(argument)


def _bounded(argument: Mapping[str, Any]) -> dict[str, Any]:
    """The argument with an end to what may be written: a small model that has nothing to copy repeats itself."""
    bounds: dict[str, Any] = {}
    if argument.get("type") == "string" and not argument.get("format") and not argument.get("pattern"):
        bounds = {"maxLength": MAX_LENGTH}
    elif argument.get("type") == "integer":
        bounds = {"minimum": -(10**9), "maximum": 10**9}
    return bounds | dict(argument)


def _stands_in(value: Any, question: str) -> bool:
    return isinstance(value, str) and re.search(rf"\b{re.escape(value)}\b", question, re.IGNORECASE) is not None
