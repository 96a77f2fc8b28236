"""The sentences of a text, and which of them come closest to another sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.claims import Claim, content_words

_ROW = " | "  # between the cells of a table
_SPAN = re.compile(r"[^\n.!?]*(?:[.!?](?!\s|$)[^\n.!?]*)*(?:[.!?]+|\n|$)")
_TELLING = 2.0  # how much more a name or number counts than a word, in choosing the span
_HINT = 0.2  # what a hint adds to the share of words in common


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a passage: character offsets into its text, and the content words found there."""

    start: int
    end: int
    words: frozenset[str]


def sentences_of(text: str) -> list[Span]:
    """The sentences of a text and the lines that end without a full stop, in order, without white space around."""
    found: list[Span] = []
    for match in _SPAN.finditer(text):
        body = match.group()
        if body.strip():
            start = match.start() + len(body) - len(body.lstrip())
            found.append(Span(start, match.start() + len(body.rstrip()), content_words(body)))
    return found


def spans_of(text: str) -> list[Span]:
    """The sentences of a passage, then each pair of neighbours.

    Rows of a table stand alone: what one says of its subject is not true of the next.
    """
    single = sentences_of(text)
    pairs = [
        Span(a.start, b.end, a.words | b.words)
        for a, b in zip(single, single[1:], strict=False)
        if not (_ROW in text[a.start : a.end] and _ROW in text[b.start : b.end])
    ]
    return single + pairs


class SpanIndex:
    """The spans of some texts, found by the words they hold.

    Attributes:
        words: of each text, its content words.
        rarity: of each content word, from 1.0 for one that a single span holds towards 0.0 for one in all of them.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._spans = [(number, span) for number, text in enumerate(texts) for span in spans_of(text)]
        self.words = [content_words(text) for text in texts]
        self._holders: dict[str, list[int]] = {}  # content word → numbers of the spans that hold it
        for number, (_, span) in enumerate(self._spans):
            for word in span.words:
                self._holders.setdefault(word, []).append(number)
        rarest = math.log1p(len(self._spans)) or 1.0
        self.rarity = {word: math.log1p(len(self._spans) / len(held)) / rarest for word, held in self._holders.items()}

    def nearest(self, claim: Claim, hinted: int | None) -> tuple[int, Span] | None:
        """The text (its number) and span that share most with a sentence; None when none shares a word.

        Ties go to the shorter span, then to the earlier text; a hint is the number of the text to prefer.
        """
        shares: dict[int, float] = {}
        total = 0.0
        for word in claim.words:
            weight = self.rarity.get(word, 1.0) * (_TELLING if word in claim.names or word in claim.numbers else 1.0)
            total += weight
            for number in self._holders.get(word, ()):
                shares[number] = shares.get(number, 0.0) + weight

        def merit(number: int) -> float:
            index, span = self._spans[number]
            hint = _HINT if index == hinted else 0.0
            return shares[number] / total + hint - (span.end - span.start) / 1e4 - index / 1e4

        return self._spans[max(shares, key=merit)] if shares else None
