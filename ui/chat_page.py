"""The chat: a conversation, and the answer that is being given in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

import streamlit as st

from ui.app_desk import get_desk, get_records, show_error
from ui.chat_parts import approval_cards, comparing, composer, jobs, messages, options, streaming, tab
from ui.labels import label_of

if TYPE_CHECKING:
    from ui.answering import LiveAnswer
    from ui.desk import Desk, ThreadView


LOOK_AGAIN = 3.0  # seconds between two looks at what other tabs do


def page() -> None:
    """Draw the page. What takes time comes last, since a click ends it and nothing below it would be drawn."""
    desk = get_desk()
    thread_id = tab.current_thread(desk)
    drawn = _standing(desk, thread_id)
    view = opened(desk, thread_id)
    if composer.send_next(desk, thread_id):
        view = desk.view(thread_id)
    job = jobs.of(thread_id)
    blind = isinstance(job, comparing.Comparison) and job.error is None
    composer.draw(desk, thread_id, view.live, job)
    options.head(desk, thread_id, view.turns, title_of(thread_id, view))
    if not view.turns and view.live is None and job is None:
        welcome(desk, thread_id)
    shown = view.turns[: job.turns_before] if isinstance(job, comparing.Comparison) and blind else view.turns
    messages.draw(desk, thread_id, shown, busy=blind or composer.busy(desk, thread_id))
    tab.show_trouble()
    if view.live is not None:
        _live(desk, view.live, blind=blind)
    elif job is not None:
        _job(thread_id, job)
    _warm(desk, thread_id)
    _watch(desk, thread_id, drawn)


def opened(desk: Desk, thread_id: str) -> ThreadView:
    """The conversation as it stands; what a restart, or new settings, cut off goes on when it is opened next."""
    view = desk.view(thread_id)
    seen = st.session_state.setdefault("seen-threads", WeakKeyDictionary()).setdefault(desk, set())
    if thread_id not in seen:
        seen.add(thread_id)
        if view.live is None and tab.attempt(lambda: desk.resume(thread_id)):
            view = desk.view(thread_id)
    return view


def title_of(thread_id: str, view: ThreadView) -> str:
    """The title of a conversation: the one it was given, else the first words of its first question."""
    from agent.records import title_of as first_words

    summary = get_records().thread(thread_id)
    if summary is not None and summary.title:
        return summary.title
    asked = view.turns[0].question if view.turns else view.live.question if view.live else ""
    return first_words(asked) or "New conversation"


def _live(desk: Desk, live: LiveAnswer, *, blind: bool) -> None:
    """The answer that is not among the turns: in progress, waiting for a decision, or failed.

    `blind`: two are to be chosen from, so that nothing of it is shown before they are there.
    """
    from ui.render import steps_html, streaming_html

    messages.question(live.question)
    with st.chat_message("assistant"):
        if not live.finished:
            streaming.follow(live, blind=blind)
        parts = [steps_html(live.steps) if live.steps else "", streaming_html(live.text) if live.text else ""]
        if shown := "".join(parts):
            st.html(shown)
        if live.status == "waiting":
            if not approval_cards.draw(desk, live.thread_id):
                _go_on(desk, live, "Go on")
        elif live.failed is not None:
            _failed(desk, live)


def _failed(desk: Desk, live: LiveAnswer) -> None:
    from ui.render import error_html

    failed = live.failed
    if failed is not None:
        st.html(error_html(failed.what, failed.kept, failed.fix))
    _go_on(desk, live, "Try again")


def _go_on(desk: Desk, live: LiveAnswer, label: str) -> None:
    st.button(
        label,
        key=f"retry-{live.thread_id}",
        icon=":material/refresh:",
        on_click=tab.do,
        args=(lambda: desk.resume(live.thread_id),),
    )


def _job(thread_id: str, job: jobs.Job) -> None:
    """Files that are or were read, or two answers to choose from."""
    if isinstance(job, comparing.Comparison) and job.error is None:
        comparing.choice(job)
        return
    if isinstance(job, jobs.Upload) and job.error is None:
        if not job.finished:
            jobs.follow(job)
        st.html(job.said_html())
    elif job.error is not None:
        if isinstance(job, jobs.Upload) and job.question:
            messages.question(job.question)  # it was not asked, and should not be lost
        show_error(job.error)
    st.button("Close", key=f"put-away-{thread_id}", on_click=jobs.put_away, args=(thread_id,))


def welcome(desk: Desk, thread_id: str) -> None:
    """What an empty conversation begins with: questions that the documents can answer, or how to add some."""
    suggested: Sequence[str] = desk.suggestions(4)
    if not suggested:
        st.html(
            '<div class="r-welcome"><h2>Ask about your own documents</h2>'
            "<p>There are none yet. Add files with the button in the field below, or a whole folder or a web page on "
            "the page <strong>Documents</strong>. Everything stays on this machine.</p>"
            "<p>You can also just ask: for a calculation, or to remember something.</p></div>"
        )
        return
    st.html(
        '<div class="r-welcome"><h2>Ask about your documents</h2>'
        "<p>Every answer shows the exact lines that it rests on. For a start:</p></div>"
    )
    for number, question in enumerate(suggested):
        st.button(
            label_of(question, 120),
            key=f"suggested-{number}",
            width="stretch",
            on_click=composer.ask,
            args=(desk, thread_id, question, []),
        )


def _standing(desk: Desk, thread_id: str) -> tuple[object, ...]:
    """What of a page can change by itself: another tab or the command line goes on, or other models are found."""
    summary, job = get_records().thread(thread_id), jobs.of(thread_id)
    models = tuple(desk.models(patience=0))
    return desk.statuses().get(thread_id), summary, id(job), job is not None and job.finished, models


@st.fragment(run_every=LOOK_AGAIN)
def _watch(desk: Desk, thread_id: str, drawn: tuple[object, ...]) -> None:
    """Draw the page anew when the conversation has gone on elsewhere."""
    if _standing(desk, thread_id) != drawn:
        st.rerun()


@st.cache_resource(show_spinner=False)
def _warmed() -> WeakSet[Desk]:
    return WeakSet()


def _warm(desk: Desk, thread_id: str) -> None:
    """Load the model when the first page of a desk stands, so that the first answer need not wait for it."""
    if desk not in _warmed():
        _warmed().add(desk)
        desk.session(thread_id).warm()
