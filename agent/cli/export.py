"""A conversation as a file: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from agent.cli.output import shown_path
from agent.cli.render import place, tool_line
from agent.errors import StorageError
from agent.schema import Turn
from knowledge.text import sanitize


def write(path: Path, turns: Sequence[Turn]) -> str:
    """Write the turns to a new file, in the format its suffix names; returns the path as shown.

    Raises:
        StorageError: the file exists already or cannot be written.
    """
    return write_new(path, as_json(turns) if path.suffix == ".json" else as_markdown(turns))


def write_new(path: Path, text: str) -> str:
    """Write a text to a new file; returns the path as shown.

    Raises:
        StorageError: the file exists already or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError as error:
        raise StorageError(
            f"{shown_path(path)} exists already.", kept="It was left as it is.", fix="Name another file."
        ) from error
    except OSError as error:
        raise StorageError(
            f"{shown_path(path)} cannot be written: {error.strerror}.", fix="Name a file in another folder."
        ) from error
    return shown_path(path)


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
