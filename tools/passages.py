"""Passages as a tool shows them: as many as fit, each with its place, and how to read on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from knowledge.schema import Passage

MOST_CHARACTERS = 16_000  # below what the agent lets a model read of one result, so that the note stays


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What of a document is shown.

    Attributes:
        text: the passages under their places, then the note.
        passages: those shown.
        next_line: where to read on; 0 at the end of the document.
    """

    text: str
    passages: tuple[Passage, ...]
    next_line: int

    def artifact(self) -> dict[str, Any]:
        """As evidence that an answer can cite."""
        return {"passages": [passage.to_json() for passage in self.passages]}


def excerpt(passages: Sequence[Passage], from_line: int = 1, most: int = MOST_CHARACTERS) -> Excerpt:
    """The passages from a line on that fit into `most` characters, at least one.

    Lines are counted through the whole document, so that one number tells where to go on in any of them; in a
    document without pages or parts they are the lines of the file.

    Args:
        passages: a document or a section of it, in reading order.
        from_line: the first line wanted, from 1; a passage that only ends after it is shown as a whole.
        most: characters.
    """
    ends = _running_ends(passages)
    start = next((at for at, end in enumerate(ends) if end >= from_line), len(passages))
    if start == len(passages):
        return Excerpt(f"(There is no line {from_line}: the text has {ends[-1] if ends else 0} lines.)", (), 0)
    shown, blocks, used, heading = start, [], 0, None
    while shown < len(passages):
        block = _block(passages[shown], heading)
        if used + len(block) > most and shown > start:
            break
        blocks.append(block[:most])
        used += len(block)
        heading = passages[shown].heading
        shown += 1
    shown = _whole_lines(ends, start, shown)
    following = next((at for at in range(shown, len(passages)) if ends[at] > ends[shown - 1]), len(passages))
    next_line = ends[shown - 1] + 1 if following < len(passages) else 0
    remarks = []
    if following > shown:
        remarks.append(f"Line {ends[shown - 1]} goes on, but is too long to be shown whole.")
    if next_line:
        left = len(passages) - following
        remarks.append(f"{left:,} more passages follow; to read on, ask again with from_line={next_line}.")
    note = f"\n\n({' '.join(remarks)})" if remarks else ""
    return Excerpt("\n\n".join(blocks[: shown - start]) + note, tuple(passages[start:shown]), next_line)


def _running_ends(passages: Sequence[Passage]) -> list[int]:
    """The last line of each passage, counted on over pages and parts."""
    ends: list[int] = []
    before, place = 0, None
    for passage in passages:
        here = (passage.page, passage.part)
        if here != place and ends:
            before = max(ends)
        place = here
        ends.append(max(before + passage.end_line, ends[-1] if ends else 0))
    return ends


def _whole_lines(ends: Sequence[int], start: int, shown: int) -> int:
    """Where to stop so that the pieces of one line stay together, unless that line alone is too much."""
    stop = shown
    while start < stop < len(ends) and ends[stop] == ends[stop - 1]:
        stop -= 1
    return stop if stop > start else shown


def _block(passage: Passage, heading: str | None) -> str:
    under = f" ({passage.heading})" if passage.heading and passage.heading != heading else ""
    return f"[{passage.locator}]{under}\n{passage.text}"
