"""What the clicks of the shared chat do. Each handler answers at once; `ui.share_parts.following` waits for models."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import gradio as gr

from agent.errors import RatchetError
from ui.render import error_html
from ui.share_parts.confined import LONGEST_CORRECTION
from ui.share_parts.host import Host
from ui.share_parts.limits import MOST_KEYS
from ui.share_parts.outward import three_sentences
from ui.share_parts.transcript import exports_html, followed_html, live_html, opening_html, transcript_html
from ui.share_parts.visitors import VisitorDesk

if TYPE_CHECKING:
    from ui.answering import LiveAnswer
    from ui.share_parts.page import Widgets

Updates = dict[Any, Any]

LIST_LABEL = "Your conversations"
LONGEST_SEARCH = 200  # characters; the page takes no more

_log = logging.getLogger(__name__)


P = ParamSpec("P")


@dataclass(slots=True)
class _Opened:
    """What a page shows.

    Attributes:
        thread: the conversation.
        live: the answer in it that is being followed.
        search: words by which the list of conversations is narrowed.
    """

    thread: str
    live: LiveAnswer | None = None
    search: str = ""


def _told_of_trouble(
    handler: Callable[Concatenate[Handlers, P], Updates],
) -> Callable[Concatenate[Handlers, P], Updates]:
    """The handler, which says on the page what went wrong, and takes back what was said before when all went well."""

    @wraps(handler)
    def handle(self: Handlers, /, *args: P.args, **kwargs: P.kwargs) -> Updates:
        try:
            return handler(self, *args, **kwargs) or self._say("")
        except RatchetError as error:
            return self._trouble(error)

    return handle


class Handlers:
    """One method for each click: values of the page in, what is to change on it out."""

    def __init__(self, host: Host, widgets: Widgets) -> None:
        self._host, self._show = host, widgets
        self._opened: OrderedDict[str, _Opened] = OrderedDict()

    @_told_of_trouble
    def enter(self, thread: str, editing: str, correcting: str, request: gr.Request) -> Updates:
        """The page was loaded: go on where this visitor was last, or where he has begun while it was."""
        desk = self._host.desk(request)
        known = desk.threads()
        opened = self._opened.get(str(request.session_hash))
        begun = opened.thread if opened is not None else ""
        return self._open(desk, begun or (known[0].thread_id if known else ""), request)

    @_told_of_trouble
    def open(self, thread: str, editing: str, correcting: str, chosen: str, request: gr.Request) -> Updates:
        """Another conversation was chosen."""
        return self._open(self._host.desk(request), str(chosen or ""), request)

    @_told_of_trouble
    def search(self, thread: str, editing: str, correcting: str, words: str, request: gr.Request) -> Updates:
        """Words to find conversations by were typed."""
        words, opened = str(words or "")[:LONGEST_SEARCH], self._opened.get(str(request.session_hash))
        if opened is not None:
            opened.search = words
        return {self._show.threads: self._listed(self._host.desk(request), thread, words)}

    @_told_of_trouble
    def new(self, thread: str, editing: str, correcting: str, request: gr.Request) -> Updates:
        """Begin a new conversation; it is kept from its first question on."""
        return self._open(self._host.desk(request), "", request)

    @_told_of_trouble
    def ask(self, thread: str, editing: str, correcting: str, question: str, request: gr.Request) -> Updates:
        """A question was sent, or an earlier one in other words."""
        return self._ask(self._host.desk(request), (thread, editing), str(question or ""), request)

    @_told_of_trouble
    def act(self, thread: str, editing: str, correcting: str, event: gr.EventData, request: gr.Request) -> Updates:
        """A button in the transcript was clicked."""
        told = _told(event)
        what, turn, text = (told.get(name, "") for name in ("what", "turn", "text"))
        return self._act(self._host.desk(request), thread, (what, turn, text), request)

    @_told_of_trouble
    def stop(self, thread: str, editing: str, correcting: str, request: gr.Request) -> Updates:
        """Stop the answer; what was said stays."""
        self._host.desk(request).stop(thread)
        return {}

    @_told_of_trouble
    def correct(self, thread: str, editing: str, correcting: str, text: str, request: gr.Request) -> Updates:
        """A better answer was written."""
        text = str(text or "").strip()
        if not text:
            return self._say("Write what the answer should have been, or choose “Not now”.")
        if len(text) > LONGEST_CORRECTION:
            return self._say(f"At most {LONGEST_CORRECTION:,} characters can be passed on. Make it shorter.")
        desk = self._host.desk(request)
        self._host.count_judgement(desk)
        desk.feedback(thread, correcting, -1, text)
        return self._corrected("Thank you. Your answer was passed on.")

    def drop_correction(self, thread: str, editing: str, correcting: str) -> Updates:
        """No better answer is given."""
        return self._corrected("")

    @_told_of_trouble
    def rename(self, thread: str, editing: str, correcting: str, title: str, request: gr.Request) -> Updates:
        """Give the conversation another title."""
        desk = self._host.desk(request)
        desk.rename(thread, str(title or ""))
        return {self._show.threads: self._listed(desk, thread, self._searched(request)), **self._say("Renamed.")}

    def ask_whether(self, thread: str, editing: str, correcting: str) -> Updates:
        """Before a conversation is deleted."""
        return {self._show.really_box: gr.update(visible=bool(thread))}

    def keep(self, thread: str, editing: str, correcting: str) -> Updates:
        """It is not deleted after all."""
        return {self._show.really_box: gr.update(visible=False)}

    @_told_of_trouble
    def delete(self, thread: str, editing: str, correcting: str, request: gr.Request) -> Updates:
        """Delete the conversation for good."""
        desk = self._host.desk(request)
        desk.delete(thread)
        return self._open(desk, "", request) | self._say("The conversation was deleted.")

    @_told_of_trouble
    def export(self, thread: str, editing: str, correcting: str, request: gr.Request) -> Updates:
        """Make links that hold a copy of the conversation."""
        return {self._show.exports: exports_html(self._host.desk(request).view(thread).turns if thread else [])}

    @_told_of_trouble
    def settle(self, thread: str, editing: str, correcting: str, request: gr.Request) -> Updates:
        """Show everything of the conversation whose answer the page has followed; or follow it again, if it goes on."""
        session = str(request.session_hash)
        opened = self._opened.get(session)
        nothing: Updates = {self._show.thread: gr.skip()}  # what was said on the page before stays
        if opened is None or opened.live is None or thread not in ("", opened.thread):
            return nothing  # the page shows something else by now
        if not opened.live.finished:
            return {self._show.live: followed_html(opened.live)}
        finished = self._finished(self._host.desk(request), opened.thread, opened.search)
        if self._opened.get(session) is not opened:
            return nothing
        opened.live = None
        return finished

    def _ask(self, desk: VisitorDesk, where: tuple[str, str], question: str, request: gr.Request) -> Updates:
        thread, editing = where
        if not thread and (opened := self._opened.get(str(request.session_hash))) is not None:
            thread = opened.thread  # Gradio forgets its values while a computer sleeps; the page still shows them
        if not question.strip():
            said = "The question stays as it was." if editing else "Write a question first."
            return {self._show.editing: "", **self._say(said)}
        self._host.count_question(desk)
        live = desk.fork(thread, editing, question) if editing else desk.ask(thread, question)
        return self._open(desk, live.thread_id, request) | {self._show.question: "", self._show.notice: ""}

    def _act(self, desk: VisitorDesk, thread: str, what: tuple[str, str, str], request: gr.Request) -> Updates:
        act, turn, text = what
        if act == "ask":
            return self._ask(desk, (thread, ""), text, request)
        if act == "again":
            self._host.count_question(desk)
            desk.regenerate(thread)
            return self._open(desk, thread, request)
        if act == "edit":
            question = desk.turn(thread, turn).question
            said = "Change the question and send it, or empty the field and send it to leave the question as it is. "
            said += "The conversation so far stays as it is."
            return {self._show.editing: turn, self._show.question: question, **self._say(said)}
        return self._judge(desk, thread, what)

    def _judge(self, desk: VisitorDesk, thread: str, what: tuple[str, str, str]) -> Updates:
        act, turn, text = what
        self._host.count_judgement(desk)
        if act == "up":
            desk.feedback(thread, turn, 1)
            return self._say("Thank you. Your judgement was passed on.")
        if act == "flag" and text.isdecimal() and len(text) <= 4:
            desk.flag_citation(thread, turn, int(text))
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
        """Everything of a conversation, or of one that has not begun; nothing if another is opened meanwhile."""
        session, search = str(request.session_hash), self._searched(request)
        opened = self._opened[session] = _Opened(thread, search=search)
        self._opened.move_to_end(session)
        if len(self._opened) > MOST_KEYS:
            self._opened.popitem(last=False)
        everything = self._everything(desk, opened)
        return everything if self._opened.get(session) is opened else {}

    def _everything(self, desk: VisitorDesk, opened: _Opened) -> Updates:
        show, thread = self._show, opened.thread
        if not thread:
            opening = opening_html(desk.suggestions())
            return self._closed() | {
                show.transcript: opening,
                show.live: "",
                show.threads: self._listed(desk, "", opened.search),
                show.stop: gr.update(visible=False),
                show.thread: "",
                show.title: "",
            }
        live = desk.view(thread).live or desk.resume(thread)
        opened.live = live if live is not None and not live.finished else None
        view = desk.view(thread)  # only now, or an answer that ends meanwhile is never shown
        shown = followed_html(opened.live) if opened.live else live_html(view.live) if view.live else ""
        listed = {known.thread_id: known.title for known in desk.threads()}
        return self._closed() | {
            show.transcript: transcript_html(view.turns),
            show.live: shown,
            show.threads: self._listed(desk, thread, opened.search),
            show.stop: gr.update(visible=opened.live is not None),
            show.thread: thread,
            show.title: listed.get(thread, ""),
        }

    def _searched(self, request: gr.Request) -> str:
        """The words by which the list of conversations is narrowed on this page."""
        opened = self._opened.get(str(request.session_hash))
        return opened.search if opened is not None else ""

    def _finished(self, desk: VisitorDesk, thread: str, search: str) -> Updates:
        view = desk.view(thread)
        return {
            self._show.transcript: transcript_html(view.turns),
            self._show.live: live_html(view.live) if view.live is not None else "",
            self._show.threads: self._listed(desk, thread, search),
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

    def _listed(self, desk: VisitorDesk, thread: str, search: str) -> Any:
        choices = [(known.title or "Untitled", known.thread_id) for known in desk.threads(search)]
        chosen = thread if any(value == thread for _, value in choices) else None
        label = "No conversation holds these words" if search.strip() and not choices else LIST_LABEL
        return gr.update(choices=choices, value=chosen, label=label)

    def _say(self, text: str) -> Updates:
        return {self._show.notice: f'<p class="s-status" role="status">{text}</p>' if text else ""}

    def _trouble(self, error: RatchetError) -> Updates:
        _log.warning("A visitor met: %s", error.what)
        return {self._show.notice: error_html(*three_sentences(error))}


def _told(event: gr.EventData) -> dict[str, str]:
    """What the button said; anything can be sent in its place."""
    data = event._data
    if not isinstance(data, dict):
        return {}
    return {str(key): value for key, value in data.items() if isinstance(value, str)}
