"""The page on which Ratchet gets better: feedback, data set, training, the gate's verdict, and adapters."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import streamlit as st

from ui.app_desk import errors_shown, get_desk
from ui.labels import label_of
from ui.page_controls import chosen_section

if TYPE_CHECKING:
    from ui.improvement_views import Standing

SECTION = "improve_section"  # key of what is shown
SECTIONS = {
    "feedback": "Feedback",
    "examples": "Data set",
    "training": "Training",
    "verdict": "Verdict",
    "adapters": "Adapters",
}


def page() -> None:
    """Draw the page."""
    from ui import improvement

    desk = get_desk()
    st.title("Improve")
    st.write(
        "Ratchet learns from what you say about its answers, when you ask it to: it trains a small correction of the "
        "model (an adapter), compares it with what answers now, and serves it only if it proved better and you agree."
    )
    with errors_shown():
        _summary(improvement.standing(desk.settings))
    chosen = chosen_section(SECTIONS, SECTION)
    st.header(SECTIONS[chosen])
    with errors_shown():
        import_module(f"ui.improve_parts.{chosen}").draw(desk)


def _summary(now: Standing) -> None:
    """How much there is to learn from, and what answers now."""
    with st.container(horizontal=True):
        st.metric(
            "Judgements", f"{now.signals:,}", help="Corrections, thumbs, choices, and decisions about tool calls."
        )
        st.metric("New since the last run", f"{now.new:,}")
        st.metric("Enough for a run", f"{now.needed:,}", help="Half to learn from, and half to measure with.")
        st.metric("Answers now", label_of(now.served) or "no adapter")
    if now.withheld:
        st.caption(f"{now.withheld:,} more stand in conversations that may not be learned from.")
    if now.problem:
        st.warning(f"Training cannot change what answers: {label_of(now.problem, 400)}")
    if now.missing:
        st.info(
            "Training needs more packages: install them with `pip install 'ratchet-agent[finetune]'`. "
            "Everything else on this page works without."
        )
