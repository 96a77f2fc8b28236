"""The conversations: new, search, open, rename, delete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from ui.chat_parts import composer, tab
from ui.labels import label_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamlit.navigation.page import Page

    from agent.records import ThreadSummary
    from ui.desk import Desk

LISTED = 30  # conversations shown before one asks for more
_BUSY = ":material/hourglass_top:"
_SIGNS = {
    "queued": _BUSY,
    "retrieving": _BUSY,
    "answering": _BUSY,
    "waiting": ":material/front_hand:",
    "failed": ":material/error:",
}


def list_pages(groups: Mapping[str, Sequence[Page]]) -> None:
    """The pages by group, each a link."""
    with st.sidebar, st.container(gap=None, key="pages"):
        for group, pages in groups.items():
            if group:
                st.caption(group)
            for page in pages:
                st.page_link(page)


def draw(desk: Desk, chat: Page, shown: Page) -> None:
    """The sidebar of every page.

    Args:
        desk: whose conversations.
        chat: the page that a conversation opens on.
        shown: the page that is being drawn.
    """
    with st.sidebar:
        st.html('<p class="w-list">Conversations</p>')
        if st.button("New chat", icon=":material/add:", width="stretch", key="new-chat"):
            _go(desk.new_thread(), chat, shown)
        search = st.text_input(
            "Search conversations",
            key="search-threads",
            placeholder="Search conversations",
            icon=":material/search:",
            label_visibility="collapsed",
        )
        if shown.url_path != chat.url_path:  # the chat shows it where the eyes are
            tab.show_trouble()
        found = desk.threads(search)
        if not found:
            st.caption("No conversation has these words." if search else "Your conversations will be listed here.")
            return
        with st.container(gap=None, key="conversations"):
            _list(desk, found, chat, shown)


def _list(desk: Desk, found: list[ThreadSummary], chat: Page, shown: Page) -> None:
    most = int(st.session_state.get("threads-listed", LISTED))
    current = st.query_params.get(tab.PARAMETER, "") or str(st.session_state.get("thread", ""))
    day, statuses = "", desk.statuses()
    for thread in found[:most]:
        if (then := _day(thread.updated_at)) != day:
            day = then
            st.caption(day)
        if st.button(
            label_of(thread.title, 60),
            key=f"open-{thread.thread_id}",
            type="secondary" if thread.thread_id == current else "tertiary",
            icon=_SIGNS.get(statuses.get(thread.thread_id, "")),
            width="stretch",
            wrap=False,
        ):
            _go(thread.thread_id, chat, shown)
        if thread.thread_id == current:
            _actions(desk, thread)
    if len(found) > most:
        st.button(f"Show {len(found) - most} more", key="more-threads", on_click=_show_more, args=(most,))


def _show_more(most: int) -> None:
    st.session_state["threads-listed"] = most + 3 * LISTED


def _go(thread_id: str, chat: Page, shown: Page) -> None:
    tab.open_thread(thread_id)
    if shown.url_path != chat.url_path:
        st.switch_page(chat, query_params={tab.PARAMETER: thread_id})
    st.rerun()


def _day(updated_at: str) -> str:
    """The day of a time, as people say it."""
    try:
        then = datetime.fromisoformat(updated_at).astimezone()
    except ValueError:
        return "Earlier"
    days = (datetime.now(UTC).astimezone().date() - then.date()).days
    if days <= 0:
        return "Today"
    return "Yesterday" if days == 1 else "Earlier this week" if days < 7 else "Earlier"


def _actions(desk: Desk, thread: ThreadSummary) -> None:
    """Rename and delete, for the conversation that is open."""
    thread_id = thread.thread_id
    doing = st.session_state.get("thread-action")
    if doing == ("rename", thread_id):
        _rename_form(desk, thread)
    elif doing == ("delete", thread_id):
        st.write("Delete this conversation, its feedback and its citations for good?")
        with st.container(horizontal=True):
            st.button("Delete for good", key=f"sure-{thread_id}", on_click=_delete, args=(desk, thread_id))
            st.button("Keep", key=f"keep-{thread_id}", on_click=_do, args=("", ""))
    else:
        with st.container(horizontal=True):
            st.button(
                "Rename",
                key=f"rename-{thread_id}",
                type="tertiary",
                icon=":material/edit:",
                on_click=_do,
                args=("rename", thread_id),
            )
            st.button(
                "Delete",
                key=f"delete-{thread_id}",
                type="tertiary",
                icon=":material/delete:",
                on_click=_do,
                args=("delete", thread_id),
            )


def _do(action: str, thread_id: str) -> None:
    st.session_state["thread-action"] = (action, thread_id)


def _rename_form(desk: Desk, thread: ThreadSummary) -> None:
    key = f"title-{thread.thread_id}"
    with st.form(f"rename-form-{thread.thread_id}", border=False):
        st.text_input("Title", value=thread.title, key=key, max_chars=60)
        with st.container(horizontal=True):
            st.form_submit_button("Save", on_click=_rename, args=(desk, thread.thread_id, key))
            st.form_submit_button("Cancel", on_click=_do, args=("", ""))


def _rename(desk: Desk, thread_id: str, key: str) -> None:
    title = str(st.session_state.get(key, ""))
    if tab.attempt(lambda: desk.rename(thread_id, title)):
        _do("", "")


def _delete(desk: Desk, thread_id: str) -> None:
    _do("", "")
    if tab.attempt(lambda: desk.delete(thread_id)):
        composer.forget(thread_id)
        if st.session_state.get("thread") == thread_id:
            tab.open_thread(desk.new_thread())
