"""The page of the shared chat: what stands where, and which click leads to what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from agent.records import TITLE_CHARS
from ui.share_parts.chat_api import ChatApi
from ui.share_parts.confined import LONGEST_CORRECTION, LONGEST_QUESTION
from ui.share_parts.handlers import LIST_LABEL, LONGEST_SEARCH, Handlers
from ui.share_parts.host import Host
from ui.share_parts.transcript import behaviour, live_behaviour, looks
from ui.share_parts.within_loop import within_loop

ANSWERS_AT_ONCE = 64  # programs that wait for an answer; how many are given at once the desk decides
MOST_QUEUED = 256


@dataclass(frozen=True, slots=True)
class Widgets:
    """The parts of the page that change."""

    thread: Any
    editing: Any
    correcting: Any
    transcript: Any
    live: Any
    notice: Any
    question: Any
    send: Any
    stop: Any
    correction: Any
    correction_box: Any
    save_correction: Any
    drop_correction: Any
    search: Any
    threads: Any
    new: Any
    title: Any
    rename: Any
    delete: Any
    really: Any
    really_box: Any
    keep: Any
    export: Any
    exports: Any

    def outputs(self) -> list[Any]:
        """All of them, as the outputs of a handler."""
        return [getattr(self, name) for name in self.__slots__]


def build_page(host: Host, title: str) -> gr.Blocks:
    """The page and its endpoint `chat`, not started yet.

    Args:
        host: the conversations and the limits.
        title: shown above the conversation and in the browser's tab.
    """
    return within_loop(lambda: _build(host, title))


def _build(host: Host, title: str) -> gr.Blocks:
    from gradio.events import api

    page = gr.Blocks(title=title, analytics_enabled=False, fill_width=False)
    with page:
        gr.HTML(looks(), js_on_load=None, visible="hidden")
        widgets = _lay_out(title)
        _connect(page, widgets, Handlers(host, widgets))
        api(
            ChatApi(host).chat,
            api_name="chat",
            api_description="Ask a question; the answer grows until it is complete.",
            concurrency_limit=ANSWERS_AT_ONCE,
        )
    page.queue(max_size=MOST_QUEUED, api_open=False, default_concurrency_limit=None)
    return page


def _lay_out(title: str) -> Widgets:
    made: dict[str, Any] = {name: gr.State("") for name in ("thread", "editing", "correcting")}
    with gr.Sidebar(label="Conversations", open=False):
        made |= _sidebar()
    gr.Markdown(f"# {_plain(title)}", elem_classes="s-title")
    made["transcript"] = gr.HTML(js_on_load=behaviour(), apply_default_css=False, elem_id="transcript")
    made["live"] = gr.HTML(js_on_load=live_behaviour(), apply_default_css=False, elem_id="live")
    made["notice"] = gr.HTML(js_on_load=None, elem_id="notice")
    with gr.Group(visible=False) as made["correction_box"]:
        made["correction"] = gr.Textbox(
            label="What should the answer have been?", lines=3, max_lines=12, max_length=LONGEST_CORRECTION
        )
        with gr.Row():
            made["save_correction"] = gr.Button("Save", variant="primary", size="sm")
            made["drop_correction"] = gr.Button("Not now", size="sm")
    with gr.Row(elem_id="composer"):
        made["question"] = gr.Textbox(
            label="Your question",
            show_label=False,  # it stays the field's name to a screen reader
            container=False,
            placeholder="Ask about the documents",
            lines=1,
            max_lines=8,
            max_length=LONGEST_QUESTION,
            autofocus=True,
            scale=1,
            elem_id="question",
        )
        made["send"] = gr.Button("Send", variant="primary", scale=0, min_width=96, elem_id="send")
        made["stop"] = gr.Button("Stop", variant="stop", visible=False, scale=0, min_width=96, elem_id="stop")
    return Widgets(**made)


def _sidebar() -> dict[str, Any]:
    made: dict[str, Any] = {"new": gr.Button("New conversation", size="sm")}
    made["search"] = gr.Textbox(
        label="Search conversations", placeholder="Words in titles, questions, answers", max_length=LONGEST_SEARCH
    )
    made["threads"] = gr.Radio([], label=LIST_LABEL, elem_id="threads")
    with gr.Accordion("This conversation", open=False):
        made["title"] = gr.Textbox(label="Title", max_length=TITLE_CHARS)
        made["rename"] = gr.Button("Rename", size="sm")
        made["export"] = gr.Button("Save a copy", size="sm")
        made["exports"] = gr.HTML(js_on_load=None)
        made["delete"] = gr.Button("Delete", variant="stop", size="sm")
        with gr.Group(visible=False) as made["really_box"]:
            made["really"] = gr.Button("Delete it for good", variant="stop", size="sm")
            made["keep"] = gr.Button("Keep it", size="sm")
    gr.Button("Log out", link="logout", size="sm")
    gr.Markdown(
        "Logging out makes this browser forget its conversations. "
        "The person who runs this chat can read what you write; other visitors cannot.",
        elem_classes="s-aside",
    )
    return made


def _connect(page: gr.Blocks, widgets: Widgets, do: Handlers) -> None:
    state = [widgets.thread, widgets.editing, widgets.correcting]

    def on(trigger: Any, fn: Any, *inputs: Any, each: bool = True) -> None:
        """Connect a click; without `each` only the last of many in a row counts."""
        trigger(
            fn,
            [*state, *inputs],
            widgets.outputs(),
            show_progress="hidden",
            api_visibility="private",
            trigger_mode="multiple" if each else "always_last",
        )

    on(page.load, do.enter)
    on(widgets.send.click, do.ask, widgets.question)
    on(widgets.question.submit, do.ask, widgets.question)
    on(widgets.stop.click, do.stop)
    on(widgets.transcript.act, do.act)
    on(widgets.live.act, do.act)
    on(widgets.live.over, do.settle)
    on(widgets.threads.input, do.open, widgets.threads)
    on(widgets.search.input, do.search, widgets.search, each=False)
    on(widgets.new.click, do.new)
    on(widgets.rename.click, do.rename, widgets.title)
    on(widgets.delete.click, do.ask_whether)
    on(widgets.really.click, do.delete)
    on(widgets.keep.click, do.keep)
    on(widgets.export.click, do.export)
    on(widgets.save_correction.click, do.correct, widgets.correction)
    on(widgets.drop_correction.click, do.drop_correction)


def _plain(title: str) -> str:
    """A title as Markdown that means itself."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()#+-.!<>&|~" else letter for letter in " ".join(title.split()))
