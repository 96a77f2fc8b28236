"""The page that tells how good the answers are, and how well the search finds what it should."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from ui import quality
from ui.app_desk import errors_shown, get_desk, get_records
from ui.charts import counts_plot, trend_plot
from ui.charts import draw as draw_plot
from ui.page_controls import chosen_section
from ui.tables import table_html

if TYPE_CHECKING:
    from agent.config import Settings
    from ui.quality import Known, Summary, TurnFacts

_DAYS = {7: "Last 7 days", 30: "Last 30 days", 90: "Last 90 days", 0: "All"}


def page() -> None:
    """Draw the page."""
    desk = get_desk()
    st.title("Quality")
    st.write(
        "How good the answers are, counted from your own conversations: what you thought of them, how many of their "
        "sentences your documents support, and how long they took."
    )
    section = chosen_section({"answers": "Answers", "search": "Search"}, "quality_section")
    with errors_shown():
        if section == "search":
            from ui.quality_parts import search

            search.draw(desk)
        else:
            _answers(desk.settings)


@st.cache_resource(show_spinner=False)
def _known(database: str) -> Known:
    """What was counted of the conversations in a database; filled by whoever looks."""
    return {}


def _answers(settings: Settings) -> None:
    from ui.improvement import holds_back

    records = get_records()
    everything = quality.turn_facts(records, holds_back, _known(str(settings.database)))
    rated = quality.ratings(records)
    st.header("Answers")
    if not everything:
        st.info(
            "No answers yet. Ask something in the chat; every answer is counted here, and a thumb up or down below it "
            "says what you think of it."
        )
        return
    facts = _chosen(everything)
    if not facts:
        st.info("No answers in this time.")
        return
    now = quality.summary(facts, rated)
    _figures(now)
    _trends(quality.periods(facts, rated))
    _by_model(facts, rated)


def _chosen(everything: Sequence[TurnFacts]) -> list[TurnFacts]:
    columns = st.columns(2)
    days = columns[0].selectbox("Time", list(_DAYS), format_func=_DAYS.__getitem__, index=1)
    models = sorted({one.model for one in everything})
    model = columns[1].selectbox("Model", ["", *models], format_func=lambda name: name or "all")
    return [one for one in quality.since(everything, days) if model in ("", one.model)]


def _figures(now: Summary) -> None:
    with st.container(horizontal=True):
        st.metric("Answers", f"{now.answers:,}")
        st.metric("Thumbs up / down", f"{now.up:,} / {now.down:,}", help="A correction counts as a thumb down.")
        st.metric(
            "Supported sentences", _percent(now.grounded), help="Of those that were compared with your documents."
        )
        st.metric("Not in your documents", _percent(now.refused), help="Answers that say so, of all answers.")
        st.metric("Citations an answer", _number(now.citations))
        st.metric("Seconds", f"{_number(now.seconds)} / {_number(now.slow)}", help="Median / 95 of 100 within.")


def _trends(found: list[tuple[str, Summary]]) -> None:
    st.subheader("What you thought of them")
    draw_plot(
        counts_plot(quality.series(found, thumbs_up=lambda one: one.up, thumbs_down=lambda one: one.down), "answers")
    )
    st.subheader("Supported by your documents")
    shares = quality.series(
        found, supported_sentences=_times_100("grounded"), not_in_your_documents=_times_100("refused")
    )
    draw_plot(trend_plot(shares, "percent", " %", top=100))
    st.subheader("Citations an answer")
    draw_plot(trend_plot(quality.series(found, citations=lambda one: one.citations), "citations", ""))
    st.subheader("Seconds an answer")
    times = quality.series(
        found,
        first_word=lambda one: one.first_word,
        median=lambda one: one.seconds,
        slowest_5_in_100=lambda one: one.slow,
    )
    draw_plot(trend_plot(times, "seconds", " s"))
    with st.expander("The same as a table"):
        rows = [(period, *_cells(one)) for period, one in found]
        st.html(table_html("Quality over time", ("From", *_HEAD), rows))


def _times_100(name: str) -> quality.Figure:
    def figure(one: Summary) -> float | None:
        value = getattr(one, name)
        return None if value is None else 100 * value

    return figure


def _by_model(facts: Sequence[TurnFacts], rated: dict[str, int]) -> None:
    models = sorted({one.model for one in facts})
    if len(models) > 1:
        st.subheader("By model")
        rows = [(name, *_cells(quality.summary([one for one in facts if one.model == name], rated))) for name in models]
        st.html(table_html("Quality by model", ("Model", *_HEAD), rows))


_HEAD = ("Answers", "Up", "Down", "Supported", "Not in documents", "Citations", "Seconds", "95 of 100 within")


def _cells(one: Summary) -> tuple[str, ...]:
    counts = (f"{one.answers:,}", f"{one.up:,}", f"{one.down:,}")
    figures = (_percent(one.grounded), _percent(one.refused), _number(one.citations))
    return (*counts, *figures, _number(one.seconds), _number(one.slow))


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
