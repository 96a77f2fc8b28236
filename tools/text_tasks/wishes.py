"""Questions that ask for a task on a text which stands in them: "summarize in two sentences: …"."""

from __future__ import annotations

import re

_NUMBERS = {"one": "1", "a": "1", "two": "2", "three": "3", "four": "4", "five": "5"}
_THIS = r"(?:(?:this|the\s+following)(?:\s+(?:text|passage|article|sentence|review|message|e-?mail|paragraph|phrase))?)"
_LENGTH = r"(?:\s+in(?:to)?\s+(?P<count>\d{1,2}|one|a|two|three|four|five)(?:\s+single)?\s+sentences?)?"
_BEGIN = r"^\s*(?:please\s+|(?:can|could|would)\s+you\s+(?:please\s+)?)?"
_QUOTED = r"\s*[\"“'‘](?P<quoted>.+)[\"”'’]\s*[.?!]?\s*$"
_AFTER_COLON = r"\s*:\s*(?P<plain>.+)$"
_TEXT = rf"(?:{_AFTER_COLON}|{_QUOTED})"
_FLAGS = re.IGNORECASE | re.DOTALL
_SUMMARIZE = re.compile(rf"{_BEGIN}(?:summari[sz]e|sum\s+up|tl;?dr)(?:\s+{_THIS})?{_LENGTH}{_TEXT}", _FLAGS)
_TRANSLATE_FIRST = re.compile(
    rf"{_BEGIN}translate(?:\s+{_THIS})?\s+(?:in)?to\s+(?P<language>[A-Za-zäöüçñ]+(?:\s+Portuguese|\s+Chinese)?){_TEXT}",
    _FLAGS,
)
_TRANSLATE_LAST = re.compile(
    rf"{_BEGIN}translate(?:\s+{_THIS})?\s*:?\s*[\"“'‘](?P<quoted>.+)[\"”'’]\s+(?:in)?to\s+(?P<language>[A-Za-zäöüçñ]+)\s*[.?!]?\s*$",
    _FLAGS,
)
_SENTIMENT = re.compile(
    rf"{_BEGIN}(?:(?:what(?:'s|\s+is)\s+|tell\s+me\s+|classify\s+|analy[sz]e\s+)the\s+(?:sentiment|feeling|tone)\s+of"
    rf"(?:\s+{_THIS})?|is\s+{_THIS}\s+positive(?:,\s*|\s+or\s+)negative(?:,?\s+or\s+neutral)?){_TEXT}",
    _FLAGS,
)


def to_summarize(question: str) -> dict[str, list[str]] | None:
    """The text to summarize and the number of sentences; None when the question asks for no such thing."""
    match = _SUMMARIZE.match(question)
    if match is None:
        return None
    count = (match.group("count") or "3").lower()
    return {"text": [_text(match)], "sentences": [_NUMBERS.get(count, count)]}


def to_translate(question: str) -> dict[str, list[str]] | None:
    """The text to translate and the language; None when the question asks for no such thing."""
    match = _TRANSLATE_FIRST.match(question)
    if match is not None:
        return {"text": [_text(match)], "language": [match.group("language").strip()]}
    match = _TRANSLATE_LAST.match(question)
    return {"text": [match.group("quoted").strip()], "language": [match.group("language")]} if match else None


def to_classify(question: str) -> dict[str, list[str]] | None:
    """The text whose sentiment is asked for; None when the question asks for no such thing."""
    match = _SENTIMENT.match(question)
    return {"text": [_text(match)]} if match else None


def _text(match: re.Match[str]) -> str:
    text = (match.group("plain") or match.group("quoted")).strip()
    quoted = re.fullmatch(r"[\"“](.+)[\"”]", text, re.DOTALL)
    return quoted.group(1) if quoted else text
