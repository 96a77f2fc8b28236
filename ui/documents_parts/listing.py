"""The files of a collection: which, how they stand, what was read from one, and away with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from knowledge.index.entries import DOCUMENT
from tools.visible import visible
from ui.app_desk import attempt
from ui.documents_html import files_html, name_of, status_of
from ui.labels import label_of
from ui.library import address_of
from ui.page_controls import page_of

if TYPE_CHECKING:
    from knowledge.index import FileEntry
    from ui.library import Library, Removed

PER_PAGE = 25  # files in the table
PASSAGES = 10  # shown at a time
MOST_OFFERED = 500  # files to choose from
DONE = "documents-removed"  # where what came of the last removal is kept
_FILE, _SURE = "documents-file", "documents-sure"


def draw(library: Library, collection: str) -> None:
    """The table of files, and a closer look at one.

    Raises:
        IndexCorrupt: the collection cannot be read.
    """
    entries = library.files(collection)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.text_input("Find a file", placeholder="part of its name", key="documents-find")
        failed = sum(bool(entry.failure) for entry in entries)
        only = st.toggle(f"Only those that cannot be read ({failed:,})", key="documents-failed") if failed else False
    found = matching(entries, wanted, failed=only)
    if not found:
        st.info("No file has this in its name.")
        return
    st.html(files_html(page_of(found, PER_PAGE, "documents-page-of-files")))
    _look(library, collection, found)


def matching(entries: Sequence[FileEntry], wanted: str, *, failed: bool = False) -> list[FileEntry]:
    """The files whose name holds all these words, in whatever case; `failed`: only those that cannot be read."""
    words = wanted.lower().split()
    known = [entry for entry in entries if entry.failure or not failed]
    return [entry for entry in known if not words or _has(entry.source, words)]


def _has(source: str, words: Sequence[str]) -> bool:
    name = f"{source} {address_of(source)}".lower()
    return all(word in name for word in words)


def _look(library: Library, collection: str, found: Sequence[FileEntry]) -> None:
    known = {entry.source: entry for entry in found[:MOST_OFFERED]}
    if st.session_state.get(_FILE) not in known:
        st.session_state.pop(_FILE, None)
    source = st.selectbox(
        "Look into a file",
        list(known),
        index=None,
        format_func=lambda each: visible(name_of(each)),
        placeholder="Choose one to see what was read from it",
        key=_FILE,
    )
    if len(found) > MOST_OFFERED:
        st.caption(f"The first {MOST_OFFERED:,} of {len(found):,} files are offered: find the others by their name.")
    if source is None:
        return
    entry = known[source]
    st.caption(label_of(status_of(entry), 300))
    if entry.passages:
        _preview(library, collection, entry)
    _remove(library, collection, source)


def _preview(library: Library, collection: str, entry: FileEntry) -> None:
    """The passages as they are indexed: what a search finds and a chat cites."""
    from ui.render import passages_html

    rows = page_of(range(entry.passages), PASSAGES, f"documents-passages-{entry.sha256[:12]}")
    st.html(passages_html(library.passages(collection, entry.source, rows[0], len(rows)), first=rows[0] + 1))


def _remove(library: Library, collection: str, source: str) -> None:
    if source.startswith(DOCUMENT):
        st.caption("A program has added this text, and can take it out again.")
        return
    if st.session_state.get(_SURE) != source:
        st.button(
            "Remove from the collection",
            key="documents-remove",
            icon=":material/delete:",
            on_click=_sure,
            args=(source,),
        )
        return
    st.write("Take this file out of the collection? Chats no longer find it. Your own file stays where it is.")
    with st.container(horizontal=True):
        st.button("Remove", key="documents-do", type="primary", on_click=_do, args=(library, collection, source))
        st.button("Keep", key="documents-keep", on_click=_sure, args=("",))


def _sure(source: str) -> None:
    st.session_state[_SURE] = source


def _do(library: Library, collection: str, source: str) -> None:
    _sure("")
    attempt(DONE, lambda: library.remove(collection, [source]), _told)


def _told(done: Removed) -> str:
    said = "Removed from the collection." + (" Ratchet's copy of it is deleted." if done.copies else "")
    if done.followed:
        said += (
            f" But it lies in {label_of(done.followed[0], 200)}, which is part of the collection: the next look for "
            "changes reads it again. Move the file out of that folder to keep it out."
        )
    return said
