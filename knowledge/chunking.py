"""Documents → passages: along headings, code fences and paragraphs, never over the token budget.

A passage's text is the document's own lines, unchanged, so that a citation can be opened and compared.
Only a line too long for one passage is cut, at a sentence, else a word, else between two characters; its
pieces carry that one line as their span. What is embedded is the heading path above the text as well.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from knowledge.schema import Passage

if TYPE_CHECKING:
    from langchain_core.documents import Document

BUDGET_TOKENS = 180
HEADING_SEPARATOR = " › "
_HEADING_CHARS = 160
_UNIT = re.compile(r"[A-Za-z]{1,48}|\d{1,48}|\S")  # bounded, so that endless runs cost no more than words
_LONGEST_WORD = 20
_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.+?)(?:\s+#+)?\s*$")
_ATTRIBUTES = re.compile(r"\s*\{[^{}]*\}$")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s+|[。！？]")


def estimate_tokens(text: str) -> int:
    """WordPiece tokens the text will take, rounded up; only made-up words can take more.

    Words count one token and one more per six letters, runs too long to be words half a token per
    letter, digits one per three, every other character one after decomposition (which is how a Hangul
    syllable becomes three).
    """
    if not text.isascii():
        text = unicodedata.normalize("NFD", text)
    return sum(_cost(unit.group()) for unit in _UNIT.finditer(text))


def _cost(unit: str) -> int:
    if unit.isdigit():
        return 1 + (len(unit) - 1) // 3
    return 1 + len(unit) // 6 if len(unit) <= _LONGEST_WORD else len(unit) // 2


def embedded_text(passage: Passage) -> str:
    """What stands for the passage in the vector index: its heading path, then its text."""
    return f"{passage.heading}\n{passage.text}" if passage.heading else passage.text


def split(documents: Iterable[Document], source: str, budget: int = BUDGET_TOKENS) -> Iterator[Passage]:
    """Passages of one file, in reading order, each id once.

    Args:
        documents: what a loader gave for the file.
        source: absolute path of the file.
        budget: estimated tokens per passage, heading path included.
    """
    seen: set[str] = set()
    for document in documents:
        lines = document.page_content.split("\n")
        page = document.metadata.get("page")
        for section in _sections(lines, markdown=document.metadata.get("markup") == "markdown"):
            for span in _pack(section, lines, budget):
                passage = _passage(span, section.heading, source, page)
                if passage.id not in seen:
                    seen.add(passage.id)
                    yield passage


def _passage(span: _Span, heading: str, source: str, page: int | None) -> Passage:
    place = f"{source}\0{page}\0{span.start}\0{span.end}\0{span.text}"
    digest = hashlib.sha256(place.encode("utf-8")).hexdigest()
    return Passage(digest, source, span.text, span.start, span.end, page, heading)


@dataclass(frozen=True, slots=True)
class _Span:
    """Lines `start`..`end` (1-based, inclusive), or a piece of the one line when `piece`."""

    start: int
    end: int
    text: str
    piece: bool = False


@dataclass(slots=True)
class _Section:
    """The text below one heading: blocks that should stay whole, as line ranges."""

    heading: str
    heading_line: int = 0
    blocks: list[tuple[int, int]] = field(default_factory=list)


def _sections(lines: list[str], *, markdown: bool) -> Iterator[_Section]:
    path: list[tuple[int, str]] = []
    section = _Section("")
    for start, end in _blocks(lines, markdown=markdown):
        found = _HEADING.match(lines[start - 1]) if markdown and start == end else None
        if not found:
            section.blocks.append((start, end))
            continue
        level = len(found.group(1))
        # A heading that only introduces deeper headings lives on in their path; any other is kept.
        yield from _finished(section, deeper=bool(path) and level > path[-1][0])
        path = [entry for entry in path if entry[0] < level]
        path.append((level, _ATTRIBUTES.sub("", found.group(2))[:_HEADING_CHARS]))
        section = _Section(HEADING_SEPARATOR.join(title for _, title in path), start)
    yield from _finished(section, deeper=False)


def _finished(section: _Section, *, deeper: bool) -> Iterator[_Section]:
    if not section.blocks and section.heading_line and not deeper:
        section.blocks.append((section.heading_line, section.heading_line))
    if section.blocks:
        yield section


def _blocks(lines: list[str], *, markdown: bool) -> Iterator[tuple[int, int]]:
    """Line ranges of headings, fenced code and paragraphs; blank lines belong to none."""
    start, fence = 0, ""
    for number, line in enumerate(lines, start=1):
        mark = _FENCE.match(line) if markdown else None
        if fence:
            if mark and mark.group(1).startswith(fence) and not line.strip(" `~"):
                yield start, number
                start, fence = 0, ""
            continue
        heading = markdown and _HEADING.match(line)
        if start and (mark or heading or not line.strip()):
            yield start, number - 1
            start = 0
        if mark:
            start, fence = number, mark.group(1)
        elif heading:
            yield number, number
        elif not start and line.strip():
            start = number
    if start:
        yield start, len(lines)


def _pack(section: _Section, lines: list[str], budget: int) -> Iterator[_Span]:
    """Neighbouring blocks together while they fit; blocks that do not fit alone in parts."""
    budget = max(budget - estimate_tokens(section.heading), budget // 2)
    start = end = used = 0
    for part in _parts(section.blocks, lines, budget):
        cost = estimate_tokens(part.text)
        if start and (part.piece or used + cost > budget):
            yield _whole(lines, start, end)
            start = used = 0
        if part.piece:
            yield part
            continue
        start, end, used = start or part.start, part.end, used + cost
    if start:
        yield _whole(lines, start, end)


def _parts(blocks: Iterable[tuple[int, int]], lines: list[str], budget: int) -> Iterator[_Span]:
    for first, last in blocks:
        block = _whole(lines, first, last)
        if estimate_tokens(block.text) <= budget:
            yield block
            continue
        for number in range(first, last + 1):
            line = lines[number - 1]
            if not line.strip():
                continue
            if estimate_tokens(line) <= budget:
                yield _whole(lines, number, number)
            else:
                yield from (_Span(number, number, piece, piece=True) for piece in _cut(line, budget))


def _whole(lines: list[str], start: int, end: int) -> _Span:
    return _Span(start, end, "\n".join(lines[start - 1 : end]))


def _cut(line: str, budget: int) -> Iterator[str]:
    start = 0
    while start < len(line):
        limit = _reach(line, start, budget)
        end = limit if limit == len(line) else _break(line, start, limit)
        piece = line[start:end].strip()
        if piece:
            yield piece
        start = end


def _reach(line: str, start: int, budget: int) -> int:
    """The furthest place to which the text from `start` stays within budget; always past `start`."""
    used = 0
    for unit in _UNIT.finditer(line, start):
        used += estimate_tokens(unit.group())
        if used > budget:
            return max(unit.start(), start + 1)
    return len(line)


def _break(line: str, start: int, limit: int) -> int:
    """Before `limit`: the last sentence end in the second half, else the last blank, else `limit`."""
    half = (start + limit) // 2
    ends = [found.end() for found in _SENTENCE_END.finditer(line, half, limit)]
    if ends:
        return ends[-1]
    blank = line.rfind(" ", half, limit)
    return blank + 1 if blank > 0 else limit
