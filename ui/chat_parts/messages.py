"""The finished part of a conversation: questions, answers, and what can be done with each."""

from __future__ import annotations

import html
import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from agent.schema import Turn
from ui.chat_parts import judging, tab
from ui.chat_parts.browser import copy_button, scroll_here
from ui.labels import label_of

if TYPE_CHECKING:
    from ui.desk import Desk

WITH_ACTIONS = 8  # turns that have their buttons at once; a long conversation would be slow with hundreds of them
BLOCK = 10  # turns without buttons that are sent as one piece
_MORE = {"edit": "Edit the question", "flag": "Flag a wrong citation", "files": "Open the originals"}


def draw(desk: Desk, thread_id: str, turns: Sequence[Turn], *, busy: bool) -> None:
    """All turns, the latest with their buttons.

    Args:
        desk: where the clicks go.
        thread_id: the conversation.
        turns: oldest first.
        busy: whether an answer is in progress, so that none can be asked again.
    """
    key = f"with-actions-{thread_id}"
    shown = int(st.session_state.get(key, WITH_ACTIONS))
    earlier, latest = turns[:-shown], turns[-shown:]
    if earlier:
        st.button(
            "Show the buttons of earlier answers",
            key=f"more-{key}",
            type="tertiary",
            icon=":material/expand_less:",
            on_click=_show_more,
            args=(key, shown),
        )
        for start in range(0, len(earlier), BLOCK):
            st.html("".join(_plain_turn(turn.turn_id, turn) for turn in earlier[start : start + BLOCK]))
    for turn in latest:
        _turn(desk, turn, last=turn is turns[-1], busy=busy)


def _show_more(key: str, shown: int) -> None:
    st.session_state[key] = shown + 25


def question(text: str) -> None:
    """What a person asked."""
    from ui.render import question_html

    with st.chat_message("user"):
        st.html(question_html(text))


@st.cache_data(max_entries=500, show_spinner=False)
def answer_block(turn_id: str, _turn: Turn) -> str:
    """Everything about an answer that is text; a turn never changes, so it is made once."""
    from ui.render import answer_html, measures_text, notes_html, sources_html, steps_html

    turn = _turn
    measures = f'<p class="w-measures">{html.escape(measures_text(turn))}</p>'
    parts = [steps_html(turn.tool_calls), answer_html(turn), notes_html(turn), sources_html(turn), measures]
    return "\n".join(part for part in parts if part)


@st.cache_data(max_entries=500, show_spinner=False)
def _plain_turn(turn_id: str, _turn: Turn) -> str:
    from ui.render import question_html

    answered = answer_block(turn_id, _turn)
    return f'<div class="w-asked">{question_html(_turn.question)}</div><div class="w-answered">{answered}</div>'


def _turn(desk: Desk, turn: Turn, *, last: bool, busy: bool) -> None:
    from ui.render import plots

    question(turn.question)
    with st.chat_message("assistant"):
        st.html(answer_block(turn.turn_id, turn))
        for path in plots(turn, desk.settings.artifacts_folder):
            try:
                st.image(path, caption=label_of(path.name))
            except OSError:  # a tool made something that is no image
                st.caption(f"{label_of(path.name)} cannot be shown as an image.")
        _actions(desk, turn, last=last, busy=busy)
        kind = tab.panel_of(turn.turn_id)
        if kind == "correct":
            judging.correction_form(desk, turn)
        elif kind == "flag":
            judging.citation_form(desk, turn)
        elif kind == "edit":
            judging.question_form(desk, turn)
        elif kind == "files":
            _originals(turn)
        if kind:
            scroll_here(f"{kind}-{turn.turn_id}")


def _actions(desk: Desk, turn: Turn, *, last: bool, busy: bool) -> None:
    key = turn.turn_id
    with st.container(horizontal=True, gap="medium", key=f"actions-{key}"):
        judging.thumbs(desk, turn)
        copy_button(turn.answer, key=f"copy-{key}")
        if last:
            st.button(
                "Answer again",
                key=f"again-{key}",
                type="tertiary",
                icon=":material/refresh:",
                disabled=busy,
                help="Takes this answer back and asks the question again.",
                on_click=tab.do,
                args=(lambda: desk.regenerate(turn.thread_id, tab.only_in(tab.scope_of(turn.thread_id))),),
            )
        options = ["edit", *(["flag"] if turn.citations else []), *(["files"] if originals(turn) else [])]
        st.menu_button(
            "More",
            options,
            key=f"more-{key}",
            type="tertiary",
            format_func=_MORE.__getitem__,
            on_click=_chosen,
            args=(turn.turn_id,),
        )


def _chosen(turn_id: str) -> None:
    kind = st.session_state.get(f"more-{turn_id}")
    if kind in _MORE:
        tab.open_panel(turn_id, str(kind))


def originals(turn: Turn) -> dict[Path, str]:
    """The files that an answer cites or that its tools made, as far as they are there: path → name."""
    from ui.steps import files_of

    named = [(citation.source, Path(citation.source).name) for citation in turn.citations]
    for file in (file for call in turn.tool_calls for file in files_of(call.artifact)):
        path = Path(str(file.get("path", "")))
        named.append((str(path), str(file.get("name") or path.name)))
    return {Path(source): name for source, name in named if Path(source).is_file()}


def _originals(turn: Turn) -> None:
    """A button for each file, which is read when it is clicked."""
    st.caption("Files that this answer cites or made:")
    with st.container(horizontal=True):
        for number, (path, name) in enumerate(originals(turn).items()):
            st.download_button(
                label_of(name, 50),
                data=path.read_bytes,
                file_name=name,
                mime=mimetypes.guess_type(name)[0] or "application/octet-stream",
                key=f"original-{turn.turn_id}-{number}",
                icon=":material/download:",
                on_click="ignore",
            )
        st.button("Close", key=f"close-{turn.turn_id}", type="tertiary", on_click=tab.close_panel)
