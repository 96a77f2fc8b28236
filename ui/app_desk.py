"""What every page of the workbench shares: the desk, and how an error is shown.

The desk is made once for the server and serves all tabs; what belongs to one tab lies in `st.session_state`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import streamlit as st

from knowledge.errors import RatchetError

if TYPE_CHECKING:
    from agent.records import Records
    from ui.desk import Desk


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


@st.cache_resource(show_spinner=False)
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


@contextmanager
def errors_shown() -> Iterator[None]:
    """Shows a `RatchetError` of the block in its place; the rest of the page goes on."""
    try:
        yield
    except RatchetError as error:
        show_error(error)
