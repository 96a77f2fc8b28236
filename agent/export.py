"""A conversation as text that lasts: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agent.phrasing import place, tool_line
from agent.schema import Turn
from knowledge.text import sanitize


def as_json(turns: Sequence[Turn]) -> str:
    """A list of turns, as `ask --json` prints one."""
    return json.dumps([turn.to_json() for turn in turns], indent=2, ensure_ascii=False) + "\n"


def as_markdown(turns: Sequence[Turn]) -> str:
    """Questions as headings; under each the tool calls, the answer and its citations."""
    return "\n".join(_markdown(turn) for turn in turns)


def _markdown(turn: Turn) -> str:
    lines = [f"## {' '.join(sanitize(turn.question).split())}", ""]
    for call in turn.tool_calls:
        lines += [f"`{tool_line(call).replace('`', chr(39))}`", ""]
    lines += [sanitize(turn.answer) or f"*({turn.status})*", ""]
    for citation in turn.citations:
        where = place(citation.source, citation.heading, citation.locator)
        quote = " ".join(sanitize(citation.text).split())
        lines += [f"- **[{citation.number}]** {sanitize(where)}", "", f"  > {quote}", ""]
    lines += [f"*{note}*\n" for note in turn.notes]
    return "\n".join(lines)
