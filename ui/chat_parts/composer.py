"""Where questions are written, files are added and answers are stopped.

The field stays open while an answer is given: what is sent meanwhile waits, and is asked when its turn comes. Like the
answers, it is kept by the server, so that a reload does not lose it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui.chat_parts import comparing, jobs, tab
from ui.labels import label_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ui.answering import LiveAnswer
    from ui.desk import Desk

LARGEST_UPLOAD = 200  # megabytes for each file


@dataclass(frozen=True, slots=True)
class Draft:
    """A question as it was sent.

    Attributes:
        question: may be empty where there are files.
        files: name and content of each.
        scope: the file or folder to look into; empty for all.
        adapters: the two that answer it blindly; None for one answer.
    """

    question: str
    files: Sequence[tuple[str, bytes]] = ()
    scope: str = ""
    adapters: tuple[str, str] | None = None


@st.cache_resource(show_spinner=False)
def _drafts() -> dict[str, deque[Draft]]:
    """What waits in each conversation, for all tabs."""
    return {}


def draw(desk: Desk, thread_id: str, live: LiveAnswer | None, job: jobs.Job | None) -> None:
    """The field at the foot of the page, and the stop button while there is something to stop."""
    waits = live is not None and live.status == "waiting"
    with st.bottom:
        if live is not None and not live.finished:
            _stop(live, "Stops at the next word; what was said is kept.")
        elif isinstance(job, jobs.Upload) and not job.finished:
            _stop(job, "Stops reading; what is finished is kept.")
        _waiting(thread_id)
        _narrowed(thread_id)
        st.chat_input(
            "A tool call waits for your decision above" if waits else "Ask about your documents, or add files",
            key=f"ask-{thread_id}",
            accept_file="multiple",
            max_chars=desk.settings.agent.max_question_chars,
            max_upload_size=LARGEST_UPLOAD,
            on_submit=_submit,
            args=(desk, thread_id),
        )


def _stop(work: LiveAnswer | jobs.Upload, meaning: str) -> None:
    st.button(
        "Stop",
        key="stop",
        icon=":material/stop_circle:",
        shortcut="Esc",
        disabled=work.stopping,
        on_click=work.stop,
        help=meaning,
    )


def _waiting(thread_id: str) -> None:
    """What is asked next, each with a way to take it back."""
    for number, draft in enumerate(_drafts().get(thread_id, ())):
        names = ", ".join(name for name, _ in draft.files)
        st.button(
            f"Next: {label_of(draft.question or names, 60)}",
            key=f"next-{number}-{thread_id}",
            type="tertiary",
            icon=":material/close:",
            help="Do not ask this.",
            on_click=_take_back,
            args=(thread_id, draft),
        )


def _take_back(thread_id: str, draft: Draft) -> None:
    waiting = _drafts().get(thread_id)
    if waiting and draft in waiting:
        waiting.remove(draft)


def _narrowed(thread_id: str) -> None:
    if scope := tab.scope_of(thread_id):
        st.button(
            f"Looking only into {label_of(scope, 40)}",
            key=f"widen-{thread_id}",
            type="tertiary",
            icon=":material/filter_alt_off:",
            help="Look into all documents again.",
            on_click=_widen,
            args=(thread_id,),
        )


def _widen(thread_id: str) -> None:
    st.session_state[tab.scope_key(thread_id)] = ""


def _submit(desk: Desk, thread_id: str) -> None:
    given: Any = st.session_state.get(f"ask-{thread_id}")
    if given is not None:
        question, files = str(given.text).strip(), [(file.name, file.getvalue()) for file in given.files]
        if question or files:
            ask(desk, thread_id, question, files)


def ask(desk: Desk, thread_id: str, question: str, files: Sequence[tuple[str, bytes]] = ()) -> None:
    """Ask as the person wants it: about files, blindly by two adapters, or as usual; now, or when its turn comes."""
    draft = Draft(question, files, tab.scope_of(thread_id), comparing.wanted(desk, thread_id))
    waiting = _drafts().setdefault(thread_id, deque())
    if busy(desk, thread_id):
        waiting.append(draft)
    elif not _sent(desk, thread_id, draft):
        waiting.appendleft(draft)  # the field is empty by now, and nothing that was written may be lost


def send_next(desk: Desk, thread_id: str) -> bool:
    """Ask what waits, if nothing is in its way; whether something was asked."""
    waiting = _drafts().get(thread_id)
    if not waiting or busy(desk, thread_id) or desk.live(thread_id) is not None:
        return False
    if isinstance(jobs.of(thread_id), comparing.Comparison):  # its answers have not been chosen from
        return False
    draft = waiting.popleft()
    if _sent(desk, thread_id, draft):
        return True
    waiting.appendleft(draft)
    if busy(desk, thread_id):  # another tab was quicker
        tab.forget_trouble()
    return False


def busy(desk: Desk, thread_id: str) -> bool:
    """Whether an answer is being given, or files are being read."""
    live, job = desk.live(thread_id), jobs.of(thread_id)
    return (live is not None and not live.finished) or (job is not None and not job.finished)


def forget(thread_id: str) -> None:
    """A conversation is deleted: what waits in it is not asked, and what is being read for it is stopped."""
    _drafts().pop(thread_id, None)
    job = jobs.of(thread_id)
    if isinstance(job, jobs.Upload):
        job.stop()
    jobs.put_away(thread_id)


def _sent(desk: Desk, thread_id: str, draft: Draft) -> bool:
    """Whether it could be asked; why not is shown."""

    def begin() -> None:
        where = tab.only_in(draft.scope)
        if draft.files:
            jobs.keep(thread_id, jobs.Upload(desk, thread_id, draft.question, draft.files))
        elif draft.adapters is not None:
            comparison = comparing.Comparison(desk, thread_id, draft.question, where, draft.adapters)
            jobs.keep(thread_id, comparison)
        else:
            desk.ask(thread_id, draft.question, where)
            jobs.put_away(thread_id)

    return tab.attempt(begin)
