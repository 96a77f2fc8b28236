"""The inbox: what was said about answers, to look through, mend and withhold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

import streamlit as st

from ui.app_desk import errors_shown, get_records
from ui.escape import escaped
from ui.feedback_inbox import KINDS, Entry, Opened, entries, matches, opened
from ui.markdown import to_html
from ui.page_controls import page_of
from ui.tables import labelled_html

if TYPE_CHECKING:
    from agent.records import Records
    from ui.desk import Desk

PER_PAGE = 8
_MARKS = {"correction": "✎ corrected", "good": "👍 good", "bad": "👎 bad", "comment": "comment", "choice": "⇄ chosen"}


def draw(desk: Desk) -> None:
    """Draw the inbox."""
    records = get_records()
    found = entries(records)
    if not found:
        _empty()
        return
    columns = st.columns([1, 2])
    kind = columns[0].selectbox("Kind", ["all", *KINDS], format_func=lambda one: KINDS.get(one, "All"))
    words = columns[1].text_input("Search in questions and answers", placeholder="words")
    for one in _shown(records, [entry for entry in found if kind in ("all", entry.kind)], words):
        with st.container(border=True):
            _draw_entry(desk, records, one)


def _empty() -> None:
    st.info(
        "No feedback yet. In a chat, press 👍 or 👎 below an answer, or say what it should have said. "
        "What you say appears here, and nothing is learned from it until you start a run."
    )


def _shown(records: Records, found: Sequence[Entry], words: str) -> Sequence[Opened]:
    """The entries of the page that is open; only what is looked at is read."""
    if not words.strip():
        st.caption(f"{len(found):,} in all")
        part = page_of(found, PER_PAGE, "inbox_page")
        return [one for entry in part if (one := opened(records, entry)) is not None]
    kept = [one for entry in found if (one := opened(records, entry)) is not None and matches(one, words)]
    st.caption(f"{len(kept):,} of {len(found):,}")
    return page_of(kept, PER_PAGE, "inbox_page")


def _draw_entry(desk: Desk, records: Records, one: Opened) -> None:
    entry, turn = one.entry, one.turn
    mark, when = _MARKS[entry.kind], entry.at[:16].replace("T", " ")
    st.html(
        f'<div class="r"><strong dir="auto">{escaped(turn.question)}</strong><br>'
        f"<small>{escaped(f'{mark} · {when} UTC · {turn.model}')}</small></div>"
    )
    if entry.choice is not None:
        _draw_choice(one)
    else:
        st.html(to_html(turn.answer))
    given = entry.feedback
    if given is not None and given.correction:
        st.html(labelled_html("It should have said", given.correction))
    if given is not None and given.comment:
        st.html(labelled_html("Comment", given.comment))
    st.caption(one.teaches)
    _actions(desk, records, one)


def _draw_choice(one: Opened) -> None:
    choice = one.entry.choice
    if choice is None:
        return
    for number, (column, answer) in enumerate(zip(st.columns(2), choice.answers, strict=True)):
        with column:
            label = f"Answer {number + 1}" + (" ✓ chosen" if choice.chosen == number else "")
            st.html(labelled_html(f"{label} ({choice.adapters[number] or 'no adapter'})", answer))


def _actions(desk: Desk, records: Records, one: Opened) -> None:
    turn, key = one.turn, f"{one.entry.kind}-{one.entry.turn_id}-{one.entry.at}"
    with st.container(horizontal=True):
        if one.entry.choice is None and st.button("Edit the correction", key=f"edit-{key}", icon=":material/edit:"):
            st.session_state["inbox_open"] = key
        consent = "Do not learn from this conversation" if one.consent else "Learn from this conversation"
        if st.button(consent, key=f"consent-{key}"):
            with errors_shown():
                records.set_consent(turn.thread_id, not one.consent)
                st.rerun()
        st.link_button("Open the conversation", f"./?thread={quote(turn.thread_id, safe='')}")
    if st.session_state.get("inbox_open") == key:
        _editor(desk, one, key)


def _editor(desk: Desk, one: Opened, key: str) -> None:
    given = one.entry.feedback
    with st.form(f"form-{key}", border=False):
        text = st.text_area("What should it have said?", value=given.correction if given else "")
        saved = st.form_submit_button("Save the correction", type="primary")
    if saved:
        with errors_shown():
            rating = given.rating if given and not text.strip() else -1
            desk.feedback(one.turn.turn_id, rating, text.strip(), given.comment if given else "")
            st.session_state.pop("inbox_open", None)
            st.rerun()
