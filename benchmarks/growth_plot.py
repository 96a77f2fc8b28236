"""The growth curve as SVG: latency against the number of passages, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

_WIDTH, _HEIGHT = 720, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 170, 40, 60
_LINES = (
    ("dense, p50", "dense_p50", "#1f6feb", ""),
    ("dense, p95", "dense_p95", "#1f6feb", "5 4"),
    ("words, p50", "lexical_p50", "#c2410c", ""),
    ("words, p95", "lexical_p95", "#c2410c", "5 4"),
    ("whole search, p50", "search_p50", "#15803d", ""),
    ("whole search, p95", "search_p95", "#15803d", "5 4"),
)


def draw(grown: Sequence[Any]) -> str:
    """The curve of `benchmarks.growth`, as the text of an SVG file."""
    values = [getattr(each, name) for each in grown for _, name, _, _ in _LINES]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    first, last = math.log10(grown[0].passages), math.log10(grown[-1].passages)

    def x(passages: float) -> float:
        return _LEFT + (math.log10(passages) - first) / ((last - first) or 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(milliseconds: float) -> float:
        return _HEIGHT - _BOTTOM - (math.log10(milliseconds) - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_text(_LEFT, 22, "Search of one index on 2 cores: milliseconds per query", size=15)]
    for power in range(low, high + 1):
        parts.append(f'<path d="M{_LEFT} {y(10**power):.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 8, y(10**power) + 4, f"{10**power:g}", anchor="end"))
    for each in grown:
        parts.append(_text(x(each.passages), _HEIGHT - _BOTTOM + 20, f"{each.passages:,}", anchor="middle"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, "passages", anchor="middle"))
    for number, (label, name, colour, dashes) in enumerate(_LINES):
        points = " ".join(f"{x(each.passages):.1f},{y(getattr(each, name)):.1f}" for each in grown)
        style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        parts.append(f'<polyline points="{points}" {style}/>')
        height = _TOP + 20 + 22 * number
        parts.append(f'<path d="M{_WIDTH - _RIGHT + 20} {height}h28" {style}/>')
        parts.append(_text(_WIDTH - _RIGHT + 56, height + 4, label))
    body = "\n".join(parts)
    frame = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">\n{frame}\n{body}\n</svg>\n'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-family="sans-serif" font-size="{size}">{text}</text>'
