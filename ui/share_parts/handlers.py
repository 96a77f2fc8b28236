"""What the clicks of the shared chat do. Each handler answers at once; only `follow` waits for a model."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from agent.errors import RatchetError
from ui.render import error_html
from ui.share_parts.confined import LONGEST_QUESTION
from ui.share_parts.host import PATIENCE, Host
from ui.share_parts.limits import MOST_KEYS
from ui.share_parts.outward import three_sentences
from ui.share_parts.transcript import exports_html, live_html, opening_html, transcript_html
from ui.share_parts.visitors import VisitorDesk

if TYPE_CHECKING:
    from ui.share_parts.page import Widgets

Updates = dict[Any, Any]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Opened:
    """What a page shows: a conversation, and whether the answer last shown in it was unfinished."""

    thread: str
    unfinished: bool = False


class Handlers:
    """One method for each click: values of the page in, what is to change on it out."""

    def __init__(self, host: Host, widgets: Widgets) -> None:
        self._host, self._show = host, widgets
        self._opened: OrderedDict[str, _Opened] = OrderedDict()

    def enter(self, thread: str, editing: str, correcting: str, request: gr.Request) -> Updates:
        """The page was loaded: go on where this visitor was last."""
        desk = self._host.desk(request)
        known = desk.threads()
        return self._attempt(lambda: self._open(desk, known[0].thread_id if known else "", request))

    def open(self, thread: str, editing: str, correcting: str, chosen: str, request: gr.Request) -> Updates:
        """Another conversation was chosen."""
        return self._attempt(lambda: self._open(self._host.desk(request), str(chosen or ""), request))

    def new(self, thread: str, editing: str, correcting: str, request: gr.Request) -> Updates:
        """Begin a new conversation; it is kept from its first question on."""
        return self._open(self._host.desk(request), "", request)

    def ask(self, thread: str, editing: str, correcting: str, question: str, request: gr.Request) -> Updates:
        """A question was sent, or an earlier one in other words."""
        desk = self._host.desk(request)
        return self._attempt(lambda: self._ask(desk, (thread, editing), str(question or ""), request))

    def act(self, thread: str, editing: str, correcting: str, event: gr.EventData, request: gr.Request) -> Updates:
        """A button in the transcript was clicked."""
        desk, told = self._host.desk(request), _told(event)
        what, turn, text = (told.get(name, "") for name in ("what", "turn", "text"))
        return self._attempt(lambda: self._act(desk, thread, (what, turn, text), request))

    def stop(self, thread: str, editing: str, correcting: str, request: gr.Request) -> Updates:
        """Stop the answer; what was said stays."""
        desk = self._host.desk(request)

        def stop() -> Updates:
            desk.stop(thread)
            return {}

        return self._attempt(stop)

    def correct(self, thread: str, editing: str, correcting: str, text: str, request: gr.Request) -> Updates:
        """A better answer was written."""
        desk, text = self._host.desk(request), str(text or "").strip()[: 5 * LONGEST_QUESTION]

        def save() -> Updates:
            if not text:
                return self._say("Write what the answer should have been, or choose “Not now”.")
            desk.feedback(thread, correcting, -1, text)
            return self._corrected("Thank you. Your answer was passed on.")

        return self._attempt(save)

    def drop_correction(self, thread: str, editing: str, correcting: str) -> Updates:
        """No better answer is given."""
        return self._corrected("")

    def rename(self, thread: str, editing: str, correcting: str, title: str, request: gr.Request) -> Updates:
        """Give the conversation another title."""
        desk = self._host.desk(request)

        def rename() -> Updates:
            desk.rename(thread, str(title or ""))
            return {self._show.threads: self._listed(desk, thread), **self._say("Renamed.")}

        return self._attempt(rename)

    def ask_whether(self, thread: str, editing: str, correcting: str) -> Updates:
        """Before a conversation is deleted."""
        return {self._show.really_box: gr.update(visible=bool(thread))}

    def keep(self, thread: str, editing: str, correcting: str) -> Updates:
        """It is not deleted after all."""
        return {self._show.really_box: gr.update(visible=False)}

    def delete(self, thread: str, editing: str, correcting: str, request: gr.Request) -> Updates:
        """Delete the conversation for good."""
        desk = self._host.desk(request)

        def delete() -> Updates:
            desk.delete(thread)
            return self._open(desk, "", request) | self._say("The conversation was deleted.")

        return self._attempt(delete)

    def export(self, thread: str, editing: str, correcting: str, request: gr.Request) -> Updates:
        """Make links that hold a copy of the conversation."""
        desk = self._host.desk(request)
        return self._attempt(lambda: {self._show.exports: exports_html(desk.view(thread).turns if thread else [])})

    def follow(self, thread: str, editing: str, correcting: str, request: gr.Request) -> Iterator[Updates]:
        """Show the answer in progress as it comes, until it is finished or the page shows something else."""
        show, desk = self._show, self._host.desk(request)
        opened = self._opened.get(str(request.session_hash))
        if opened is None or opened.thread != thread or not opened.unfinished:
            yield {show.thread: thread}  # a click that began no answer
            return
        try:
            with self._host.watching(desk) as allowed:
                if not allowed:
                    yield self._say("You watch too many answers at once. Close another tab, then load this page again.")
                    return
                live = desk.view(thread).live
                while live is not None and not live.finished:
                    version = live.version
                    yield {show.live: live_html(live)}
                    live.wait(version, PATIENCE)
                    if self._opened.get(str(request.session_hash)) is not opened:
                        return
            opened.unfinished = False
            yield self._finished(desk, thread)
        except RatchetError as error:
            yield self._trouble(error)

    def _ask(self, desk: VisitorDesk, where: tuple[str, str], question: str, request: gr.Request) -> Updates:
        thread, editing = where
        if not question.strip():
            return self._say("Write a question first.")
        if wait := self._host.too_soon(desk):
            return {self._show.notice: _too_soon(wait)}
        live = desk.fork(thread, editing, question) if editing else desk.ask(thread, question)
        return self._open(desk, live.thread_id, request) | {self._show.question: "", self._show.notice: ""}

    def _act(self, desk: VisitorDesk, thread: str, what: tuple[str, str, str], request: gr.Request) -> Updates:
        act, turn, text = what
        if act == "ask":
            return self._ask(desk, (thread, ""), text, request)
        if act == "again":
            if wait := self._host.too_soon(desk):
                return {self._show.notice: _too_soon(wait)}
            desk.regenerate(thread)
            return self._open(desk, thread, request)
        if act == "edit":
            question = desk.turn(thread, turn).question
            said = self._say("Change the question and send it. The conversation so far stays as it is.")
            return {self._show.editing: turn, self._show.question: question, **said}
        return self._judge(desk, thread, what)

    def _judge(self, desk: VisitorDesk, thread: str, what: tuple[str, str, str]) -> Updates:
        act, turn, text = what
        if act == "up":
            desk.feedback(thread, turn, 1)
            return self._say("Thank you. Your judgement was passed on.")
        if act == "flag":
            desk.feedback(thread, turn, -1, comment=f"wrong citation [{int(text)}]" if text.isdecimal() else "")
            return self._say("Thank you. The source was marked as wrong.")
        if act == "down":
            desk.feedback(thread, turn, -1)
            show = self._show
            return {
                show.correcting: turn,
                show.correction: "",
                show.correction_box: gr.update(visible=True),
                **self._say("Thank you. If you know the right answer, write it below."),
            }
        return {}

    def _open(self, desk: VisitorDesk, thread: str, request: gr.Request) -> Updates:
        """Everything of a conversation, or of one that has not begun."""
        show = self._show
        opened = self._opened[str(request.session_hash)] = _Opened(thread)
        if len(self._opened) > MOST_KEYS:
            self._opened.popitem(last=False)
        if not thread:
            opening = opening_html(desk.suggestions())
            return self._closed() | {
                show.transcript: opening,
                show.live: "",
                show.threads: self._listed(desk, ""),
                show.stop: gr.update(visible=False),
                show.thread: "",
                show.title: "",
            }
        live = desk.view(thread).live or desk.resume(thread)
        opened.unfinished = going = live is not None and not live.finished
        view = desk.view(thread)  # only now, or an answer that ends meanwhile is never shown
        listed = {known.thread_id: known.title for known in desk.threads()}
        return self._closed() | {
            show.transcript: transcript_html(view.turns),
            show.live: live_html(view.live) if view.live is not None else "",
            show.threads: self._listed(desk, thread),
            show.stop: gr.update(visible=going),
            show.thread: thread,
            show.title: listed.get(thread, ""),
        }

    def _finished(self, desk: VisitorDesk, thread: str) -> Updates:
        view = desk.view(thread)
        return {
            self._show.transcript: transcript_html(view.turns),
            self._show.live: live_html(view.live) if view.live is not None else "",
            self._show.threads: self._listed(desk, thread),
            self._show.stop: gr.update(visible=False),
        }

    def _closed(self) -> Updates:
        """Nothing half done is carried over into another conversation."""
        show = self._show
        closed: Updates = {show.editing: "", show.correcting: "", show.notice: "", show.exports: ""}
        return closed | {show.correction_box: gr.update(visible=False), show.really_box: gr.update(visible=False)}

    def _corrected(self, said: str) -> Updates:
        show = self._show
        box = {show.correction_box: gr.update(visible=False), show.correcting: "", show.correction: ""}
        return box | self._say(said)

    def _listed(self, desk: VisitorDesk, thread: str) -> Any:
        choices = [(known.title or "Untitled", known.thread_id) for known in desk.threads()]
        chosen = thread if any(value == thread for _, value in choices) else None
        return gr.update(choices=choices, value=chosen)

    def _say(self, text: str) -> Updates:
        return {self._show.notice: f'<p class="s-status" role="status">{text}</p>' if text else ""}

    def _attempt(self, do: Callable[[], Updates]) -> Updates:
        try:
            return do() or {self._show.notice: ""}
        except RatchetError as error:
            return self._trouble(error)

    def _trouble(self, error: RatchetError) -> Updates:
        _log.warning("A visitor met: %s", error.what)
        return {self._show.notice: error_html(*three_sentences(error))}


def _too_soon(seconds: float) -> str:
    wait = f"Wait {max(1, round(seconds))} seconds, then send it again."
    return error_html("That was a lot of questions in a short time.", "Your question was not asked yet.", wait)


def _told(event: gr.EventData) -> dict[str, str]:
    """What the button said; anything can be sent in its place."""
    data = event._data
    if not isinstance(data, dict):
        return {}
    return {str(key): value[:LONGEST_QUESTION] for key, value in data.items() if isinstance(value, str)}
