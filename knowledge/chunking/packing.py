"""Blocks → spans of lines: neighbours together while they fit, what does not fit alone in parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from knowledge.chunking.structure import Block, Section, parting_lines
from knowledge.chunking.tokens import cut_line, estimate_tokens


@dataclass(frozen=True, slots=True)
class Span:
    """The text of lines `start`..`end`, or a piece of that one line.

    Attributes:
        start: first line, 1-based within the document.
        end: last line, inclusive.
        text: those lines, or the piece.
        header: column names that its rows need to be understood; empty elsewhere.
    """

    start: int
    end: int
    text: str
    header: str = ""


@dataclass(frozen=True, slots=True)
class _Unit:
    """Lines that go into a span as a whole; `cost` in estimated tokens."""

    start: int
    end: int
    cost: int


def pack(section: Section, lines: Sequence[str], budget: int) -> Iterator[Span]:
    """The spans of one section, in reading order, each at most `budget` estimated tokens long.

    Blocks are put together so that the spans come out about equally long: a short rest would say little.
    A table that needs several spans gives its header to each of them.
    """
    waiting: list[_Unit] = []
    for block in section.blocks:
        cost = _cost(lines, block.start, block.end)
        if block.kind == "rows" or (block.kind == "table" and cost > budget):
            yield from _run(waiting, lines, budget)
            waiting = []
            yield from _rows(block, lines, budget)
            continue
        for part in [_Unit(block.start, block.end, cost)] if cost <= budget else _parts(block, lines, budget):
            if part.cost <= budget:
                waiting.append(part)
                continue
            yield from _run(waiting, lines, budget)
            waiting = []
            yield from _pieces(part, lines, budget)
    yield from _run(waiting, lines, budget)


def _run(units: Sequence[_Unit], lines: Sequence[str], budget: int) -> Iterator[Span]:
    """Spans of consecutive units, balanced: each time, an even share of what is left."""
    units = _glued(units, lines, budget)
    left = sum(unit.cost for unit in units)
    at = 0
    while at < len(units):
        share = left / -(-left // budget) if left else budget
        used, start = units[at].cost, at
        at += 1
        while at < len(units) and used + units[at].cost <= budget and used + units[at].cost / 2 <= share:
            used += units[at].cost
            at += 1
        left -= used
        first, last = units[start].start, units[at - 1].end
        yield Span(first, last, "\n".join(lines[first - 1 : last]))


def _glued(units: Sequence[_Unit], lines: Sequence[str], budget: int) -> list[_Unit]:
    """The units, with one that announces the next by a colon joined to it."""
    joined: list[_Unit] = []
    for unit in units:
        before = joined[-1] if joined else None
        if before and lines[before.end - 1].rstrip().endswith(":") and before.cost + unit.cost <= budget:
            joined[-1] = _Unit(before.start, unit.end, before.cost + unit.cost)
        else:
            joined.append(unit)
    return joined


def _parts(block: Block, lines: Sequence[str], budget: int) -> Iterator[_Unit]:
    """The items of a block, and the lines of those items that do not fit; one line may be over budget."""
    bounds = [block.start, *parting_lines(block, lines), block.end + 1]
    for start, following in zip(bounds, bounds[1:], strict=False):
        cost = _cost(lines, start, following - 1)
        if cost <= budget:
            yield _Unit(start, following - 1, cost)
            continue
        for number in range(start, following):
            if lines[number - 1].strip():
                yield _Unit(number, number, estimate_tokens(lines[number - 1]))


def _rows(block: Block, lines: Sequence[str], budget: int) -> Iterator[Span]:
    header = lines[block.start - 1].strip().strip("|").strip()
    # A header too long to be repeated is kept as text of its own.
    fits = estimate_tokens(header) <= budget // 2
    as_context = block.kind == "rows" and fits and block.end > block.start
    first = block.start + 1 if as_context else block.start
    inner = budget - estimate_tokens(header) - 1 if fits else budget
    shown = header if fits else ""
    waiting: list[_Unit] = []
    for number in range(first, block.end + 1):
        if not lines[number - 1].strip():
            continue
        row = _Unit(number, number, estimate_tokens(lines[number - 1]))
        if row.cost <= inner:
            waiting.append(row)
            continue
        yield from _with_header(_run(waiting, lines, inner), shown, block.start)
        waiting = []
        yield from _with_header(_pieces(row, lines, inner), shown, block.start)
    yield from _with_header(_run(waiting, lines, inner), shown, block.start)


def _with_header(spans: Iterator[Span], header: str, header_line: int) -> Iterator[Span]:
    for span in spans:
        yield Span(span.start, span.end, span.text, header if span.start > header_line else "")


def _pieces(unit: _Unit, lines: Sequence[str], budget: int) -> Iterator[Span]:
    for piece in cut_line(lines[unit.start - 1], budget):
        yield Span(unit.start, unit.start, piece)


def _cost(lines: Sequence[str], start: int, end: int) -> int:
    return sum(map(estimate_tokens, lines[start - 1 : end]))
