"""How turns, places and numbers are put into words, the same on every screen; plain text, foreign words made safe."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.text import sanitize

if TYPE_CHECKING:
    from agent.schema import ToolCall, Turn, Verdict

SIGNS = {"partly": "≈", "not": "⚠"}
LEGEND = "≈ only in part in your documents, ⚠ not in your documents"


def one_line(text: str, limit: int) -> str:
    """Foreign text on one line of at most `limit` characters, ending in "…" when it was longer."""
    flat = " ".join(sanitize(text).split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def counted(number: int, singular: str, plural: str = "") -> str:
    """A number with its noun: "1 turn", "3 turns", "1,204 memories"."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def shown_path(path: str | Path) -> str:
    """The shortest honest way to write a path: relative to the working folder or to ~, else absolute."""
    absolute = os.path.abspath(path)
    candidates = [absolute]
    home = str(Path.home())
    if absolute.startswith(home + os.sep):
        candidates.append("~" + absolute[len(home) :])
    relative = os.path.relpath(absolute)
    if not relative.startswith(".."):
        candidates.append(relative)
    return min(candidates, key=len)


def place(source: str, heading: str, locator: str) -> str:
    """Where a text stands: "docs/start.md › Install, lines 10-24"."""
    head = heading.rsplit(" › ", 1)[-1]
    return f"{shown_path(source)} › {head}, {locator}" if head else f"{shown_path(source)}, {locator}"


def tool_line(call: ToolCall) -> str:
    """A tool call in one line: ⚙ calculator(expression="17*23") → 391 (0.01 s)."""
    pairs = (f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in call.arguments.items())
    arguments = one_line(", ".join(pairs), 80)
    arrow = "✗" if call.status == "error" else "→"
    return f"⚙ {call.name}({arguments}) {arrow} {one_line(call.result, 120)} ({call.seconds:.2f} s)"


def measures(turn: Turn) -> str:
    """How long and how much: "first word 0.21 s · 84 tokens · 3 passages · 1.1 s in all"."""
    parts = []
    if turn.timings.first_token is not None:
        parts.append(f"first word {turn.timings.first_token:.2f} s")
    if turn.usage.completion_tokens:
        parts.append(counted(turn.usage.completion_tokens, "token"))
    if turn.passages:
        parts.append(counted(len(turn.passages), "passage"))
    return " · ".join([*parts, f"{turn.timings.total:.2f} s in all"])


def signed(answer: str, verdicts: Iterable[Verdict]) -> str:
    """An answer with the signs behind its sentences, as it was shown."""
    for verdict in sorted(verdicts, key=lambda each: each.end, reverse=True):
        if verdict.grade in SIGNS:
            answer = f"{answer[: verdict.end]} {SIGNS[verdict.grade]}{answer[verdict.end :]}"
    return answer
