"""The curve of abstention against false refusals, as an SVG that needs no library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 640, 420, 56
COLOURS = ("#1f6feb", "#9dc1f7", "#1a7f37", "#95cfa6")


def draw(path: Path, curves: Mapping[str, Sequence[tuple[float, float]]], chosen: tuple[float, float]) -> None:
    """Write the picture.

    Args:
        path: of the SVG file; its folder is made.
        curves: title → points (false refusals, abstention), each in [0, 1].
        chosen: the operating point.
    """
    lines = [_axes()]
    for place, (title, points) in enumerate(curves.items()):
        path_data = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in _thinned(points))
        colour, top = COLOURS[place % len(COLOURS)], HEIGHT - MARGIN - 20 - 20 * (len(curves) - 1 - place)
        lines.append(f'<polyline points="{path_data}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines.append(f'<rect x="{WIDTH - 236}" y="{top - 9}" width="14" height="4" fill="{colour}"/>')
        lines.append(f'<text x="{WIDTH - 214}" y="{top}">{title}</text>')
    lines.append(f'<circle cx="{_x(chosen[0]):.1f}" cy="{_y(chosen[1]):.1f}" r="5" fill="#cf222e"/>')
    frame = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="13" fill="#24292f"><rect width="100%" height="100%" fill="#ffffff"/>'
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([frame, *lines, "</svg>\n"]), encoding="utf-8")


def _x(share: float) -> float:
    return MARGIN + share * (WIDTH - 2 * MARGIN)


def _y(share: float) -> float:
    return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)


def _thinned(points: Sequence[tuple[float, float]], most: int = 200) -> list[tuple[float, float]]:
    step = max(1, len(points) // most)
    return [*points[::step], points[-1]]


def _axes() -> str:
    parts = []
    for tenth in range(0, 11, 2):
        share = tenth / 10
        parts.append(f'<line x1="{_x(0)}" x2="{_x(1)}" y1="{_y(share)}" y2="{_y(share)}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{_x(0) - 8}" y="{_y(share) + 4}" text-anchor="end">{10 * tenth} %</text>')
        parts.append(f'<text x="{_x(share)}" y="{_y(0) + 18}" text-anchor="middle">{10 * tenth} %</text>')
    middle = HEIGHT / 2
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">answerable questions refused</text>')
    parts.append(
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">others refused</text>'
    )
    return "\n".join(parts)
