"""Passages with what stands around them: a hit is often announced in one passage and explained in the next."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from knowledge.schema import Passage


def widen(
    passages: Sequence[Passage],
    neighbours: Callable[[Passage, int, int], Sequence[Passage]],
    budget: int,
    count: Callable[[str], int],
) -> list[Passage]:
    """The passages, the best first, each joined with its neighbours while the budget lasts.

    Nothing found is given up for a neighbour: the budget is what all passages together leave over. A neighbour
    that is itself among the passages is joined, not repeated.

    Args:
        passages: as found, best first.
        neighbours: (passage, before, after) to the passages around it in reading order, itself included.
        budget: tokens for all passages.
        count: tokens of a text.
    """
    left = budget - sum(count(passage.text) + 12 for passage in passages)
    taken: set[str] = set()
    found = {passage.id for passage in passages}
    widened: list[Passage] = []
    for passage in passages:
        if passage.id in taken:
            continue
        taken.add(passage.id)
        grown = passage
        for other in _beside(passage, neighbours(passage, 2, 2)):
            cost = 0 if other.id in found else count(other.text)
            joined = join(grown, other)
            if joined is None or cost > left or (other.id in found and other.id in taken):
                continue
            grown, left = joined, left - cost
            taken.add(other.id)
        widened.append(grown)
    return widened


def _beside(passage: Passage, around: Sequence[Passage]) -> list[Passage]:
    """The passage after and the one before; none that is a piece of a line shared with a third."""
    place = next((at for at, other in enumerate(around) if other.id == passage.id), None)
    if place is None:
        return []
    cut = {
        each.id
        for one, other in zip(around, around[1:], strict=False)
        if one.end_line == other.start_line
        for each in (one, other)
    }
    beside = [*around[place + 1 : place + 2], *around[max(0, place - 1) : place]]
    return [] if passage.id in cut else [other for other in beside if other.id not in cut]


def join(one: Passage, other: Passage) -> Passage | None:
    """Two neighbours as one contiguous stretch of their file; None where something may stand between them.

    Only blank lines separate passages below one heading; so their text can be rebuilt exactly. Rows of a
    table are not joined.
    """
    first, last = sorted((one, other), key=lambda passage: passage.start_line)
    same = (first.source, first.page, first.part, first.heading) == (last.source, last.page, last.part, last.heading)
    gap = last.start_line - first.end_line
    if not same or first.unit != "line" or not 1 <= gap <= 3:
        return None
    text = first.text + "\n" * gap + last.text
    place = f"{first.source}\0{first.page}\0{first.part}\0{first.start_line}\0{last.end_line}\0{text}"
    digest = hashlib.sha256(place.encode("utf-8")).hexdigest()
    return replace(one, id=digest, text=text, start_line=first.start_line, end_line=last.end_line)
