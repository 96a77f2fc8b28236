"""The library that the pages of a server share: made for the settings of the desk, and anew when those change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui import app_desk

if TYPE_CHECKING:
    from agent.config import Settings
    from ui.library import Library


def get_library() -> Library:
    """The library for the settings in use.

    Raises:
        RatchetError: the settings cannot be read.
    """
    settings = app_desk.get_desk().settings
    return _library(id(settings), settings)  # the library keeps them, so that no others get this id meanwhile


def apply_settings() -> None:
    """Use the settings as they are written now: whatever is opened next is opened with them.

    An answer in progress is broken off and given anew when its conversation is opened; documents that are being read
    are read on when they are added again.
    """
    desk = app_desk.get_desk()
    app_desk.get_desk.clear()
    app_desk.get_records.clear()
    _library.clear()
    desk.close()


@st.cache_resource(show_spinner=False, max_entries=1, on_release=lambda library: library.close())
def _library(number: int, _settings: Settings) -> Library:
    from ui.library import Library

    return Library(_settings)
