"""Which passage supports which sentence: verdicts and citations are computed from the evidence, never believed.

Each sentence is compared with the span of one or two sentences that shares most of its words, and a small model
(`agent.support`) judges how far that span supports it. Rules stand above the model: a sentence with a number that
the span does not hold, with code that the passage does not hold verbatim, or that denies what the span says, or the
other way round, is never supported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent.schema import Citation, Cited, Grade, Token, Verdict
from agent.support import contradicts, reason_for, support_model
from knowledge.claims import Claim, claim_of, content_words
from knowledge.likeness import features
from knowledge.schema import Passage
from knowledge.spans import Span, SpanIndex

MIN_WORDS = 2  # with fewer content words there is nothing to check

_MARKER = re.compile(r"\s?\[(\d{1,2})\](?!\()")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*(?=\s|\[\d{1,2}\](?!\())|(?=\n)")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the evidence says of a sentence.

    Attributes:
        grade: how far it is supported.
        support: the model's probability that it is, in [0, 1].
        nearest: the passage (index) and span that come closest; None when they share no word with it.
        reason: what keeps it from being supported, in a few words; empty when it is.
    """

    grade: Grade
    support: float
    nearest: tuple[int, Span] | None = None
    reason: str = ""


class Evidence:
    """The passages of one turn, ready to be compared with sentences."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = list(passages)
        self._spans = SpanIndex([passage.text for passage in passages])

    def support(self, sentence: str, hinted: int | None = None) -> tuple[int, Span] | None:
        """The passage (index) and span that support a sentence, or None when nothing does."""
        judgement = self.judge(sentence, hinted)
        return judgement.nearest if judgement and judgement.grade == "supported" else None

    def judge(self, sentence: str, hinted: int | None = None) -> Judgement | None:
        """The verdict on a sentence; None when there is too little in it to check, or no passage.

        Args:
            sentence: one sentence of an answer, without markers.
            hinted: index of the passage that the model itself cited.
        """
        claim = claim_of(sentence)
        if not self.passages or len(claim.words) < MIN_WORDS:
            return None
        nearest = self._spans.nearest(claim, hinted)
        if nearest is None:
            return Judgement("not", 0.0, None, "the passages hold none of its words")
        against, values = self._compare(claim, nearest)
        text, model = self.passages[nearest[0]].text, support_model()
        support = model.probability(values)
        if support >= model.limits["supported"] and not contradicts(claim, against, text):
            return Judgement("supported", support, nearest)
        grade: Grade = "partly" if support >= model.limits["partly"] else "not"
        return Judgement(grade, support, nearest, reason_for(sentence, claim, against, text))

    def features(self, sentence: str) -> list[float] | None:
        """What the model sees of a sentence (`knowledge.likeness.FEATURES`); None where the passages share no word."""
        claim = claim_of(sentence)
        nearest = self._spans.nearest(claim, None)
        return self._compare(claim, nearest)[1] if nearest else None

    def _compare(self, claim: Claim, nearest: tuple[int, Span]) -> tuple[Claim, list[float]]:
        index, span = nearest
        against = claim_of(self.passages[index].text[span.start : span.end])
        return against, features(claim, against, self._spans.words[index], self._spans.rarity)


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
        text, marked, verdicts: of the stream that this one goes on from; its evidence begins with the same passages.

    Attributes:
        text: the answer so far, with verified markers.
        citations: one per cited passage; its span grows with each sentence it supports.
        verdicts: one per sentence that was shown and checked.
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
        verdicts: Sequence[Verdict] = (),
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
        self._checked = len(text)  # where the sentence begins that is being shown
        self.text = text
        self.verdicts = list(verdicts)
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

    def feed(self, piece: str) -> Iterator[Token | Cited | Verdict]:
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

    def finish(self) -> Iterator[Token | Cited | Verdict]:
        """Take the end of the answer; yield what was held back."""
        yield from self._add(self._held.rstrip())
        self._held = ""
        yield from self._close()

    def quote(self, index: int, span: Span) -> Iterator[Token | Cited | Verdict]:
        """Show part of a passage word for word, with its number."""
        text = self._evidence.passages[index].text[span.start : span.end]
        yield from self._show("“" + " ".join(text.split()) + "”")
        yield from self._conclude(Judgement("supported", 1.0, (index, span)))
        self._said.append(span.words)
        self._gap = "\n\n"

    def _add(self, text: str) -> Iterator[Token | Cited | Verdict]:
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

    def _close(self) -> Iterator[Token | Cited | Verdict]:
        sentence, hint = self._sentence, self._hint
        self._sentence, self._hint = "", None
        if sentence.count("```") % 2:
            self._code = not self._code
        judgement = None if self._code else self._evidence.judge(sentence, hint)
        supported = judgement is not None and judgement.grade == "supported"
        self.sentences += judgement is not None
        self.supported += supported
        if self._strict:
            words = content_words(sentence)
            if not supported:
                self.withheld += bool(words)
                return
            if any(words <= said for said in self._said):
                return
            self._said.append(words)
            yield from self._show(sentence)
        yield from self._conclude(judgement)

    def _conclude(self, judgement: Judgement | None) -> Iterator[Token | Cited | Verdict]:
        """End the sentence that was shown last: its number where it has support, and its verdict."""
        shown = self.text[self._checked :]
        start, end = self._checked + len(shown) - len(shown.lstrip()), len(self.text.rstrip())
        if judgement is not None and start < end:
            number = None
            if judgement.grade == "supported" and judgement.nearest:
                yield from self._mark(*judgement.nearest)
                number = self._marked[judgement.nearest[0]][0]
            verdict = Verdict(start, end, judgement.grade, number, judgement.reason)
            self.verdicts.append(verdict)
            yield verdict
        self._checked = len(self.text)

    def _mark(self, index: int, span: Span) -> Iterator[Token | Cited | Verdict]:
        passage = self._evidence.passages[index]
        number, start, end = self._marked.get(index, (len(self._marked) + 1, span.start, span.end))
        self._marked[index] = number, min(start, span.start), max(end, span.end)
        yield from self._show(f" [{number}]")
        yield Cited(cite(passage, *self._marked[index][1:], number))


def _ends_sentence(text: str) -> bool:
    return bool(re.search(r"[.!?][\"')\]]*\s?$", text))
