"""A conversation as HTML for Gradio: the blocks of `ui.render` with the buttons that belong to them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ui.escape import attribute, escaped
from ui.render import (
    answer_html,
    error_html,
    json_export,
    markdown_export,
    measures_text,
    notes_html,
    question_html,
    sources_html,
    steps_html,
    streaming_html,
    stylesheet,
)
from ui.share_parts.outward import Outward, outward, three_sentences

if TYPE_CHECKING:
    from agent.schema import Turn
    from ui.answering import LiveAnswer

_MOST_MADE = 500
_MADE: dict[str, str] = {}
_HERE = Path(__file__).parent
_WAITING = {
    "queued": "Others are being answered. You are next in line soon.",
    "retrieving": "Looking into the documents …",
    "answering": "Thinking …",
}


@cache
def looks() -> str:
    """The styles of the blocks, and those of this page."""
    own = (_HERE / "share.css").read_text(encoding="utf-8")
    return f"{stylesheet()}<style>{own}</style>"


@cache
def behaviour() -> str:
    """The script of the transcript: one listener for all buttons and citations."""
    return (_HERE / "transcript.js").read_text(encoding="utf-8")


@cache
def live_behaviour() -> str:
    """The script of the answer in progress: that of the transcript, and what follows the answer."""
    return behaviour() + (_HERE / "live.js").read_text(encoding="utf-8")


def transcript_html(turns: Sequence[Turn]) -> str:
    """Finished turns, oldest first, each with what can be done with it."""
    last = len(turns) - 1
    return f'<div class="s-thread">{"".join(_turn_html(turn, index == last) for index, turn in enumerate(turns))}</div>'


def opening_html(suggestions: Sequence[str]) -> str:
    """What stands in an empty conversation: how to begin, and questions that the documents answer."""
    buttons = "".join(
        f'<li><button type="button" data-act="ask" data-text="{attribute(text)}">{escaped(text)}</button></li>'
        for text in suggestions
    )
    begin = f'<p>For example:</p><ul class="s-suggestions">{buttons}</ul>' if buttons else ""
    return (
        '<div class="s-opening"><h2>What would you like to know?</h2>'
        "<p>Answers come from documents, with the exact passages below them. "
        f"Sentences that no document supports are marked.</p>{begin}</div>"
    )


def live_html(live: LiveAnswer) -> str:
    """The question and the answer so far, or why there is none."""
    hide = Outward(live.passages)
    parts = [steps_html(hide.calls(live.steps))]
    again = _buttons([("again", "", "Try again")])
    if live.failed is not None and live.stopped:
        parts += ['<p class="s-status" role="status">Stopped before the answer began.</p>', again]
    elif live.failed is not None:
        parts += [error_html(*three_sentences(live.failed)), again]
    elif live.text:
        parts.append(streaming_html(hide.text(live.text)))
    else:
        said = "Stopping …" if live.stopping else _WAITING.get(live.status, "")
        parts.append(f'<p class="s-status" role="status">{said}</p>')
    return f'<div class="s-thread"><section class="s-turn">{_question(live.question)}{_answer(parts)}</section></div>'


def followed_html(live: LiveAnswer) -> str:
    """The same in a place that the page fills from now on (`ui.share_parts.following`); no two places are alike."""
    mark = f'data-follow="{attribute(live.thread_id)}" data-mark="{secrets.token_hex(4)}"'
    return f"<div {mark}>{live_html(live)}</div>"


def exports_html(turns: Sequence[Turn]) -> str:
    """Two links that hold the whole conversation, so that no file has to be served."""
    if not turns:
        return '<p class="s-aside">There is nothing to save yet.</p>'
    shown = [outward(turn) for turn in turns]
    return (
        '<p class="s-exports">'
        + "".join(
            f'<a download="conversation.{ending}" href="data:{kind};base64,{base64.b64encode(text.encode()).decode()}">'
            f"Save as {label}</a> "
            for ending, kind, label, text in (
                ("md", "text/markdown", "Markdown", markdown_export(shown)),
                ("json", "application/json", "JSON", json_export(shown)),
            )
        )
        + "</p>"
    )


def _finished(turn: Turn) -> str:
    """Everything about a turn that never changes, made once."""
    made = _MADE.get(turn.turn_id)
    if made is None:
        if len(_MADE) >= _MOST_MADE:
            _MADE.clear()
        made = _MADE[turn.turn_id] = _make(outward(turn))
    return made


def _make(shown: Turn) -> str:
    parts = [
        steps_html(shown.tool_calls),
        answer_html(shown),
        sources_html(shown),
        notes_html(shown),
        f'<p class="s-aside">{escaped(measures_text(shown))}</p>',
    ]
    return _answer(parts)


def _turn_html(turn: Turn, last: bool) -> str:
    acts = [
        ("up", "", "👍 Helpful"),
        ("down", "", "👎 Not helpful"),
        ("copy", "", "Copy"),
        ("edit", "", "Edit question"),
        *([("again", "", "Answer again")] if last else []),
        *(("flag", str(citation.number), f"Wrong source [{citation.number}]") for citation in turn.citations),
    ]
    return (
        f'<section class="s-turn" data-turn="{attribute(turn.turn_id)}">{_question(turn.question)}'
        f"{_finished(turn)}{_buttons(acts)}</section>"
    )


def _question(text: str) -> str:
    return f'<div class="s-asked"><h2 class="s-who">You asked</h2>{question_html(text)}</div>'


def _answer(parts: Sequence[str]) -> str:
    return f'<div class="s-answered"><h2 class="s-who">Answer</h2>{"".join(filter(None, parts))}</div>'


def _buttons(acts: Sequence[tuple[str, str, str]]) -> str:
    each = "".join(
        f'<button type="button" data-act="{act}" data-text="{attribute(text)}">{escaped(label)}</button>'
        for act, text, label in acts
    )
    return f'<div class="s-acts" role="group" aria-label="What to do with this answer">{each}</div>'
