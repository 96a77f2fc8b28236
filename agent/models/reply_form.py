"""The form that a reply must have, as a grammar that admits nothing else.

A regular language each: so many words, sentences or lines, no capitals, a beginning, an end. A reply that must have
several forms lies in the intersection of theirs, which llguidance computes as the model writes (Owens et al. 2009,
"Regular-expression derivatives re-examined").
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

# Where no word may follow, a small model that has more to say writes on without blanks; so words are short.
_REST = r"[\p{Ll}\p{Lo}\p{M}\p{N}'\u2019.:\/-]{0,15}"
_BARE_WORD = rf"[\p{{L}}\p{{N}}][\p{{Lu}}\p{{N}}]*{_REST}"
_END_OF_WORD = r"([,;:]|[.!?)\"'\u201d\u2019]{0,2})"
_WORD = rf"[\"'(\u201c\u2018]?{_BARE_WORD}{_END_OF_WORD}"
# Where there is room for a few words, not "The", with which a sentence begins.
_FIRST_OF_FEW = (
    rf"([\p{{L}}\p{{N}}&&[^T]][\p{{Lu}}\p{{N}}]*{_REST}|T([\p{{Ll}}&&[^h]]{_REST}|h[\p{{Ll}}&&[^e]]{_REST}))"
)
_FEW = 4
_LONE_WORD = r"[\p{L}\p{N}][\p{L}\p{N}'\u2019-]{1,13}[.!]?"
_ARTICLE = "(?i:the).+"  # "ThecapitalisParis", where one word is all there may be
_QUESTION = r"(What|Where|When|Why|How|Who|Which|Is|Are|Do|Does|Did|Can|Could|Would|Will|Have|Has)[ '][^.!?\n]+[?]"
# A sentence ends at its first mark that no digit follows: "3.5 km." is one.
_SENTENCE = r"([^.!?\n]|[0-9][.][0-9])+[.!?]"
_LINE = r"[^\n\p{L}\p{N}]*[\p{L}\p{N}][^\n]*"
# A small model does not end a line by itself, and puts all things on one.
_VERSE = rf"{_WORD}( {_WORD}){{0,11}}"
_ITEM = rf"{_FIRST_OF_FEW}( {_BARE_WORD}){{0,4}}[.)]?"
_MOST_ITEMS = 9  # of a list whose length is left open
_MOST_SENTENCES = 4  # before the words with which a reply must end, or among which it must hold a word
_ANY = r"(?s:.+)"
_MARKS = ".!?"
_SPECIAL = re.compile(r"([\\.^$|?*+()\[\]{}/&~#-])")


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """What a reply must be like.

    Attributes:
        patterns: regular expressions in Rust's syntax; the reply is in the language of each.
        without: regular expressions in whose languages it must not be.
        schema: a JSON Schema that it satisfies, in place of the others.
        case: letters that its own are changed to, as a model that may use no small ones forgets how to write.
        exclaims: its full stops become exclamation marks, as one that may not end a sentence goes on and on.
        last: what is written behind it; one that may not end before it has said this goes on, too.
    """

    patterns: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    case: Literal["", "lower", "upper"] = ""
    exclaims: bool = False
    last: str = ""

    def __bool__(self) -> bool:
        return self != ReplyForm()

    def grammar(self, end: str = "") -> str:
        """A grammar in llguidance's Lark dialect; empty where any text will do.

        Args:
            end: as for `agent.models.tool_calls.ToolChoice.grammar`.
        """
        closing = f' ({end} | "")' if end else ""
        if self.schema is not None:
            return f"%llguidance {{}}\nstart: json{closing}\njson: %json {json.dumps(self.schema)}"
        if not self.patterns and not self.without:
            return ""
        parts = [f"/{one}/" for one in self.patterns or (_ANY,)]
        parts += [f"~/{one}/" for one in self.without]
        return f"%llguidance {{}}\nstart: TEXT{closing}\nTEXT: {' & '.join(parts)}"

    def shown(self, text: str) -> str:
        """A piece of the reply as the user sees it."""
        text = text.replace(".", "!") if self.exclaims else text
        return text.lower() if self.case == "lower" else text.upper() if self.case == "upper" else text

    def closing(self, text: str) -> str:
        """What is written behind a reply: words with which it must end and does not.

        Args:
            text: the reply, complete.
        """
        if not self.last or text.rstrip().casefold().endswith(self.last.casefold()):
            return ""
        return self.shown(("" if not text.strip() else " " if self.last[-1] in _MARKS else "\n\n") + self.last)


@dataclass(slots=True)
class FormParts:
    """Collects what was asked for, part by part; `form` puts it together."""

    patterns: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    holding: list[str] = field(default_factory=list)
    first: str = ""
    last: str = ""
    exclaims: bool = False
    counted: bool = False
    schema: Mapping[str, Any] | None = None
    case: Literal["", "lower", "upper"] = ""

    def count(self, unit: str, least: int, most: int | None) -> None:
        """So many words, sentences, paragraphs or lines."""
        if self.last and unit in ("word", "sentence"):
            taken = len(self.last.split()) if unit == "word" else int(self.last[-1] in _MARKS)
            least, most = max(1, least - taken), most if most is None else max(1, most - taken)
        if unit == "word" and most == 1:
            self.without.append(_ARTICLE)
        self.patterns.append(_COUNTED[unit](least, most))
        self.counted = True

    def end_with(self, words: str) -> None:
        """Words, or a mark, with which it must end."""
        if words == "?":
            self.exactly(_QUESTION)
        elif words == "!":
            self.exclaims = True
            self.without.append("(?s:.*)[?]")
        elif words != ".":
            self.last = words

    def items(self, count: int, numbered: bool) -> None:
        """A list, of as many items as the model finds where the count is 0."""
        self.patterns.append(_numbered(count) if numbered else _repeated(rf"- {_LINE}", r"\n", *_span(count)))
        self.counted = True

    def one_of(self, options: Sequence[str]) -> None:
        """One of these and nothing else."""
        either = {form for one in options for form in (one, one[:1].upper() + one[1:])}
        self.patterns.append(f"({'|'.join(map(_literally, sorted(either)))})[.]?")
        self.counted = True

    def exactly(self, pattern: str) -> None:
        """A text of a pattern and nothing else."""
        self.patterns.append(pattern)
        self.counted = True

    def hold(self, word: str, times: int) -> None:
        """A word, so often at least."""
        self.holding.append("(?s:.*)".join([f"(?i:{_literally(word)})"] * times))

    def leave_out(self, word: str) -> None:
        """A word that must not occur."""
        self.do_without(_literally(word))

    def do_without(self, mark: str) -> None:
        """A regular expression that matches nowhere."""
        self.without.append(f"(?s:.*)(?i:{mark})(?s:.*)")

    def form(self) -> ReplyForm:
        """All of it together."""
        if self.schema is not None:
            return ReplyForm(schema=self.schema)
        patterns = list(self.patterns)
        if self.first:
            patterns.append(rf"{_literally(self.first)}([^\p{{L}}\p{{N}}](?s:.*))?")
        patterns += [f"(?s:.*){one}(?s:.*)" for one in self.holding]
        if not self.counted and self.holding:
            patterns.append(_repeated(_SENTENCE, " ", 1, _MOST_SENTENCES))
        return ReplyForm(tuple(patterns), tuple(self.without), None, self.case, self.exclaims, self.last)


def _literally(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _span(count: int) -> tuple[int, int]:
    return (count, count) if count else (2, _MOST_ITEMS)


def _repeated(one: str, between: str, least: int, most: int | None) -> str:
    """One, and so many more behind it."""
    if most == 1:
        return one
    upper = "" if most is None else str(max(most - 1, 0))
    return f"{one}({between}{one}){{{max(least - 1, 0)},{upper}}}"


def _words(least: int, most: int | None) -> str:
    if most == 1:
        return _LONE_WORD
    if most is None or most > _FEW:
        return _repeated(_WORD, r"( |\n\n?)", least, most)
    return rf"{_FIRST_OF_FEW}{_END_OF_WORD}( {_WORD}){{{max(least - 1, 0)},{most - 1}}}"


def _paragraphs(least: int, most: int | None) -> str:
    sentences = max(1, 2 * _MOST_SENTENCES // max(least, most or least, 2))
    return _repeated(_repeated(_SENTENCE, " ", 1, sentences), r"\n\n", least, most)


def _numbered(count: int) -> str:
    """1., 2., 3., each on its line; where the count is open it may end after any but the first."""
    lines = [rf"{number}[.] {_LINE}" for number in range(1, (count or _MOST_ITEMS) + 1)]
    if count:
        return r"\n".join(lines)
    rest = ""
    for line in reversed(lines[2:]):
        rest = rf"(\n{line}{rest})?"
    return rf"{lines[0]}\n{lines[1]}{rest}"


_COUNTED: Mapping[str, Callable[[int, int | None], str]] = {
    "word": _words,
    "sentence": lambda least, most: _repeated(_SENTENCE, " ", least, most),
    "paragraph": _paragraphs,
    "line": lambda least, most: _repeated(_LINE if most == 1 else _VERSE, r"\n", least, most),
    "item": lambda least, most: _repeated(_ITEM, r"\n", least, most),
}
