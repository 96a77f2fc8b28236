"""When segments are merged: few of them to search, few rows deleted, each passage rarely rewritten.

Segments of about the same size form a tier; a tier with too many of them becomes one segment, as in
O'Neil et al., "The Log-Structured Merge-Tree" (1996).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SMALLEST = 64
_TIER = 8  # each tier's segments have up to so many times the rows of the tier below
_PER_TIER = 3
_MOST_DELETED = 0.2


@dataclass(frozen=True, slots=True)
class Size:
    """A segment's name, its rows, and how many of them are not deleted."""

    name: str
    rows: int
    live: int


def due(sizes: Sequence[Size]) -> list[list[str]]:
    """Groups of segments, by name, each of which should become one; segments without live rows are no matter.

    A segment alone in its group is rewritten without what was deleted.
    """
    groups = [[size] for size in sizes if size.live]
    while crowded := _crowded(groups):
        groups = [group for group in groups if group not in crowded]
        groups.append([size for group in crowded for size in group])
    return [[size.name for size in group] for group in groups if len(group) > 1 or _wasteful(group[0])]


def _crowded(groups: list[list[Size]]) -> list[list[Size]]:
    tiers: dict[int, list[list[Size]]] = {}
    for group in groups:
        tiers.setdefault(_tier(sum(size.live for size in group)), []).append(group)
    return next((tiers[tier] for tier in sorted(tiers) if len(tiers[tier]) > _PER_TIER), [])


def _tier(live: int) -> int:
    tier = 0
    while live > _SMALLEST * _TIER**tier:
        tier += 1
    return tier


def _wasteful(size: Size) -> bool:
    return size.rows - size.live > _MOST_DELETED * size.rows
