"""A collection as a whole: looked over for changes, made anew, or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui.app_desk import attempt, errors_shown, show_outcome
from ui.ingesting import Work, embedding_anew, refreshing

if TYPE_CHECKING:
    from ui.library import Library

_SURE, _TROUBLE = "documents-delete-sure", "documents-trouble"


def draw(library: Library, collection: str) -> None:
    """The buttons."""
    settings = library.within(collection)
    with st.container(horizontal=True):
        _button(library, collection, "Look for changes", refreshing(settings), "refresh")
        _button(library, collection, "Try failed files again", refreshing(settings, retry=True), "replay")
        _button(library, collection, "Embed anew", embedding_anew(settings), "autorenew")
    st.caption(
        "A look for changes reads what is new or changed in the folders added before. A web page is fetched again when "
        "it is added again."
    )
    _delete(library, collection)


def mend(library: Library, collection: str) -> None:
    """Buttons for a collection that cannot be read: read everything again, or delete it."""
    work = refreshing(library.within(collection), rebuild=True)
    _button(library, collection, "Read everything anew", work, "build")
    _delete(library, collection)


def _button(library: Library, collection: str, title: str, work: Work, icon: str) -> None:
    if st.button(title, key=f"documents-{icon}", icon=f":material/{icon}:"):
        with errors_shown():
            library.jobs.start(library.within(collection), title, work)
            st.rerun()


def _delete(library: Library, collection: str) -> None:
    show_outcome(_TROUBLE)
    if st.session_state.get(_SURE) != collection:
        st.button("Delete the collection", key="documents-delete", on_click=_sure, args=(collection,), type="tertiary")
        return
    st.write("Delete this collection for good? Your own files stay; chats no longer find anything in them.")
    with st.container(horizontal=True):
        st.button("Delete for good", key="documents-delete-do", on_click=_do, args=(library, collection))
        st.button("Keep it", key="documents-delete-keep", on_click=_sure, args=("",))


def _sure(collection: str) -> None:
    st.session_state[_SURE] = collection


def _do(library: Library, collection: str) -> None:
    _sure("")
    if attempt(_TROUBLE, lambda: library.delete(collection)):
        library.jobs.dismiss(library.within(collection))  # what was read into it is no news any more
