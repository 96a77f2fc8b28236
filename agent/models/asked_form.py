"""The form that a request asks its reply to have: how long, in which letters, as what, with which words.

A model of 135M knows such words and keeps few of them, and one that is told of capital letters writes about capital
letters. So the form is read here, taken out of what the model is told where a whole request is left without it, and
enforced as the model writes (`agent.models.reply_form`). English is what it knows. What is quoted asks for nothing, nor
does what only mentions a form: "How many words should a letter have?"
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.models import form_words as words
from agent.models.form_words import mark_of, number_of
from agent.models.reply_form import FormParts, ReplyForm

_LONGEST = 800  # characters of a request; in longer ones most is material to work on
_ROUND, _ROUNDLY = 20, 0.8  # from so many words on, "in 50 words" means hardly more, and not many fewer
_MOST_THINGS = 20  # in a list
_JSON_SCALAR = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}
_JSON_VALUE = {"anyOf": [*_JSON_SCALAR["anyOf"], {"type": "array", "items": {"type": "string"}}]}
_QUOTATION_MARKS = "\"'\u201c\u201d\u2018\u2019"
_MASKED = re.compile(r"(?<=.).(?=.)")
_CLAUSE_END = re.compile(rf"[.!?:;](?=[\s{_QUOTATION_MARKS})]|$)|\n")
_LOOSE_ENDS = re.compile(
    r"[\s,;]*\b(?:and|but|with|using|in|as|or|that|which|who|while)\b(?=\s*(?:[.,;:!?]|$))"
    r"|[\s,]*\band nothing (?:else|more)\b|[\s,]*\bwithout any(?:thing| other \w+)(?: else)?\b(?=\s*(?:[.,;:!?]|$))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class AskedForm:
    """A form, and what is asked for besides: the request without it, or all of it where that says too little."""

    form: ReplyForm
    request: str


def asked_form(request: str) -> AskedForm | None:
    """What form a reply to the request must have; None where the request says nothing of it that is understood."""
    if len(request) > _LONGEST:
        return None
    reader = _Reader(request)
    form = reader.form()
    return AskedForm(form, reader.rest()) if form else None


class _Reader:
    """Reads one request, one kind of form after the other; what is taken for one is not taken for another."""

    def __init__(self, request: str) -> None:
        self._text = request
        # As long as the request, so that places in one are places in the other.
        self._masked = words.QUOTED.sub(lambda said: _MASKED.sub(words.UNREAD, said[0]), request)
        self._parts = FormParts()
        self._taken: list[tuple[int, int]] = []
        self._cuts: list[tuple[int, int]] = []

    def form(self) -> ReplyForm:
        """Everything that is asked for, together."""
        if self._list():
            self._counts("word")
        elif not (self._json() or self._choice() or self._figure() or self._in_quotes()):
            self._lines()
            self._ends()
            self._held_words()
            self._counts("word", "sentence", "paragraph", "line")
        self._letters()
        return self._parts.form()

    def rest(self) -> str:
        """The request without the forms that can be left out."""
        left = "".join(_without(self._text, *span, self._cuts) for span in self._clauses())
        left = re.sub(r"(?:\s|,)+([.,;:!?])", r"\1", re.sub(r"[ \t]{2,}", " ", left)).strip(" ,;")
        aim = words.AIM.match(left)
        left = left[aim.end() :] if aim and not words.AIM.match(self._text) else left
        return left[:1].upper() + left[1:] if _has_content(left) else self._text

    def _json(self) -> bool:
        found = next(self._asked(words.JSON), None)
        if found:
            names = self._items(found, "keys")
            closed = {"required": names, "additionalProperties": False} if names else {}
            one = {"type": "object", "properties": dict.fromkeys(names, _JSON_VALUE), **closed}
            size = number_of(found["n"]) if found["n"] else 0
            bounds = {"minItems": size or 1, "maxItems": size or _MOST_THINGS}
            items = one if names or found["objects"] else _JSON_SCALAR
            self._parts.schema = {"type": "array", "items": items, **bounds} if found["array"] else one
        return bool(found)

    def _choice(self) -> bool:
        for found in words.CHOICES.finditer(self._masked):
            fixed = found["fixed"] or found["lone"]
            options = fixed.lower().split(" or ") if fixed else self._options(found)
            if len(options) > 1 and self._told(found):
                self._parts.one_of(options)
                self._cut(found)
                return True
        return False

    def _options(self, found: re.Match[str]) -> list[str]:
        name = next(name for name in ("letters", "quoted", "options", "offered") if found[name])
        start, end = found.span(name)
        options = re.split(r",? or |,? and |, ", self._text[start:end])
        return [one.strip().strip(_QUOTATION_MARKS) for one in options]

    def _figure(self) -> bool:
        if found := next(self._asked(words.MASK), None):
            self._parts.exactly(re.sub(r"[A-Za-z]", "[0-9]", found["mask"].replace(".", "[.]").replace("/", r"\/")))
        elif found := next(self._asked(words.DIGITS), None):
            self._parts.exactly("-?[0-9]{1,9}(,[0-9]{3}){0,3}([.][0-9]{1,4})?")
        return self._cut(found)

    def _in_quotes(self) -> bool:
        if found := next(self._asked(words.QUOTES), None):
            self._parts.exactly('"[^"\\n]+"')
        return self._cut(found)

    def _list(self) -> bool:
        for pattern in (*words.LIST_PATTERNS, *words.LIST_OBJECTS):
            if found := next(self._asked(pattern), None):
                named = found.groupdict()
                size = named.get("n") or named.get("m")
                numbered = named.get("numbered") or found[0].lower().startswith("number")
                self._parts.items(number_of(size) if size else self._things(found), bool(numbered))
                return pattern in words.LIST_OBJECTS or self._cut(found)
        return False

    def _lines(self) -> None:
        if found := next(self._asked(words.ONE_A_LINE), None):
            things = self._things(found)
            self._parts.count("item", things or 2, things or _MOST_THINGS)
        elif found := next(self._asked(words.ONLY_ONE), None):
            self._parts.count("line", 1, 1)
        self._cut(found)

    def _ends(self) -> None:
        for found in self._asked(words.STARTING):
            if words.OF_THE_REPLY.search(self._before(found)):
                self._parts.first = self._stated(found)
                self._cut(found)
        for found in self._asked(words.ENDING):
            if found["mark"]:
                self._parts.end_with(mark_of(found["mark"]).strip("[]"))
            elif words.OF_THE_REPLY.search(self._before(found)):
                self._parts.end_with(self._stated(found))
            else:
                continue
            self._cut(found)

    def _held_words(self) -> None:
        for found in self._asked(words.WITHOUT):
            for word in self._items(found, "x", "y", "z"):
                self._parts.leave_out(word)
            self._cut(found)
        for found in self._asked(words.HOLDING):
            times = 2 if found["twice"] else number_of(found["n"]) if found["n"] else 1
            for word in self._items(found, "x", "y"):
                self._parts.hold(word, times)

    def _letters(self) -> None:
        for pattern, case in words.CASES.items():
            for found in self._asked(pattern):
                if not words.OF_A_PART.search(self._before(found)):
                    self._parts.case = "upper" if case == "upper" else "lower"
                    self._cut(found)
        for found in self._asked(words.NO_MARKS):
            self._parts.do_without(mark_of(found["mark"]))
            self._cut(found)

    def _counts(self, *units: str) -> None:
        for found in words.COUNT.finditer(self._masked):
            bounds = _bounds(found)
            if bounds and found["unit"].lower() in units and not found["about"] and not self._is_taken(found):
                self._counted(found, bounds)

    def _counted(self, found: re.Match[str], bounds: tuple[int, int | None]) -> None:
        """Take a count that tells how to answer, or what to write; out of what the model is told only the former."""
        start, end = self._clause(found)
        before, after = self._masked[start : found.start()], self._masked[found.end() : end]
        at_end = not re.search(r"\w", re.sub(r"\b(?:please|only|max)\b", "", after))
        adverbial = words.ADVERBIAL.search(before)
        apart = re.search(r"(?:^|,)\W*$", before) if at_end or after.lstrip()[:1] == "," else None
        leading = words.LEADING.match(before) and words.LED.match(after)
        limited = apart and (found["most"] or found["or_less"] or found["or_more"])
        questioned = adverbial and at_end and words.QUESTION.match(before)
        if not (leading or limited or questioned or self._instructs(found)):
            return
        aside = adverbial or apart or words.ABOUT_THE_REPLY.match(before)
        vague = found["n"].lower() == "a" and found["unit"].lower() in ("word", "line")  # "explain a word"
        stated = aside or leading or words.OBJECT.search(before)
        if not stated or words.AND_MORE.search(after) or (vague and not re.search(r"\bin\s*$", before)):
            return
        self._count(found["unit"].lower(), bounds)
        attributive = re.search(r"\ban?\s*$", before)  # "a two-sentence story" is no story without it
        owned = re.match(r"\s+(?:about|on|of|for|that|which|to)\b", after)
        if aside and not attributive:
            self._cut(found, start + aside.start())
        elif leading and not owned and not attributive:
            self._cut(found)

    def _count(self, unit: str, bounds: tuple[int, int | None]) -> None:
        """So many of a unit; where one word is asked for, and a question names two, one of these."""
        either = words.EITHER.search(self._masked) if (unit, *bounds) == ("word", 1, 1) else None
        if either:
            self._parts.one_of([either["a"], either["b"]])
        else:
            self._parts.count(unit, *bounds)

    def _asked(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Matches in clauses that ask for something."""
        return (found for found in pattern.finditer(self._masked) if self._told(found) and not self._is_taken(found))

    def _told(self, found: re.Match[str]) -> bool:
        """Whether the clause tells somebody to do something, or begins with the form."""
        return self._instructs(found) or bool(words.LEADING.match(self._before(found)))

    def _instructs(self, found: re.Match[str]) -> bool:
        return bool(words.INSTRUCTION.match(self._masked, *self._clause(found)))

    def _is_taken(self, found: re.Match[str]) -> bool:
        return any(found.start() < end and start < found.end() for start, end in self._taken)

    def _cut(self, found: re.Match[str] | None, start: int | None = None) -> bool:
        """Take a match, and from what the model is told; whether there is one."""
        if found:
            self._taken.append(found.span())
            self._cuts.append((found.start() if start is None else start, found.end()))
        return bool(found)

    def _clauses(self) -> Iterator[tuple[int, int]]:
        start = 0
        for mark in _CLAUSE_END.finditer(self._masked):
            yield start, mark.end()
            start = mark.end()
        if start < len(self._text):
            yield start, len(self._text)

    def _clause(self, found: re.Match[str]) -> tuple[int, int]:
        return next(span for span in self._clauses() if span[0] <= found.start() < span[1])

    def _before(self, found: re.Match[str]) -> str:
        return self._masked[self._clause(found)[0] : found.start()]

    def _items(self, found: re.Match[str], *names: str) -> list[str]:
        """What a list in the request holds, as it was written."""
        start, end = next((found.span(name) for name in names if found[name]), (0, 0))
        spans = [one.span() for one in words.ITEM.finditer(self._masked, start, end)]
        items = [self._text[a:b].strip(_QUOTATION_MARKS) for a, b in spans]
        return [item for item in items if item.lower() not in ("and", "or", "nor", "the")]

    def _stated(self, found: re.Match[str]) -> str:
        """The words with which a reply must begin or end; a sentence of three words or more keeps its mark."""
        start, end = found.span("x" if found["x"] else "y")
        said = self._text[start:end]
        if self._masked[start + 1 : start + 2] == words.UNREAD:
            return said[1:-1].strip()
        mark = self._text[end : end + 1]
        return said.strip() + (mark if mark in (".", "!", "?") and said.count(" ") > 1 else "")

    def _things(self, found: re.Match[str]) -> int:
        """How many things are asked for beside a list: "Name three colours as a list"; 0 where that is left open."""
        elsewhere = self._masked[: found.start()] + " " * len(found[0]) + self._masked[found.end() :]
        sizes = [size for one in words.COUNTED_THINGS.finditer(elsewhere) if (size := number_of(one["n"])) > 1]
        return sum(sizes) if sum(sizes) < _MOST_THINGS else 0


def _bounds(found: re.Match[str]) -> tuple[int, int | None] | None:
    """The fewest and the most that a count admits, or None where it admits nothing."""
    low, high = number_of(found["n"]), number_of(found["m"] or found["or_m"] or found["n"])
    if found["over"]:
        return low + 1, None
    if found["least"] or found["or_more"]:
        return low, None
    if found["under"]:
        low, high = 1, low - 1
    elif found["most"] or found["or_less"]:
        low = 1
    elif low == high >= _ROUND and not (found["exact"] or found["exactly"]):
        low = round(_ROUNDLY * low)
    return (low, high) if 0 < low <= high else None


def _without(text: str, start: int, end: int, cuts: list[tuple[int, int]]) -> str:
    """A clause without what was cut out; nothing of one that says nothing else."""
    own = sorted((max(a, start), min(b, end)) for a, b in cuts if a < end and b > start)
    if not own:
        return text[start:end]
    kept, at = [], start
    for a, b in own:
        kept.append(text[at:a])
        at = max(at, b)
    left = _LOOSE_ENDS.sub("", "".join([*kept, text[at:end]]))
    return left if _has_content(left) else ""


def _has_content(text: str) -> bool:
    return any(word.lower() not in words.CONTENTLESS for word in re.findall(r"[\w'\u2019]+", text))
