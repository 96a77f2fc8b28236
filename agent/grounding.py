"""Which passage supports which sentence: citations are computed from the evidence, never believed.

A sentence counts as supported when enough of its content words, and all of its numbers, stand close
together in one passage. The check is lexical: it cannot tell a negation, but it cannot be talked
into a citation either, and it costs well under a millisecond per sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from agent.schema import Citation, Cited, Token
from knowledge.schema import Passage

SUPPORTED = 0.6  # share of a sentence's content words found in the supporting span
HINTED = 0.45  # the same, when the model itself named the passage
MIN_WORDS = 2  # with fewer content words there is nothing to check

_WORD = re.compile(r"[^\W_]+(?:[._'-][^\W_]+)*")
_MARKER = re.compile(r"\s?\[(\d{1,2})\](?!\()")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*(?=\s|\[\d{1,2}\](?!\())|(?=\n)")
_SPAN = re.compile(r"[^\n.!?]*(?:[.!?](?!\s|$)[^\n.!?]*)*(?:[.!?]+|\n|$)")
_CODE = re.compile(r"`+([^`\n]+)`+")
_STOP = frozenset(
    "a an and are as at be been being but by can could do does did for from had has have he her his how i if in into "
    "is it its just may might more most must my no nor not of on or our out over she should so some such than that "
    "the their them then there these they this those to under up use used using very was we were what when where "
    "which while who whom why will with would you your also etc per via".split()
)


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ies", "ied", "ed", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word.rstrip("e") if len(word) > 4 else word


@lru_cache(maxsize=50_000)
def _normal(word: str) -> str:
    return word if any(char.isdigit() for char in word) else _stem(word)


def content_words(text: str) -> set[str]:
    """The stemmed words of a text that carry meaning; numbers are kept as they stand."""
    words = (match.group().lower() for match in _WORD.finditer(text))
    return {_normal(word) for word in words if word not in _STOP}


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a passage: character offsets into its text, and the content words found there."""

    start: int
    end: int
    words: frozenset[str]


def spans_of(text: str) -> list[Span]:
    """The sentences of a passage, and each pair of neighbours, without surrounding white space."""
    single: list[Span] = []
    for match in _SPAN.finditer(text):
        body = match.group()
        if body.strip():
            start = match.start() + len(body) - len(body.lstrip())
            single.append(Span(start, match.start() + len(body.rstrip()), frozenset(content_words(body))))
    pairs = [Span(a.start, b.end, a.words | b.words) for a, b in zip(single, single[1:], strict=False)]
    return single + pairs


class Evidence:
    """The passages of one turn, ready to be compared with sentences."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = list(passages)
        self._spans = [spans_of(passage.text) for passage in self.passages]

    def support(self, sentence: str, hinted: int | None = None) -> tuple[int, Span] | None:
        """The passage (index) and span that support a sentence best, or None when nothing does.

        Args:
            sentence: one sentence of an answer, without markers.
            hinted: index of the passage that the model itself cited.
        """
        words = content_words(sentence)
        if len(words) < MIN_WORDS:
            return None
        code = [match.group(1).strip() for match in _CODE.finditer(sentence)]
        numbers = {word for word in words if any(char.isdigit() for char in word)}
        best: tuple[float, int, Span] | None = None
        for index, spans in enumerate(self._spans):
            if not all(piece in self.passages[index].text for piece in code):
                continue  # a command that is nearly right is wrong
            bar = HINTED if index == hinted else SUPPORTED
            for span in spans:
                share = len(words & span.words) / len(words)
                if share < bar or not numbers <= span.words:
                    continue
                # Ties go to the passage the model named, then to the shorter span, then to the better rank.
                merit = share + (0.2 if index == hinted else 0.0) - (span.end - span.start) / 1e5 - index / 1e4
                if best is None or merit > best[0]:
                    best = merit, index, span
        return best and (best[1], best[2])


def cite(passage: Passage, start: int, end: int, number: int) -> Citation:
    """A citation of the text between two character offsets of a passage, with its lines."""
    first = passage.start_line + passage.text.count("\n", 0, start)
    last = first + passage.text.count("\n", start, end)
    place = replace(passage, start_line=min(first, passage.end_line), end_line=min(last, passage.end_line))
    return Citation(
        number=number,
        source=passage.source,
        locator=place.locator,
        text=passage.text[start:end],
        passage_id=passage.id,
        heading=passage.heading,
        page=passage.page,
        start_line=place.start_line,
        end_line=place.end_line,
    )


class CitationStream:
    """Passes an answer through as it is generated and closes each supported sentence with its number.

    Markers written by the model are taken out: they are hints, checked like any other claim. Nothing is
    held back but a marker that is being written, or, in strict mode, the sentence that is being checked: it is
    then shown if it is supported and says something new.

    Args:
        passages: the evidence.
        strict: show only what is supported.
        text, marked: of the stream that this one goes on from; its evidence begins with the same passages.

    Attributes:
        text: the answer so far, with verified markers.
        citations: one per cited passage; its span grows with each sentence it supports.
        sentences, supported: how many sentences with content were seen, and how many were supported.
        withheld: how many sentences strict mode kept back.
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        *,
        strict: bool = False,
        text: str = "",
        marked: Sequence[Sequence[int]] = (),
    ) -> None:
        self._evidence = Evidence(passages)
        self._strict = strict
        self._held = ""
        self._sentence = ""
        self._code = False
        self._hint: int | None = None
        # passage index -> number, start, end
        self._marked: dict[int, tuple[int, int, int]] = {i: (n, start, end) for i, n, start, end in marked}
        self._gap = "\n\n" if text else ""
        self._said: list[frozenset[str]] = []
        self.text = text
        self.sentences = self.supported = self.withheld = 0

    @property
    def marked(self) -> list[list[int]]:
        """Passage index, number, start and end of each citation: with `text`, what another stream goes on from."""
        return [[index, *place] for index, place in self._marked.items()]

    @property
    def citations(self) -> tuple[Citation, ...]:
        """In order of number."""
        passages = self._evidence.passages
        return tuple(cite(passages[i], start, end, n) for i, (n, start, end) in self._marked.items())

    def feed(self, piece: str) -> Iterator[Token | Cited]:
        """Take the next piece of the answer; yield what may be shown."""
        self._held += piece
        while match := _SENTENCE_END.search(self._held):
            # A marker may follow the full stop: wait for what comes after the white space.
            tail = self._held[match.end() :]
            if "\n" not in tail[:1] and (len(tail) < 2 or (tail.lstrip().startswith("[") and "]" not in tail)):
                break
            trailing = re.match(r"(?:\s?\[\d{1,2}\](?!\())+", tail)
            cut = match.end() + (trailing.end() if trailing else 0)
            if cut == 0:  # an empty line
                yield from self._show(self._held[:1])
                self._held = self._held[1:]
                continue
            yield from self._add(self._held[:cut])
            yield from self._close()
            self._held = self._held[cut:]
            if self._held.startswith("\n"):
                yield from self._show("\n")
                self._held = self._held[1:]
        bracket = self._held.find("[")
        ready = len(self._held) if bracket < 0 or len(self._held) - bracket > 5 else bracket
        if not _ends_sentence(self._held[:ready]):
            ready_text = self._held[:ready]
            keep = len(ready_text) - len(ready_text.rstrip(" "))
            yield from self._add(ready_text[: len(ready_text) - keep])
            self._held = self._held[ready - keep :]

    def finish(self) -> Iterator[Token | Cited]:
        """Take the end of the answer; yield what was held back."""
        yield from self._add(self._held.rstrip())
        self._held = ""
        yield from self._close()

    def quote(self, index: int, span: Span) -> Iterator[Token | Cited]:
        """Show part of a passage word for word, with its number."""
        text = self._evidence.passages[index].text[span.start : span.end]
        yield from self._show("“" + " ".join(text.split()) + "”")
        yield from self._mark(index, span)
        self._said.append(span.words)
        self._gap = "\n\n"

    def _add(self, text: str) -> Iterator[Token | Cited]:
        def take(match: re.Match[str]) -> str:
            index = int(match.group(1)) - 1
            if 0 <= index < len(self._evidence.passages):
                self._hint = index
            return ""

        clean = _MARKER.sub(take, text)
        self._sentence += clean
        if not self._strict:
            yield from self._show(clean)

    def _show(self, text: str) -> Iterator[Token]:
        """Show a text; line breaks wait for what follows, so that a withheld sentence leaves no hole."""
        body = text.strip("\n")
        if not body:
            self._gap = (self._gap + text)[:2]
            return
        lead = text[: len(text) - len(text.lstrip("\n"))]
        gap = (self._gap + lead)[:2] if self.text else ""
        shown = gap + (body.lstrip(" ") if gap or not self.text else body)
        self._gap = text[len(text.rstrip("\n")) :]
        if shown:
            self.text += shown
            yield Token(shown)

    def _close(self) -> Iterator[Token | Cited]:
        sentence, hint = self._sentence, self._hint
        self._sentence, self._hint = "", None
        if sentence.count("```") % 2:
            self._code = not self._code
        found = None if self._code else self._evidence.support(sentence, hint)
        if len(content_words(sentence)) >= MIN_WORDS and not self._code:
            self.sentences += 1
            self.supported += found is not None
        if self._strict:
            if found is None:
                self.withheld += bool(content_words(sentence))
                return
            if any(content_words(sentence) <= said for said in self._said):
                return
            self._said.append(frozenset(content_words(sentence)))
            yield from self._show(sentence)
        if found is not None:
            yield from self._mark(*found)

    def _mark(self, index: int, span: Span) -> Iterator[Token | Cited]:
        passage = self._evidence.passages[index]
        number, start, end = self._marked.get(index, (len(self._marked) + 1, span.start, span.end))
        self._marked[index] = number, min(start, span.start), max(end, span.end)
        yield from self._show(f" [{number}]")
        yield Cited(cite(passage, *self._marked[index][1:], number))


def _ends_sentence(text: str) -> bool:
    return bool(re.search(r"[.!?][\"')\]]*\s?$", text))
