"""What every page of the workbench shares: the desk, and how an error is shown.

The desk is made once for the server and serves all tabs; what belongs to one tab lies in `st.session_state`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from knowledge.errors import RatchetError

if TYPE_CHECKING:
    from agent.records import Records
    from ui.desk import Desk

Outcome = TypeVar("Outcome")


def open_desk() -> Desk:
    """A desk with the settings of the user.

    Raises:
        RatchetError: the settings cannot be read.
    """
    from ui.desk import Desk

    return Desk()


@st.cache_resource(show_spinner=False)
def get_desk() -> Desk:
    """The one desk of this server, opened at the first call.

    Raises:
        RatchetError: the settings cannot be read.
    """
    return open_desk()


@st.cache_resource(show_spinner=False, on_release=lambda records: records.close())
def get_records() -> Records:
    """The turns and feedback of the desk's database, for reading what is not about one thread.

    Raises:
        RatchetError: the settings or the database cannot be read.
    """
    from agent.records import Records

    return Records(get_desk().settings.database)


def show_error(error: RatchetError) -> None:
    """What happened, what was kept, what to do."""
    from ui.render import error_html

    st.html(error_html(error.what, error.kept, error.fix))


def attempt(place: str, act: Callable[[], Outcome], done: str | Callable[[Outcome], str] = "") -> bool:
    """Do what a click asks for; whether it was done. What is to be said of it is kept for `show_outcome`.

    Args:
        place: key of what is said in `st.session_state`.
        act: what to do.
        done: what is said when it was done, or makes that of what `act` returned.
    """
    try:
        made = act()
    except RatchetError as error:
        st.session_state[place] = error
        return False
    st.session_state[place] = done if isinstance(done, str) else done(made)
    return True


def show_outcome(place: str) -> None:
    """What came of the last click, told once."""
    said: RatchetError | str | None = st.session_state.pop(place, None)
    if isinstance(said, RatchetError):
        show_error(said)
    elif said:
        st.success(said)


@contextmanager
def errors_shown() -> Iterator[None]:
    """Shows a `RatchetError` of the block in its place; the rest of the page goes on."""
    try:
        yield
    except RatchetError as error:
        show_error(error)
