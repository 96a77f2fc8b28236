"""What belongs together in a document: sections below headings, and in them blocks that should stay whole.

Lines are numbered from 1 within the document's text. Markdown is read as CommonMark writes it
(https://spec.commonmark.org/0.31.2/: ATX and setext headings, fenced code) with the tables of GitHub's
extension; code is read by the outline that its loader found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from knowledge.chunking.tokens import cut_line

HEADING_SEPARATOR = " › "
_HEADING_TOKENS = 60
# Patterns hold no two quantifiers that can match the same blanks: a line may be as long as its file.
_HASHES = re.compile(r" {0,3}(#{1,6})\s")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)\s*$")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_ITEM = re.compile(r"(\s*)(?:[-*+]|\d{1,9}[.)])\s")
_DELIMITER_CELL = re.compile(r"\s*:?-+:?\s*")
# Comments and decorators right above a symbol belong to it.
_ABOVE_SYMBOL = ("@", "#", "//", "/*", "*", "--", ";")

Entry = tuple[int, int, str]  # of an outline: first line, level, title
Kind = Literal["paragraph", "fence", "table", "rows"]


@dataclass(frozen=True, slots=True)
class Block:
    """Lines `start`..`end`, inclusive, that should stay in one passage.

    "table" is a Markdown table, whose header is text; "rows" a whole sheet, whose first line is its header.
    """

    start: int
    end: int
    kind: Kind = "paragraph"


@dataclass(slots=True)
class Section:
    """The text below one heading.

    Attributes:
        path: the headings above it, outermost first.
        blocks: in reading order; blank lines belong to none.
        heading_line: where its own heading stands; 0 for none.
    """

    path: tuple[str, ...] = ()
    blocks: list[Block] = field(default_factory=list)
    heading_line: int = 0


def sections(lines: Sequence[str], markup: str, outline: Sequence[Entry] = ()) -> Iterator[Section]:
    """The sections of a document that hold text, in reading order.

    Args:
        lines: the document's text.
        markup: "plain", "markdown", "table" or "code".
        outline: where symbols or chapters begin: (line, level, title) each, by line.
    """
    if outline:
        yield from _outlined(lines, outline)
    elif markup == "markdown":
        yield from _headed(lines)
    elif markup == "table":
        yield Section(blocks=[Block(1, len(lines), "rows")])
    else:
        yield Section(blocks=list(_blocks(lines, 1, len(lines), markdown=False)))


def parting_lines(block: Block, lines: Sequence[str]) -> list[int]:
    """Where a block too long for one passage is best parted: the first lines of its items or statements."""
    numbers = range(block.start + 1, block.end + 1)
    if block.kind == "fence":
        return [number for number in numbers if lines[number - 1].strip() and not lines[number - 2].strip()]
    items = [(number, found) for number in numbers if (found := _ITEM.match(lines[number - 1]))]
    outermost = min((len(found.group(1)) for _, found in items), default=0)
    return [number for number, found in items if len(found.group(1)) == outermost]


def _headed(lines: Sequence[str]) -> Iterator[Section]:
    levels: list[tuple[int, str]] = []
    section = Section()
    for block in _blocks(lines, 1, len(lines), markdown=True):
        level, title = _heading(lines, block)
        if not level:
            section.blocks.append(block)
            continue
        # A heading that only introduces deeper headings lives on in their path; any other is kept.
        yield from _finished(section, deeper=bool(levels) and level > levels[-1][0])
        levels = [entry for entry in levels if entry[0] < level]
        levels.append((level, _shortened(title)))
        section = Section(tuple(title for _, title in levels), heading_line=block.start)
        if levels[-1][1] != title:
            section.blocks.append(block)
    yield from _finished(section, deeper=False)


def _heading(lines: Sequence[str], block: Block) -> tuple[int, str]:
    """Level and title when the block is a heading; level 0 otherwise."""
    first = lines[block.start - 1]
    if block.kind != "paragraph" or block.end - block.start > 1:
        return 0, ""
    if block.end > block.start:
        rule = _UNDERLINE.match(lines[block.end - 1])
        return (1 if rule.group(1)[0] == "=" else 2, _without_attributes(first.strip())) if rule else (0, "")
    level, title = _atx_heading(first)
    return level, _without_attributes(title)


def _atx_heading(line: str) -> tuple[int, str]:
    """Level and title of a line that begins with #, without the # that may close it; level 0 for other lines."""
    found = _HASHES.match(line)
    title = line[found.end() :].strip() if found else ""
    if not found or not title:
        return 0, ""
    unclosed = title.rstrip("#")
    return len(found.group(1)), unclosed.rstrip() if unclosed[-1:].isspace() else title


def _without_attributes(title: str) -> str:
    """The title without the {#name .class} behind it."""
    start = title.rfind("{")
    if start < 0 or title.find("}", start) != len(title) - 1:
        return title
    return title[:start].rstrip()


def _shortened(title: str) -> str:
    return next(cut_line(title, _HEADING_TOKENS), "")


def _finished(section: Section, *, deeper: bool) -> Iterator[Section]:
    if not section.blocks and section.heading_line and not deeper:
        section.blocks.append(Block(section.heading_line, section.heading_line))
    if section.blocks:
        yield section


def _outlined(lines: Sequence[str], outline: Sequence[Entry]) -> Iterator[Section]:
    starts = [(1, 0, "")]
    for line, level, title in outline:
        first = _with_comments(lines, min(max(line, 1), len(lines)), starts[-1][0])
        starts.append((first, level, title))
    path: list[tuple[int, str]] = []
    ends = [*starts[1:], (len(lines) + 1, 0, "")]
    for (first, level, title), (following, next_level, _) in zip(starts, ends, strict=True):
        if title:
            path = [entry for entry in path if entry[0] < level] + [(level, _shortened(title))]
        # A title that only introduces deeper ones lives on in their path, as in Markdown.
        words = {line.strip() for line in lines[first - 1 : following - 1] if any(map(str.isalnum, line))}
        blocks = list(_blocks(lines, first, following - 1, markdown=False))
        if blocks and not (words == {title} and next_level > level):
            yield Section(tuple(name for _, name in path), blocks)


def _with_comments(lines: Sequence[str], number: int, lowest: int) -> int:
    while number > lowest + 1 and lines[number - 2].strip().startswith(_ABOVE_SYMBOL):
        number -= 1
    return number


def _blocks(lines: Sequence[str], first: int, last: int, *, markdown: bool) -> Iterator[Block]:
    """Headings, fenced code and paragraphs of lines `first`..`last`; blank lines belong to none."""
    start, fence = 0, ""
    for number in range(first, last + 1):
        line = lines[number - 1]
        mark = _FENCE.match(line) if markdown else None
        if fence:
            if mark and mark.group(1).startswith(fence) and not line.strip(" `~"):
                yield Block(start, number, "fence")
                start, fence = 0, ""
            continue
        heading = markdown and _atx_heading(line)[0] > 0
        if start and (mark or heading or not line.strip()):
            yield _paragraph(lines, start, number - 1, markdown)
            start = 0
        if mark:
            start, fence = number, mark.group(1)
        elif heading:
            yield Block(number, number)
        elif start and number == start + 1 and markdown and _underlined(lines, number):
            yield Block(start, number)
            start = 0
        elif not start and line.strip():
            start = number
    if start:
        yield Block(start, last, "fence") if fence else _paragraph(lines, start, last, markdown)


def _underlined(lines: Sequence[str], number: int) -> bool:
    """Whether the line makes the one above it a heading; a list item or a table row it does not."""
    above = lines[number - 2]
    return bool(_UNDERLINE.match(lines[number - 1])) and not _ITEM.match(above) and "|" not in above


def _paragraph(lines: Sequence[str], start: int, end: int, markdown: bool) -> Block:
    table = markdown and end > start and "|" in lines[start - 1] and _delimits(lines[start])
    return Block(start, end, "table" if table else "paragraph")


def _delimits(line: str) -> bool:
    """Whether the line parts a table's header from its rows: cells of dashes, with colons for the alignment."""
    cells = line.strip().removeprefix("|").removesuffix("|").split("|")
    return all(map(_DELIMITER_CELL.fullmatch, cells))
