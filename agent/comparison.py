"""Two documents side by side: what was added, removed and changed, in their own words.

Versions of one text are compared line by line; different texts are aligned by their headings, then by meaning.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from agent.reciting import Piece, Quote, whole
from agent.sections import Section, frequencies_of, key_sentence, sections_of
from knowledge.naming import words_of
from knowledge.schema import Passage

if TYPE_CHECKING:
    import numpy as np

VERSIONS = 0.4  # share of equal lines from which two documents are versions of one
ALIKE = 0.75  # cosine of two sections' mean vectors from which they are about the same
MOST_EQUAL_PAIRS = 100_000  # pairs of equal lines; above it lines that are frequent align nothing by themselves
MOST_CHANGES = 20
MOST_SECTIONS = 8  # listed of each kind
LONGEST_QUOTE = 300


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two documents: its name, its passages in reading order, and their unit vectors [n, d]."""

    name: str
    passages: Sequence[Passage]
    vectors: np.ndarray


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a document, and where it stands in its passage."""

    text: str
    passage: Passage
    start: int
    end: int


def compare(one: Side, other: Side) -> list[Piece]:
    """The report: by lines where they are versions of one text, else by sections."""
    lines, changed = _lines(one.passages), _lines(other.passages)
    before, after = [_bare(line) for line in lines], [_bare(line) for line in changed]
    counts = Counter(after)
    repetitive = sum(counts[line] for line in before) > MOST_EQUAL_PAIRS
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=repetitive)
    if before == after or (matcher.quick_ratio() >= VERSIONS and matcher.ratio() >= VERSIONS):
        return _by_lines(one, other, [] if before == after else list(_changes(matcher, lines, changed)), lines, changed)
    return _by_sections(one, other)


def _changes(
    matcher: difflib.SequenceMatcher[str], before: Sequence[_Line], after: Sequence[_Line]
) -> Iterator[tuple[str, int, int, int, int]]:
    """What differs, as the matcher's opcodes: as many lines for as many one by one, others heading by heading.

    Headings and blank lines stand in no passage; so changes in two sections may look like one.
    """
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "replace" and b - a == d - c:
            for at in range(b - a):
                yield kind, a + at, a + at + 1, c + at, c + at + 1
        elif kind == "delete":
            for start, end in _stretches(before, a, b):
                yield kind, start, end, c, d
        elif kind == "insert":
            for start, end in _stretches(after, c, d):
                yield kind, a, b, start, end
        elif kind == "replace":
            yield kind, a, b, c, d


def _stretches(lines: Sequence[_Line], first: int, end: int) -> Iterator[tuple[int, int]]:
    for _, group in groupby(range(first, end), key=lambda at: lines[at].passage.heading):
        places = list(group)
        yield places[0], places[-1] + 1


def _lines(passages: Sequence[Passage]) -> list[_Line]:
    found: list[_Line] = []
    for passage in passages:
        offset = 0
        for text in passage.text.split("\n"):
            if text.strip():
                lead = len(text) - len(text.lstrip())
                found.append(_Line(text, passage, offset + lead, offset + len(text.rstrip())))
            offset += len(text) + 1
    return found


def _bare(line: _Line) -> str:
    return " ".join(line.text.split())


def _by_lines(
    one: Side,
    other: Side,
    steps: Sequence[tuple[str, int, int, int, int]],
    before: Sequence[_Line],
    after: Sequence[_Line],
) -> list[Piece]:
    headings = list(_heading_changes(one, other))
    if not steps and not headings:
        return [f"{one.name} and {other.name} say the same, line for line."]
    counts = Counter(step[0] for step in steps)
    said = ", ".join(
        f"{counts[kind]} {word}" for kind, word in (("insert", "added"), ("delete", "removed"), ("replace", "changed"))
        if counts[kind]
    )  # fmt: skip
    pieces: list[Piece] = [f"From {one.name} to {other.name}: {said or 'the same text'}.\n", *headings]
    for kind, a, b, c, d in steps[:MOST_CHANGES]:
        place = (after[c] if kind == "insert" else before[a]).passage.heading.rsplit(" › ", 1)[-1]
        where = f" in “{place}”" if place else ""
        word = {"insert": "Added", "delete": "Removed", "replace": "Changed"}[kind]
        pieces.append(f"\n- **{word}**{where}: ")
        if kind != "insert":
            pieces += _stretch(before[a:b])
        if kind == "replace":
            pieces.append(" became ")
        if kind != "delete":
            pieces += _stretch(after[c:d])
    if len(steps) > MOST_CHANGES:
        pieces.append(f"\n\n{len(steps) - MOST_CHANGES} further changes are not listed.")
    return pieces


def _stretch(lines: Sequence[_Line]) -> list[Piece]:
    """The beginning of some changed lines as one quotation, and how many more there are."""
    first, end, shown = lines[0], lines[0].end, 1
    for line in lines[1:]:
        if line.passage is not first.passage or line.end - first.start > LONGEST_QUOTE:
            break
        end, shown = line.end, shown + 1
    quote: list[Piece] = [Quote(first.passage, first.start, end)]
    left = len(lines) - shown
    return [*quote, f" (and {left} more line{'s' if left > 1 else ''})"] if left else quote


def _heading_changes(one: Side, other: Side) -> Iterator[str]:
    mine = dict.fromkeys(passage.heading for passage in one.passages if passage.heading)
    theirs = dict.fromkeys(passage.heading for passage in other.passages if passage.heading)
    for word, name, new in (
        ("Headings only in", one.name, [heading for heading in mine if heading not in theirs]),
        ("Headings only in", other.name, [heading for heading in theirs if heading not in mine]),
    ):
        if new:
            titles = ", ".join(f"“{heading.rsplit(' › ', 1)[-1]}”" for heading in new[:MOST_SECTIONS])
            more = f" and {len(new) - MOST_SECTIONS} more" if len(new) > MOST_SECTIONS else ""
            yield f"\n- {word} {name}: {titles}{more}"


def _by_sections(one: Side, other: Side) -> list[Piece]:
    mine, theirs = sections_of(one.passages), sections_of(other.passages)
    pairs = _aligned(one, mine, other, theirs)
    seen_here, seen_there = {a for a, _ in pairs}, {b for _, b in pairs}
    quotes_here, quotes_there = _Quoter(one), _Quoter(other)
    pieces: list[Piece] = [f"{one.name} and {other.name} are different texts; these are their sections side by side.\n"]
    if pairs:
        pieces.append("\n**In both**")
        for a, b in pairs[:MOST_SECTIONS]:
            pieces.append(f"\n- {_title(mine[a], theirs[b])}{one.name}: ")
            pieces += [*quotes_here.of(mine[a]), f"; {other.name}: ", *quotes_there.of(theirs[b])]
        pieces += _left_out(len(pairs))
    for side, sections, seen, quoter in (
        (one, mine, seen_here, quotes_here),
        (other, theirs, seen_there, quotes_there),
    ):
        alone = [section for at, section in enumerate(sections) if at not in seen]
        if alone:
            pieces.append(f"\n\n**Only in {side.name}**")
            for section in alone[:MOST_SECTIONS]:
                pieces += [f"\n- {_title(section)}", *quoter.of(section)]
            pieces += _left_out(len(alone))
    return pieces


def _title(*sections: Section) -> str:
    titles = dict.fromkeys(section.title for section in sections if section.title)
    return f"{' / '.join(titles)}: " if titles else ""


def _left_out(count: int) -> list[Piece]:
    return [f"\n- and {count - MOST_SECTIONS} more sections"] if count > MOST_SECTIONS else []


class _Quoter:
    """Quotes from a section the sentence that says most of what its document keeps saying."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._frequencies = frequencies_of(side.passages)

    def of(self, section: Section) -> list[Piece]:
        for position in section.positions:
            passage = self._side.passages[position]
            if (span := key_sentence(passage, self._frequencies)) is not None:
                return [Quote(passage, span.start, span.end)]
        quote = whole(self._side.passages[section.positions[0]])
        return [Quote(quote.passage, quote.start, min(quote.end, quote.start + LONGEST_QUOTE))]


def _aligned(one: Side, mine: Sequence[Section], other: Side, theirs: Sequence[Section]) -> list[tuple[int, int]]:
    """Pairs of sections that belong together: of the same title, then nearest in meaning, each at most once."""
    import numpy as np

    titles = {words_of(section.title): at for at, section in enumerate(theirs) if section.title}
    pairs: dict[int, int] = {}
    for at, section in enumerate(mine):
        match = titles.get(words_of(section.title)) if section.title else None
        if match is not None and match not in pairs.values():
            pairs[at] = match
    free = [at for at in range(len(mine)) if at not in pairs]
    open_ = [at for at in range(len(theirs)) if at not in pairs.values()]
    if free and open_:
        cosines = (
            np.stack([_mean(one, mine[at]) for at in free]) @ np.stack([_mean(other, theirs[at]) for at in open_]).T
        )
        for flat in np.argsort(-cosines, axis=None):
            row, column = divmod(int(flat), len(open_))
            if cosines[row, column] < ALIKE:
                break
            if free[row] not in pairs and open_[column] not in pairs.values():
                pairs[free[row]] = open_[column]
    return sorted(pairs.items())


def _mean(side: Side, section: Section) -> np.ndarray:
    import numpy as np

    mean = side.vectors[section.positions].mean(axis=0)
    unit: np.ndarray = mean / (float(np.linalg.norm(mean)) or 1.0)
    return unit
