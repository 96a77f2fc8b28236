"""Memory: what is remembered across conversations, where each came from, and away with what should not be."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from agent.memory import MAX_FACT_CHARS
from ui.app_desk import attempt, errors_shown, get_desk, show_outcome
from ui.app_library import get_library
from ui.labels import label_of, shortened
from ui.page_controls import page_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.memory import FactStore
    from agent.schema import Fact
    from ui.library import Library

PER_PAGE = 20
_DOING, _OUTCOME, _NEW = "memory-doing", "memory-outcome", "memory-new"


def page() -> None:
    """Draw the page."""
    library = get_library()
    st.title("Memory")
    st.write(
        "What you asked to be remembered, in every conversation. It is kept on this computer, shown to the model only "
        "where it bears on your question, and yours to change."
    )
    if not get_desk().settings.agent.memory:
        st.info("Remembering is switched off in the settings: what stands here is kept, but not used.")
    facts = library.facts
    _add()
    show_outcome(_OUTCOME)
    known = facts.all()
    if not known:
        _teach()
        return
    _list(known)
    st.header("Try it")
    with errors_shown():
        _recall(library, facts)


def _add() -> None:
    with st.form("memory-add", border=False):
        st.text_input("Something to remember", key=_NEW, max_chars=MAX_FACT_CHARS, placeholder="I prefer metric units")
        st.form_submit_button("Remember", type="primary", on_click=_do_add)


def _do_add() -> None:
    text = str(st.session_state.get(_NEW, ""))
    if attempt(_OUTCOME, lambda: get_library().facts.add(text), "Remembered."):
        st.session_state[_NEW] = ""


def _list(known: Sequence[Fact]) -> None:
    """The facts, the latest first, those that hold the words looked for."""
    words = st.text_input("Find", key="memory-find").lower().split() if len(known) > 5 else []
    found = [fact for fact in reversed(known) if all(word in fact.text.lower() for word in words)]
    if not found:
        st.info("Nothing that is remembered has these words.")
        return
    for fact in page_of(found, PER_PAGE, "memory-page"):
        with st.container(border=True, key=f"memory-fact-{fact.fact_id}"):
            _fact(fact)


def _fact(fact: Fact) -> None:
    from ui.render import question_html

    doing = st.session_state.get(_DOING)
    if doing == ("edit", fact.fact_id):
        _edit(fact)
        return
    st.html(question_html(fact.text))
    st.caption(origin_of(fact))
    if doing == ("forget", fact.fact_id):
        st.write("Forget this for good?")
        with st.container(horizontal=True):
            st.button("Forget it", key=f"memory-sure-{fact.fact_id}", on_click=_do_forget, args=(fact.fact_id,))
            st.button("Keep it", key=f"memory-keep-{fact.fact_id}", on_click=_do)
        return
    about = shortened(" ".join(fact.text.split()), 40)
    with st.container(horizontal=True):
        for doing, title, icon in (("edit", "Edit", "edit"), ("forget", "Forget", "delete")):
            st.button(
                title,
                key=f"memory-{doing}-{fact.fact_id}",
                help=label_of(f"{title}: {about}"),
                icon=f":material/{icon}:",
                type="tertiary",
                on_click=_do,
                args=(doing, fact.fact_id),
            )


def origin_of(fact: Fact) -> str:
    """When it was kept and whose words it may be, as Markdown."""
    try:
        day = f"{datetime.fromisoformat(fact.created_at).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        day = ""
    if not fact.sources:
        return f"Your own words · {day}".rstrip(" ·")
    more = f" and {len(fact.sources) - 3} more" if len(fact.sources) > 3 else ""
    named = ", ".join(label_of(source, 120) for source in fact.sources[:3])
    return f"Kept by the model after it had read {named}{more} · {day}. Edit it to make it your own words."


def _edit(fact: Fact) -> None:
    key = f"memory-text-{fact.fact_id}"
    with st.form(f"memory-edit-{fact.fact_id}-form", border=False):
        st.text_area("What to remember instead", value=fact.text, key=key, max_chars=MAX_FACT_CHARS)
        with st.container(horizontal=True):
            st.form_submit_button("Save", on_click=_do_edit, args=(fact.fact_id, key))
            st.form_submit_button("Cancel", on_click=_do)


def _do(doing: str = "", fact_id: str = "") -> None:
    st.session_state[_DOING] = (doing, fact_id)


def _do_edit(fact_id: str, key: str) -> None:
    text = str(st.session_state.get(key, ""))
    if attempt(_OUTCOME, lambda: get_library().facts.edit(fact_id, text), "Changed."):
        _do()


def _do_forget(fact_id: str) -> None:
    _do()
    attempt(_OUTCOME, lambda: get_library().facts.delete(fact_id), "Forgotten, and removed from the disk.")


def _recall(library: Library, facts: FactStore) -> None:
    """Which facts the model would be shown for a question."""
    from ui.render import question_html

    with st.form("memory-recall", border=False):
        question = st.text_input("A question", key="memory-question", placeholder="How far is it to the coast?").strip()
        st.form_submit_button("Which would be used?", icon=":material/search:")
    if not question:
        st.caption("See which of these the model would be shown for a question.")
        return
    found = facts.relevant(library.embedder.query_vector(question), question)
    st.write("The model would be shown:" if found else "The model would be shown none of these.")
    for fact in found:
        st.html(question_html(f"• {fact.text}"))


def _teach() -> None:
    st.html(
        '<div class="r-welcome"><h2>Nothing is remembered yet</h2>'
        "<p>Write something above, or say it in a chat: <q>Remember that our staging server is called heron.</q></p>"
        "<p>Good things to remember are how you like your answers, names that come up again, and what never changes. "
        "Longer texts belong among the documents.</p></div>"
    )
