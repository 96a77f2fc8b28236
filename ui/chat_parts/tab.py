"""What one tab of the browser shows: its conversation, an open editor, an error.

The conversation stands in the address too, so that a reload or a bookmark comes back to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from knowledge.errors import RatchetError

if TYPE_CHECKING:
    from knowledge.schema import SearchFilter
    from ui.desk import Desk

PARAMETER = "thread"
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


def current_thread(desk: Desk) -> str:
    """The conversation of this tab: the one in the address, else the one it showed last, else a new one."""
    named = st.query_params.get(PARAMETER, "")
    state = st.session_state
    thread_id = named if _ID.fullmatch(named) else str(state.get("thread") or desk.new_thread())
    open_thread(thread_id)
    return thread_id


def open_thread(thread_id: str) -> None:
    """Show a conversation from now on."""
    state = st.session_state
    if state.get("thread") != thread_id:
        state["thread"] = thread_id
        state.pop("panel", None)
        state.pop("trouble", None)
    if st.query_params.get(PARAMETER) != thread_id:
        st.query_params[PARAMETER] = thread_id


def scope_key(thread_id: str) -> str:
    """Where the field that narrows the search is kept."""
    return f"scope-{thread_id}"


def scope_of(thread_id: str) -> str:
    """The file or folder that a conversation looks into; empty for all."""
    return str(st.session_state.get(scope_key(thread_id)) or "").strip()


def only_in(scope: str) -> SearchFilter | None:
    """Which files a scope lets through."""
    from agent.documents import narrowed

    return narrowed([scope]) if scope else None


def attempt(action: Callable[[], object]) -> bool:
    """Run what a click asks for; whether it worked. What went wrong is shown by `show_trouble`."""
    forget_trouble()
    try:
        action()
    except RatchetError as error:
        st.session_state["trouble"] = error
        return False
    return True


def do(action: Callable[[], object]) -> None:
    """As `attempt`, for buttons, which are not interested in the outcome."""
    attempt(action)


def forget_trouble() -> None:
    """The error of the last click is none."""
    st.session_state.pop("trouble", None)


def show_trouble() -> None:
    """The error of the last click, until the next one."""
    from ui.app_desk import show_error

    error = st.session_state.get("trouble")
    if error is not None:
        show_error(error)


def open_panel(turn_id: str, kind: str) -> None:
    """Open an editor below an answer; one is open at a time."""
    st.session_state["panel"] = (turn_id, kind)


def close_panel() -> None:
    """Close the editor that is open."""
    st.session_state.pop("panel", None)


def panel_of(turn_id: str) -> str:
    """Which editor is open below an answer; empty for none."""
    opened, kind = st.session_state.get("panel", ("", ""))
    return str(kind) if opened == turn_id else ""
