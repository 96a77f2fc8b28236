"""A search without a model: what each way of searching finds, and what a chat would be given."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import streamlit as st

from ui.documents_html import ranks_html
from ui.labels import label_of

if TYPE_CHECKING:
    from ui.library import Library
    from ui.search_ranks import SearchRanks

_QUERY = "documents-query"
ORDERS = {"fused": "Together", "meaning": "Meaning", "words": "Words"}


def draw(library: Library, collection: str) -> None:
    """A field for a query, and where each passage stands.

    Raises:
        KnowledgeError: the collection cannot be searched.
    """
    with st.form("documents-try", border=False):
        query = st.text_input("Question or key words", key=_QUERY, placeholder="How often is the filter rinsed?")
        st.form_submit_button("Search", icon=":material/search:")
    if not query.strip():
        st.caption(
            "See why a passage is found, or is not: by likeness of meaning, by the words it shares with the question, "
            "and by both together, as a chat searches."
        )
        return
    with st.spinner("Searching"):
        ranks = library.search_ranks(collection, query)
    st.markdown(verdict(ranks))
    if not ranks.standings:
        return
    order = st.segmented_control(
        "Order by", list(ORDERS), format_func=ORDERS.__getitem__, default="fused", key="documents-order"
    )
    st.html(ranks_html(ranks, ranks.ordered(attrgetter(order or "fused"))))
    st.caption("Place in each ranking, with its score: cosine of the meaning, BM25 of the words, and their sum.")


def verdict(ranks: SearchRanks) -> str:
    """What a chat would make of the search, as Markdown."""
    if not ranks.standings:
        return "Nothing was found."
    words = ", ".join(label_of(term) for term in ranks.terms) or "none"
    given = sum(each.shown for each in ranks.standings)
    told = (
        f"**A chat would answer from {given} of these.**"
        if ranks.relevant
        else "**A chat would say that the documents do not answer this.**"
    )
    return f"{told} How sure: {ranks.confidence:.0%}. Words searched for: {words}. Took {ranks.seconds * 1000:.0f} ms."
