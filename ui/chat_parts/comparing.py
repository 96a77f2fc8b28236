"""A blind choice between two answers of the same model with different adapters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from ui.chat_parts import jobs, tab
from ui.chat_parts.messages import question
from ui.labels import label_of

if TYPE_CHECKING:
    from agent.blind import BlindPair
    from ui.desk import Desk

_NAMES = {"": "the one that is promoted", "none": "the model as it is"}


def adapter_name(adapter: str) -> str:
    """What people call an adapter: its name, or that of the file."""
    return _NAMES.get(adapter) or (Path(adapter).stem if "/" in adapter else adapter)


def choice(desk: Desk, job: jobs.Comparison) -> None:
    """Both answers, side by side and unnamed, until one is chosen."""
    from ui.markdown import to_html

    pair = job.pair
    if pair is None:
        return
    question(job.question)
    st.html('<h2 class="w-heading">Which answer is better?</h2>')
    columns = st.columns(2, border=True)
    for place, letter in enumerate("AB"):
        with columns[place]:
            answer = to_html(pair.answers[place])
            st.html(f'<h3 class="w-heading">Answer {letter}</h3><div class="r r-answer">{answer}</div>')
            st.button(
                f"{letter} is better",
                key=f"choose-{place}-{pair.turn.turn_id}",
                width="stretch",
                on_click=_choose,
                args=(desk, job.thread_id, pair, place),
            )
    st.button(
        "Neither is better",
        key=f"choose-none-{pair.turn.turn_id}",
        on_click=_choose,
        args=(desk, job.thread_id, pair, None),
    )


def _choose(desk: Desk, thread_id: str, pair: BlindPair, chosen: int | None) -> None:
    from agent.blind import record_choice

    if not tab.attempt(lambda: record_choice(desk.session(thread_id), pair, chosen)):
        return
    jobs.put_away(thread_id)
    first, second = (label_of(adapter_name(name), 40) for name in pair.adapters)
    st.toast(f"Kept. Answer A was by {first}, answer B by {second}.")


def settings(desk: Desk, thread_id: str) -> None:
    """Whether the next questions are answered twice, and by which adapters."""
    key = f"blind-{thread_id}"
    st.toggle(
        "Answer twice, and let me choose blindly",
        key=key,
        persist_state="session",
        help="Two adapters of the same local model answer; which is which is told after your choice.",
    )
    if st.session_state.get(key):
        adapters = desk.adapters()
        for side, place in (("first", 0), ("second", min(1, len(adapters) - 1))):
            st.selectbox(
                f"The {side} adapter",
                adapters,
                index=place,
                key=f"blind-{side}-{thread_id}",
                persist_state="session",
                format_func=adapter_name,
            )


def wanted(thread_id: str) -> tuple[str, str] | None:
    """The two adapters that answer the next question; None if it is answered once."""
    state = st.session_state
    if not state.get(f"blind-{thread_id}"):
        return None
    return str(state.get(f"blind-first-{thread_id}", "")), str(state.get(f"blind-second-{thread_id}", "none"))
