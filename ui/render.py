"""Turns as HTML that every front end shows as it is; knows none of them.

Each function returns one block, or an empty string where there is nothing to show. All text of models, documents, tools
and people is escaped here; `stylesheet` gives the blocks their looks, in light and dark, on wide and narrow screens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from agent.export import as_json as json_export
from agent.export import as_markdown as markdown_export
from agent.phrasing import LEGEND, SIGNS, counted, one_line, shown_path
from agent.schema import Citation, Turn
from knowledge.schema import Passage
from ui.escape import escaped
from ui.markdown import SIGN_LABELS, Mark, to_html
from ui.steps import approval_html, files_of, steps_html, table_html

__all__ = [
    "answer_html",
    "approval_html",
    "error_html",
    "json_export",
    "markdown_export",
    "measures_text",
    "notes_html",
    "passages_html",
    "plots",
    "question_html",
    "sources_html",
    "steps_html",
    "streaming_html",
    "stylesheet",
    "table_html",
]

_STYLE = Path(__file__).with_name("style.css")
_NO_ANSWER = {
    "cancelled": "Stopped before there was an answer.",
    "error": "There is no answer: something went wrong.",
    "limit": "There is no answer: the limit of this turn was reached first.",
    "waiting": "Waits for your decision.",
    "done": "The answer is empty.",
}
_ENDED = {"cancelled": "Stopped; what was said is kept.", "limit": "Ended at the limit of this turn."}
_SCROLLS = 'tabindex="0" role="group"'
# What an image file begins with; what a tool calls an image need not be one.
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"RIFF")


def question_html(text: str) -> str:
    """What a person asked, as written."""
    return f'<div class="r r-question" dir="auto">{escaped(text)}</div>'


def streaming_html(text: str) -> str:
    """The answer so far, as plain text, with a caret."""
    return (
        f'<div class="r r-answer r-live" dir="auto" aria-busy="true">{escaped(text)}<span class="r-caret"></span></div>'
    )


def answer_html(turn: Turn) -> str:
    """The answer: unsupported sentences marked, `[1]` leading to its passage in `sources_html`."""
    if not turn.answer.strip():
        return f'<div class="r r-answer"><p class="r-none">{_NO_ANSWER.get(turn.status, _NO_ANSWER["done"])}</p></div>'
    marks = [
        Mark(verdict.start, verdict.end, verdict.grade, _why(verdict.grade, verdict.reason))
        for verdict in turn.verdicts
        if verdict.grade in SIGNS
    ]
    targets = {citation.number: _anchor(turn, citation) + "-text" for citation in turn.citations}
    below = f'<p class="r-legend">{escaped(LEGEND)}</p>{_reasons(turn)}' if marks else ""
    return f'<div class="r r-answer">{to_html(turn.answer, marks=marks, citations=targets)}{below}</div>'


def sources_html(turn: Turn) -> str:
    """One `<details class="r-source" id="t{turn_id}-s{number}">` per citation: where it stands, and the exact passage.

    The cited text is in `<mark>`. The inner text has the id with "-text" behind: a link to it opens the block.
    """
    if not turn.citations:
        return ""
    passages = {passage.id: passage for passage in turn.passages}
    blocks = [_cited(turn, citation, passages.get(citation.passage_id)) for citation in turn.citations]
    return f'<div class="r r-sources">{"".join(blocks)}</div>'


def passages_html(passages: Sequence[Passage], first: int = 1) -> str:
    """Passages, each to open, numbered from `first`."""
    if not passages:
        return ""
    blocks = []
    for number, passage in enumerate(passages, first):
        head = _summary(str(number), passage.source, passage.heading, passage.locator)
        inside = _passage(escaped(passage.text), passage.source)
        blocks.append(f'<details class="r-source r-found">{head}{inside}</details>')
    return f'<div class="r r-sources">{"".join(blocks)}</div>'


def notes_html(turn: Turn) -> str:
    """The asides of a turn: what was left out, and whether it was stopped."""
    ended = [_ENDED[turn.status]] if turn.answer.strip() and turn.status in _ENDED else []
    items = "".join(f'<li dir="auto">{escaped(note)}</li>' for note in dict.fromkeys([*turn.notes, *ended]))
    return f'<ul class="r r-notes">{items}</ul>' if items else ""


def measures_text(turn: Turn) -> str:
    """How long, how much, by whom: "2.1 s · 143 tokens · local:default"; plain text, not HTML."""
    tokens = counted(turn.usage.completion_tokens, "token") if turn.usage.completion_tokens else ""
    model = f"{turn.model} + {turn.adapter}" if turn.model and turn.adapter else turn.model
    return " · ".join(filter(None, (f"{turn.timings.total:.1f} s", tokens, model)))


def error_html(what: str, kept: str = "", fix: str = "") -> str:
    """The three sentences of an error."""
    then = "".join(
        f'<p class="r-{kind}">{escaped(sentence)}</p>' for kind, sentence in (("kept", kept), ("fix", fix)) if sentence
    )
    return f'<div class="r r-error" role="alert"><p class="r-what">{escaped(what)}</p>{then}</div>'


def plots(turn: Turn, folder: Path) -> list[Path]:
    """The images that tools of the turn made and that are still there, in order.

    Args:
        turn: with the calls that made them.
        folder: where tools put files; an image that lies elsewhere is not shown.
    """
    root = folder.resolve()
    found = (Path(str(file.get("path", ""))) for call in turn.tool_calls for file in files_of(call.artifact))
    return list(dict.fromkeys(path for path in found if _is_image_in(root, path)))


@cache
def stylesheet() -> str:
    """The looks of all blocks, as one `<style>` element."""
    return f"<style>{_STYLE.read_text(encoding='utf-8')}</style>"


def _why(grade: str, reason: str) -> str:
    label = SIGN_LABELS[grade]
    return f"{label[0].upper()}{label[1:]}" + (f": {reason}" if reason else "")


def _reasons(turn: Turn) -> str:
    """Why sentences are marked, for those who cannot point at one to be told."""
    items = "".join(
        f'<li dir="auto"><q>{escaped(one_line(turn.answer[verdict.start : verdict.end], 90))}</q> '
        f"{escaped(_why(verdict.grade, verdict.reason))}</li>"
        for verdict in turn.verdicts
        if verdict.grade in SIGNS and verdict.reason
    )
    return (
        f'<details class="r-reasons"><summary>Why sentences are marked</summary><ul>{items}</ul></details>'
        if items
        else ""
    )


def _anchor(turn: Turn, citation: Citation) -> str:
    return re.sub("[^A-Za-z0-9_-]", "-", f"t{turn.turn_id}-s{citation.number}")


def _cited(turn: Turn, citation: Citation, passage: Passage | None) -> str:
    anchor = _anchor(turn, citation)
    text, (start, end) = (passage.text, _span(citation, passage)) if passage else (citation.text, (0, 0))
    if start < end:
        spot = f'<mark id="{anchor}-text">{escaped(text[start:end])}</mark>'
        exact = escaped(text[:start]) + spot + escaped(text[end:])
    else:
        exact = f'<mark id="{anchor}-text">{escaped(citation.text)}</mark>'
    head = _summary(str(citation.number), citation.source, citation.heading, citation.locator)
    return f'<details class="r-source" id="{anchor}">{head}{_passage(exact, citation.source)}</details>'


def _span(citation: Citation, passage: Passage) -> tuple[int, int]:
    """Where in the passage the cited text stands: on its own lines rather than where it is said first."""
    above = passage.text.split("\n")[: max(0, citation.start_line - passage.start_line)]
    at = passage.text.find(citation.text, sum(len(line) + 1 for line in above))
    at = at if at >= 0 else passage.text.find(citation.text)
    return (at, at + len(citation.text)) if at >= 0 else (0, 0)


def _summary(number: str, source: str, heading: str, locator: str) -> str:
    name = source.rstrip("/").rsplit("/", 1)[-1] or source
    where = " · ".join(filter(None, (heading.rsplit(" › ", 1)[-1], locator)))
    return (
        f'<summary><span class="r-number">{escaped(number)}</span> '
        f'<span class="r-name"><span class="r-file" dir="auto">{escaped(name)}</span> '
        f'<span class="r-where" dir="auto">{escaped(where)}</span></span></summary>'
    )


def _passage(exact: str, source: str) -> str:
    where = shown_path(source) if Path(source).is_absolute() else source  # else an address, or a name for visitors
    return (
        f'<div class="r-inside"><div class="r-passage" dir="auto" {_SCROLLS} aria-label="Passage">{exact}</div>'
        f'<p class="r-path">{escaped(where)}</p></div>'
    )


def _is_image_in(root: Path, path: Path) -> bool:
    try:
        if not path.resolve().is_relative_to(root) or not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(12)
    except (OSError, ValueError):  # gone, not readable, or no path at all
        return False
    return head.startswith(_IMAGES) and (head[:4] != b"RIFF" or head[8:] == b"WEBP")
