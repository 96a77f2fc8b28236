"""What a person thinks of an answer: thumbs, a correction, a wrong citation, another question in its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from ui.app_desk import get_records
from ui.chat_parts import tab
from ui.labels import shortened

if TYPE_CHECKING:
    from agent.schema import Feedback, Turn
    from ui.desk import Desk

_KEPT = "Kept, with the question, the passages and the answer."


def thumbs(desk: Desk, turn: Turn) -> None:
    """Good or bad; a bad one asks at once what the answer should have been."""
    given = rating_of(turn)
    for rating, label, icon in ((1, "Good", "thumb_up"), (-1, "Bad", "thumb_down")):
        st.button(
            label,
            key=f"rate-{rating}-{turn.turn_id}",
            type="secondary" if given == rating else "tertiary",
            icon=f":material/{icon}:",
            help="You said so; the latest counts." if given == rating else None,
            on_click=_rate,
            args=(desk, turn, rating),
        )


def said_of(turn: Turn) -> Feedback | None:
    """What was last said of a turn."""
    given = get_records().feedback(turn.turn_id)
    return given[-1] if given else None


def rating_of(turn: Turn) -> int:
    """What was last said of a turn: 1, -1, or 0 for nothing yet."""
    said = said_of(turn)
    return said.rating if said is not None else 0


def _rate(desk: Desk, turn: Turn, rating: int) -> None:
    if rating_of(turn) != rating:  # said again it would stand in place of a correction
        if not tab.attempt(lambda: desk.feedback(turn.turn_id, rating)):
            return
        st.toast(_KEPT)
    if rating < 0:
        tab.open_panel(turn.turn_id, "correct")
    else:
        tab.close_panel()


def correction_form(desk: Desk, turn: Turn) -> None:
    """The answer that should have been given, and why."""
    answer, comment = f"correction-{turn.turn_id}", f"comment-{turn.turn_id}"
    said = said_of(turn)
    before = said.correction if said is not None else ""
    with st.form(f"correct-form-{turn.turn_id}"):
        st.text_area("What should it have said?", value=before or turn.answer, key=answer, height="content")
        st.text_input("Anything else? (may stay empty)", value=said.comment if said is not None else "", key=comment)
        with st.container(horizontal=True):
            st.form_submit_button(
                "Keep the correction", type="primary", on_click=_correct, args=(desk, turn, answer, comment)
            )
            st.form_submit_button("Cancel", on_click=tab.close_panel)


def _correct(desk: Desk, turn: Turn, answer: str, comment: str) -> None:
    said = str(st.session_state.get(answer, "")).strip()
    correction = "" if said == turn.answer.strip() else said
    note = str(st.session_state.get(comment, "")).strip()
    if tab.attempt(lambda: desk.feedback(turn.turn_id, -1, correction, note)):
        tab.close_panel()
        st.toast(_KEPT)


def citation_form(desk: Desk, turn: Turn) -> None:
    """Which citation does not say what it is cited for."""
    key = f"flagged-{turn.turn_id}"
    numbers = {
        citation.number: f"[{citation.number}] {Path(citation.source).name}, {citation.locator}"
        for citation in turn.citations
    }
    with st.form(f"flag-form-{turn.turn_id}"):
        st.selectbox(
            "Which citation does not support its sentence?",
            list(numbers),
            key=key,
            format_func=lambda number: shortened(numbers[number]),
        )
        with st.container(horizontal=True):
            st.form_submit_button("Flag it", type="primary", on_click=_flag, args=(desk, turn, key))
            st.form_submit_button("Cancel", on_click=tab.close_panel)


def _flag(desk: Desk, turn: Turn, key: str) -> None:
    number = int(st.session_state.get(key, 0))
    if tab.attempt(lambda: desk.flag_citation(turn.turn_id, number)):
        tab.close_panel()
        st.toast(f"Citation [{number}] is flagged as wrong.")


def question_form(desk: Desk, turn: Turn) -> None:
    """Another question in place of this one, in a conversation of its own."""
    key = f"other-{turn.turn_id}"
    with st.form(f"edit-form-{turn.turn_id}"):
        st.text_area("Your question", value=turn.question, key=key, height="content")
        st.caption("It is asked in a new conversation that has everything before it; this one stays as it is.")
        with st.container(horizontal=True):
            st.form_submit_button("Ask", type="primary", on_click=_fork, args=(desk, turn, key))
            st.form_submit_button("Cancel", on_click=tab.close_panel)


def _fork(desk: Desk, turn: Turn, key: str) -> None:
    asked = str(st.session_state.get(key, ""))

    def act() -> None:
        thread_id, _ = desk.fork(turn.thread_id, turn.turn_id, asked)
        tab.open_thread(thread_id)

    tab.attempt(act)
