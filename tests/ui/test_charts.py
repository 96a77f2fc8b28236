"""Charts: that they can be drawn, hold the data, and say in words what they show."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("altair")

from ui import charts
from ui.improvement_views import Curve, Line, Step


def values(plot: charts.Plot) -> list[dict[str, Any]]:
    """The rows of a chart."""
    return [row for rows in plot.chart.to_dict()["datasets"].values() for row in rows]


def curve(steps: int, title: str = "Learning") -> Curve:
    return Curve(title, tuple(Step(n, 4.0 / n, 100.0 * n, n / steps, 1.0) for n in range(1, steps + 1)), 0.0)


def test_loss_and_speed() -> None:
    plot = charts.loss_plot([curve(30), curve(5, "Preferences")])
    assert "Learning: 30 steps, loss from 4.000" in plot.words and "Preferences: 5 steps" in plot.words
    rows = values(plot)
    assert [row["loss"] for row in rows[:2]] == [4.0, 2.0] and len(rows) == 35
    assert rows[29]["mean"] > rows[29]["loss"], "a running mean lags behind what falls"
    measured = Curve("Learning", (Step(1, 2.0, 9.0, 0.5, 1.0), Step(2, 1.0, 9.0, 1.0, 1.0, 1.5)), 0.0)
    with_held_out = charts.loss_plot([measured])
    assert "1.500 on held-out data" in with_held_out.words
    assert {"step": 2, "dev": 1.5, "part": "Learning"} in values(with_held_out)
    speed = charts.speed_plot([curve(30)])
    assert "1,550 tokens a second on average, 2,550 over the last 10 steps" in speed.words


def test_a_long_run_is_thinned_and_keeps_its_end() -> None:
    rows = values(charts.loss_plot([curve(5000)]))
    assert len(rows) <= 602 and rows[-1]["step"] == 5000 and rows[0]["step"] == 1


def line(kind: str, change: tuple[float, float, float], limit: float, holds: bool, primary: bool = False) -> Line:
    return Line(f"metric {kind}", 0.5, 0.6, change, limit, 30, kind, primary, holds)


@pytest.mark.parametrize(
    ("kind", "change", "limit", "words"),
    [
        ("share", (0.1, 0.02, 0.18), 0.0, "+10 points (+2 to +18; limit +0)"),
        ("bits", (0.01, -0.2, 0.2), -0.1, "+0.010 bits (-0.200 to +0.200; limit -0.100)"),
        ("ratio", (1.2, 1.0, 1.6), 1.5, "× 1.20 (1.00 to 1.60; limit 1.50)"),
    ],
)
def test_intervals(kind: str, change: tuple[float, float, float], limit: float, words: str) -> None:
    plot = charts.interval_plot([line(kind, change, limit, True, primary=True), line(kind, change, limit, False)])
    assert words in plot.words and "holds." in plot.words and "speaks against it." in plot.words
    rows = values(plot)
    factor = 100 if kind == "share" else 1
    assert rows[0]["low"] == pytest.approx(factor * change[1]) and rows[0]["metric"].endswith("★")


def test_trends_leave_out_what_is_not_known() -> None:
    points = [
        {"period": "2026-01-01", "series": "supported", "value": 50.0},
        {"period": "2026-01-02", "series": "supported", "value": None},
        {"period": "2026-01-03", "series": "supported", "value": 75.0},
        {"period": "2026-01-03", "series": "refused", "value": 0.0},
    ]
    plot = charts.trend_plot(points, "percent", " %", top=100)
    assert plot.words == ("supported: from 50 % (2026-01-01) to 75 % (2026-01-03). refused: 0 % (2026-01-03).")
    assert len(values(plot)) == 3
    assert charts.trend_plot([], "percent", " %").words == "Nothing to show yet."
    assert charts.trend_plot(points[1:2], "percent", " %").words == "Nothing to show yet."


def test_counts_and_contests() -> None:
    counts = charts.counts_plot(
        [{"period": "2026-01-01", "series": "up", "value": 3}, {"period": "2026-01-02", "series": "up", "value": 4}],
        "n",
    )
    assert counts.words == "In all: up: 7."
    contest = charts.contest_plot(
        [{"question": 1, "series": "a", "value": 2.0}, {"question": 1, "series": "b", "value": None}], "seconds", " s"
    )
    assert contest.words == "a: 2 s on average over 1."
    assert charts.contest_plot([], "seconds", " s").words == "Nothing to show yet."
