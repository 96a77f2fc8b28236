"""Controls that several pages share: what a page shows, and a page of a long list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import streamlit as st

_PARAMETER = "show"
Item = TypeVar("Item")


def chosen_section(sections: Mapping[str, str], key: str) -> str:
    """Which part of the page is shown; the address holds it, too, so that a reload comes back to it.

    Args:
        sections: name → title; the first is shown at first.
        key: of the control in `st.session_state`.
    """
    first = next(iter(sections))
    if st.session_state.get(key) not in sections:
        named = st.query_params.get(_PARAMETER, "")
        st.session_state[key] = named if named in sections else first
    chosen = st.segmented_control("Show", list(sections), format_func=sections.__getitem__, required=True, key=key)
    shown = chosen or first
    if shown != st.query_params.get(_PARAMETER, first):
        st.query_params[_PARAMETER] = shown
    return shown


def page_of(found: Sequence[Item], per_page: int, key: str) -> Sequence[Item]:
    """The part of a list that is looked at, with a control where there is more.

    Args:
        found: all of it.
        per_page: how many at a time.
        key: of the control; another list begins on its first page.
    """
    pages = -(-len(found) // per_page)
    number = st.pagination(pages, key=f"{key}-{pages}") if pages > 1 else 1
    return found[(number - 1) * per_page : number * per_page]
