"""Charts of the workbench, each with what it shows in words: for those who cannot see it, and for tests.

Colours are told apart by people who see few of them (Okabe and Ito, "Color Universal Design", 2008), and stand out on
light and dark ground; what they say is also said by a shape or a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ui.improvement_views import Curve, Line

BLUE, ORANGE = "#0072B2", "#D55E00"
_HEIGHT = 240
_SMOOTHED = 0.9  # share of the running mean that stays from step to step
_AXES = {"share": "change in percentage points", "bits": "gain in bits per byte", "ratio": "times as much as before"}
_MOST_POINTS = 600  # of a line; more cannot be told apart on a screen


@dataclass(frozen=True, slots=True)
class Plot:
    """An Altair chart, and what it shows in words."""

    chart: Any
    words: str


def draw(plot: Plot, *, caption: bool = True) -> None:
    """Put a plot on a Streamlit page, with its words below it unless a table says the same."""
    import streamlit as st

    from ui.labels import label_of

    st.altair_chart(plot.chart, alt=plot.words, width="stretch")
    if caption:
        st.caption(label_of(plot.words, len(plot.words)))


def loss_plot(curves: Sequence[Curve]) -> Plot:
    """The loss of every step, its running mean, and diamonds where it was measured on data that is not learned."""
    import altair as alt

    rows: list[dict[str, Any]] = []
    dev: list[dict[str, Any]] = []
    said = []
    for curve in curves:
        mean = curve.steps[0].loss
        for step in curve.steps:
            mean = _SMOOTHED * mean + (1 - _SMOOTHED) * step.loss
            rows.append({"step": step.number, "loss": step.loss, "mean": mean, "part": curve.title})
        first, last = curve.steps[0].loss, mean
        words = f"{curve.title}: {len(curve.steps):,} steps, loss from {first:.3f} to {last:.3f} (running mean)"
        held_out = [(step.number, step.dev_loss) for step in curve.steps if step.dev_loss is not None]
        dev += [{"step": number, "dev": loss, "part": curve.title} for number, loss in held_out]
        said.append(words + (f", {held_out[-1][1]:.3f} on held-out data." if held_out else "."))
    shared = {
        "x": alt.X("step:Q", title="step", axis=alt.Axis(tickMinStep=1)),
        "color": _colours("part", [curve.title for curve in curves]),
    }
    base, title = alt.Chart(alt.InlineData(values=_thinned(rows))).encode(**shared), "loss (nats per token)"
    dots = base.mark_circle(opacity=0.35, size=18).encode(y=alt.Y("loss:Q", title=title))
    line = base.mark_line(strokeWidth=2.5).encode(y=alt.Y("mean:Q", title=title))
    marks = alt.Chart(alt.InlineData(values=_thinned(dev))).mark_point(shape="diamond", size=80, filled=True)
    layers = [dots, line, *([marks.encode(y=alt.Y("dev:Q", title=title), **shared)] if dev else [])]
    return Plot(alt.layer(*layers).properties(height=_HEIGHT), " ".join(said))


def speed_plot(curves: Sequence[Curve]) -> Plot:
    """Tokens of the data per second, step by step."""
    import altair as alt

    rows: list[dict[str, Any]] = [
        {"step": step.number, "speed": step.tokens_per_second, "part": curve.title}
        for curve in curves
        for step in curve.steps
    ]
    latest = [row["speed"] for row in rows[-10:]]
    chart = (
        alt.Chart(alt.InlineData(values=_thinned(rows)))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("step:Q", title="step", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("speed:Q", title="tokens per second", scale=alt.Scale(zero=True)),
            color=_colours("part", [curve.title for curve in curves]),
        )
    )
    mean = fmean(row["speed"] for row in rows)
    words = f"Speed: {mean:,.0f} tokens a second on average, {fmean(latest):,.0f} over the last {len(latest)} steps."
    return Plot(chart.properties(height=_HEIGHT), words)


def interval_plot(lines: Sequence[Line]) -> Plot:
    """What changed, with its interval and the limit that it is held against; all of one unit.

    Args:
        lines: of one `kind`, at least one.
    """
    import altair as alt

    kind = lines[0].kind
    factor = 100 if kind == "share" else 1
    rows = [_interval_row(line, factor) for line in lines]
    order = [row["metric"] for row in rows]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("metric:N", title=None, sort=order, axis=alt.Axis(labelLimit=260))
    )
    colour = alt.Color(
        "verdict:N",
        scale=alt.Scale(domain=["holds", "speaks against it"], range=[BLUE, ORANGE]),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    shape = alt.Shape("verdict:N", scale=alt.Scale(domain=["holds", "speaks against it"], range=["circle", "cross"]))
    spans = base.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q", title=_AXES[kind]), x2="high:Q", color=colour)
    points = base.mark_point(size=110, filled=True, opacity=1).encode(x="value:Q", color=colour, shape=shape)
    limits = base.mark_tick(thickness=2, size=20, color="#888888").encode(x="limit:Q")
    chart = alt.layer(spans, limits, points).properties(height=max(90, 34 * len(lines)))
    return Plot(chart, " ".join(row["words"] for row in rows))


def _interval_row(line: Line, factor: int) -> dict[str, Any]:
    value, low, high = (factor * part for part in line.change)
    limit = factor * line.limit
    verdict = "holds" if line.holds else "speaks against it"
    said = {
        "share": f"{value:+.0f} points ({low:+.0f} to {high:+.0f}; limit {limit:+.0f})",
        "bits": f"{value:+.3f} bits ({low:+.3f} to {high:+.3f}; limit {limit:+.3f})",
        "ratio": f"× {value:.2f} ({low:.2f} to {high:.2f}; limit {limit:.2f})",
    }[line.kind]
    metric = f"{line.title} ★" if line.primary else line.title
    words = f"{line.title}: {said}, {verdict}."
    return {
        "metric": metric,
        "value": value,
        "low": low,
        "high": high,
        "limit": limit,
        "verdict": verdict,
        "words": words,
    }


def trend_plot(points: Sequence[Mapping[str, Any]], title: str, unit: str, *, top: float | None = None) -> Plot:
    """A figure over time.

    Args:
        points: `period` (ISO date), `series` and `value`; those without a value (None) are left out.
        title: of the axis.
        unit: behind a value in words, such as " %".
        top: where the axis ends; default: as the values need.
    """
    import altair as alt

    rows = [dict(point) for point in points if point["value"] is not None]
    series = list(dict.fromkeys(str(row["series"]) for row in rows))
    scale = alt.Scale(domain=[0, top]) if top is not None else alt.Scale(zero=True)
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(point=alt.OverlayMarkDef(size=50, filled=True), strokeWidth=2)
        .encode(
            x=_time_axis(),
            y=alt.Y("value:Q", title=title, scale=scale),
            color=_colours("series", series),
            strokeDash=alt.StrokeDash("series:N", scale=alt.Scale(domain=series), legend=None),
        )
    )
    return Plot(chart.properties(height=_HEIGHT), _trend_words(rows, series, unit))


def _trend_words(rows: Sequence[Mapping[str, Any]], series: Sequence[str], unit: str) -> str:
    said = []
    for name in series:
        own = [row for row in rows if row["series"] == name]
        first, last = own[0], own[-1]
        if len(own) == 1:
            said.append(f"{name}: {_short(first['value'])}{unit} ({_day(first)}).")
        else:
            said.append(
                f"{name}: from {_short(first['value'])}{unit} ({_day(first)}) "
                f"to {_short(last['value'])}{unit} ({_day(last)})."
            )
    return " ".join(said) or "Nothing to show yet."


def _day(row: Mapping[str, Any]) -> str:
    return str(row["period"])[:10]


def counts_plot(points: Sequence[Mapping[str, Any]], title: str) -> Plot:
    """Counts over time, stacked: `period`, `series` and `value`."""
    import altair as alt

    rows = [dict(point) for point in points]
    series = list(dict.fromkeys(str(row["series"]) for row in rows))
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(size=14)
        .encode(
            x=_time_axis(),
            y=alt.Y("value:Q", title=title, axis=alt.Axis(tickMinStep=1)),
            color=_colours("series", series),
        )
    )
    totals = (f"{name}: {sum(row['value'] for row in rows if row['series'] == name):,.0f}" for name in series)
    return Plot(chart.properties(height=_HEIGHT), f"In all: {', '.join(totals)}." if rows else "Nothing to show yet.")


def contest_plot(rows: Sequence[Mapping[str, Any]], title: str, unit: str) -> Plot:
    """A figure of several contestants, question by question: `question` (number), `series` and `value`."""
    import altair as alt

    shown = [dict(row) for row in rows if row["value"] is not None]
    series = list(dict.fromkeys(str(row["series"]) for row in rows))
    chart = (
        alt.Chart(alt.InlineData(values=shown))
        .mark_point(size=90, filled=True, opacity=0.9)
        .encode(
            x=alt.X("question:O", title="question", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=True)),
            color=_colours("series", series),
            shape=alt.Shape("series:N", scale=alt.Scale(domain=series), legend=None),
        )
    )
    means = []
    for name in series:
        own = [float(row["value"]) for row in shown if row["series"] == name]
        if own:
            means.append(f"{name}: {_short(fmean(own))}{unit} on average over {len(own)}")
    return Plot(chart.properties(height=_HEIGHT), f"{'; '.join(means)}." if means else "Nothing to show yet.")


def _time_axis() -> Any:
    """Days as they are in UTC, in which they were counted."""
    import altair as alt

    axis = alt.Axis(format="%d %b", labelOverlap=True, tickCount=6)
    return alt.X("period:T", title=None, axis=axis, scale=alt.Scale(type="utc"))


def _colours(field: str, names: Sequence[str]) -> Any:
    import altair as alt

    palette = [BLUE, ORANGE, "#009E73", "#CC79A7"]
    legend = alt.Legend(title=None, orient="bottom", columns=1) if len(names) > 1 else None
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(names), range=palette[: len(names)]), legend=legend)


def _thinned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    stride = -(-len(rows) // _MOST_POINTS)
    return rows if stride < 2 else [*rows[:-1:stride], rows[-1]]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
