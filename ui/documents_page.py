"""Documents: collections, what is in them, how it got there, and what a search finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui.app_desk import attempt, errors_shown, show_error, show_outcome
from ui.app_library import get_library
from ui.documents_parts import adding, listing, progress, trying, upkeep

if TYPE_CHECKING:
    from knowledge.index import CollectionFacts
    from ui.library import Library

COLLECTION = "documents-collection"  # key of the collection that is looked at
NEW = "documents-new"  # key of a collection that is begun
_NAME, _TROUBLE = "documents-begin-name", "documents-begin-trouble"


def page() -> None:
    """Draw the page."""
    library = get_library()
    st.title("Documents")
    st.write(
        "Chats answer from these documents and cite their exact lines. Everything is read and kept on this computer."
    )
    facts = _choose(library)
    if facts.problem:
        _problem(library, facts)
        return
    _summary(library, facts)
    progress.draw(library, facts.name)
    show_outcome(listing.DONE)
    if not facts.files:
        _teach()
    st.header("Add documents")
    adding.draw(library, facts.name)
    if facts.files:
        st.header("Files")
        with errors_shown():
            listing.draw(library, facts.name)
        st.header("Try a search")
        with errors_shown():
            trying.draw(library, facts.name)
        st.header("Upkeep")
        upkeep.draw(library, facts.name)


def _choose(library: Library) -> CollectionFacts:
    """The collection to look at; one that is begun exists only from its first document on."""
    from knowledge.index import CollectionFacts

    known = {facts.name: facts for facts in library.collections()}
    begun = str(st.session_state.get(NEW, ""))
    if begun and begun not in known:
        known[begun] = CollectionFacts(begun)
    if st.session_state.get(COLLECTION) not in known:
        st.session_state.pop(COLLECTION, None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Collection", list(known), key=COLLECTION, help="Documents that are searched together.")
        with st.popover("New collection", icon=":material/create_new_folder:"):
            _new(library)
    show_outcome(_TROUBLE)
    if name != library.settings.knowledge.collection:
        st.caption("Chats answer from another collection. Choose this one for them on the page Settings.")
    return known[name]


def _new(library: Library) -> None:
    with st.form("documents-begin", border=False):
        st.text_input("Name", placeholder="work", help="Letters, digits, - and _.", key=_NAME)
        st.form_submit_button("Begin it", on_click=_begin, args=(library,))


def _begin(library: Library) -> None:
    name = str(st.session_state.get(_NAME, "")).strip()
    if attempt(_TROUBLE, lambda: library.within(name)):
        st.session_state.update({NEW: name, COLLECTION: name, _NAME: ""})


def _problem(library: Library, facts: CollectionFacts) -> None:
    """A collection that cannot be read: why, and how to make it anew."""
    from knowledge.errors import IndexCorrupt

    show_error(IndexCorrupt(facts.problem))
    progress.draw(library, facts.name)
    st.caption("Reading everything anew takes what it can from the folders and files that were added before.")
    upkeep.mend(library, facts.name)


def _summary(library: Library, facts: CollectionFacts) -> None:
    from ui.documents_html import size_of

    if not facts.files:
        return
    with st.container(horizontal=True):
        st.metric("Files", f"{facts.files:,}")
        st.metric("Passages", f"{facts.passages:,}", help="Pieces of a few sentences: what is found and cited.")
        st.metric("On the disk", size_of(facts.bytes))


def _teach() -> None:
    st.html(
        '<div class="r-welcome"><h2>Nothing is here yet</h2>'
        "<p>Add a few files, a folder or a web page below. Each is split into passages of a few sentences, which can "
        "then be found by what they mean and by their words.</p>"
        "<p>When that is done, ask about them on the page <strong>Chat</strong>; every answer shows the lines that it "
        "rests on. Files of yours stay where they are and are never changed.</p></div>"
    )
