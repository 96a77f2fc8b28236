"""What tools were called with and what came of it, as HTML: each call is a step that can be opened."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent.calls.approvals import ApprovalRequest
from agent.phrasing import one_line, shown_path
from agent.schema import ToolCall
from ui.escape import attribute, escaped

# Status of a call → what a person is told of it; "ok" needs no words.
OUTCOMES = {
    "running": "running …",
    "error": "failed",
    "denied": "not allowed by the settings",
    "rejected": "rejected",
    "repeated": "asked for again, not run again",
    "unknown": "interrupted, not run again",
}
RISKS = {
    "read": "reads",
    "write": "writes what lasts",
    "execute": "runs code",
    "network": "reaches the network",
}
_GLIMPSE = 70  # characters of the arguments that are seen without opening a step
_SCROLLS = 'tabindex="0" role="group"'
_RIGHT = ' class="r-right"'
_NUMBER = re.compile(r"[-+]?[\d.,]+(?:[eE][-+]?\d+)?\s?%?")


def steps_html(calls: Sequence[ToolCall]) -> str:
    """One `<details class="r-step">` per call, in order; empty for no calls."""
    return f'<div class="r r-steps">{"".join(map(_step, calls))}</div>' if calls else ""


def approval_html(request: ApprovalRequest) -> str:
    """What a person is asked to approve: the tool, what it does, with which arguments, why, and whose text is read."""
    why = f"<p>{escaped(request.why)}</p>" if request.why else ""
    preview = f"{_label('What it would do')}{_difference(request.preview)}" if request.preview else ""
    sources = "".join(f"<li>{escaped(source)}</li>" for source in request.sources)
    read = f"{_label('Read before this')}<ul>{sources}</ul>" if sources else ""
    risk = escaped(RISKS.get(request.risk, request.risk))
    return (
        '<div class="r r-approval">'
        f'<p class="r-head"><strong>{escaped(request.tool)}</strong> <span class="r-chip">{risk}</span></p>'
        f"{why}{preview}{_arguments(request.arguments)}{read}</div>"
    )


def table_html(table: Mapping[str, Any], label: str = "Table") -> str:
    """A table as tools return it, `columns` and `rows`; numbers stand right, wide ones scroll in their box."""
    columns, rows = table.get("columns"), table.get("rows")
    columns = columns if isinstance(columns, list | tuple) else []
    rows = rows if isinstance(rows, list | tuple) else []
    cells = [_cells(row) for row in rows]
    numeric = {at for at in range(len(columns)) if _is_numeric([row[at] for row in cells if at < len(row)])}
    head = "".join(
        f'<th dir="auto" scope="col"{_RIGHT if at in numeric else ""}>{escaped(_cell(name))}</th>'
        for at, name in enumerate(columns)
    )
    body = "".join(f"<tr>{''.join(map(_data, row))}</tr>" for row in cells)
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    return (
        f'<div class="r r-scroll" {_SCROLLS} aria-label="{attribute(label)}">'
        f"<table>{head}<tbody>{body}</tbody></table></div>"
    )


def files_of(artifact: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The files that a call made, each with `name`, `media_type` and `path`, as far as they are told."""
    files = artifact.get("files")
    return [file for file in files if isinstance(file, Mapping)] if isinstance(files, list | tuple) else []


def _step(call: ToolCall) -> str:
    known = call.status if call.status in OUTCOMES else "ok"
    said = f' <span class="r-outcome">{OUTCOMES[known]}</span>' if known in OUTCOMES else ""
    seconds = f' <span class="r-time">{call.seconds:.2f} s</span>' if known in {"ok", "error"} else ""
    result = f"{_label('Result')}{_text(call.result, 'Result')}" if call.result else ""
    return (
        f'<details class="r-step r-step-{known}"><summary><span class="r-tool">{escaped(call.name)}</span>'
        f' <span class="r-glimpse">{escaped(_glimpse(call.arguments))}</span>{said}{seconds}</summary>'
        f'<div class="r-inside">{_arguments(call.arguments)}{result}'
        f"{_made(call.artifact)}</div></details>"
    )


def _glimpse(arguments: Mapping[str, Any]) -> str:
    values = (value if isinstance(value, str) else json.dumps(value, default=str) for value in arguments.values())
    return one_line(", ".join(values), _GLIMPSE)


def _made(artifact: Mapping[str, Any]) -> str:
    """The table and the files that a call made."""
    table = artifact.get("table")
    shown = f"{_label('Table')}{table_html(table)}" if isinstance(table, Mapping) else ""
    items = "".join(
        f"<li>{escaped(str(file.get('name', '')))}"
        f' <span class="r-path">{escaped(shown_path(str(file.get("path", ""))))}</span></li>'
        for file in files_of(artifact)
    )
    return shown + (f"{_label('Files')}<ul>{items}</ul>" if items else "")


def _label(text: str) -> str:
    return f'<p class="r-label">{text}</p>'


def _arguments(arguments: Mapping[str, Any]) -> str:
    """As JSON, but for those of several lines, which are easier to judge as they are."""
    long = {name: value for name, value in arguments.items() if isinstance(value, str) and "\n" in value}
    short = {name: value for name, value in arguments.items() if name not in long}
    told = json.dumps(short, indent=2, ensure_ascii=False, default=str)
    written = f"{_label('Arguments')}{_text(told, 'Arguments')}" if short or not long else ""
    blocks = (f"{_label(f'Argument {escaped(name)}')}{_text(value, 'Argument')}" for name, value in long.items())
    return written + "".join(blocks)


def _text(text: str, label: str) -> str:
    return f'<pre dir="auto" {_SCROLLS} aria-label="{label}"><code>{escaped(text)}</code></pre>'


def _difference(preview: str) -> str:
    """A preview with the lines of a diff told apart."""
    shades = {"+": "i", "-": "d"}
    lines = (
        f'<span class="r-c-{shades[line[0]]}">{escaped(line)}</span>' if line[:1] in shades else escaped(line)
        for line in preview.split("\n")
    )
    return f'<pre dir="auto" {_SCROLLS} aria-label="Preview"><code>{chr(10).join(lines)}</code></pre>'


def _cells(row: Any) -> Sequence[Any]:
    if isinstance(row, Mapping):
        return list(row.values())
    return row if isinstance(row, list | tuple) else [row]


def _is_numeric(values: Sequence[Any]) -> bool:
    said = [text for value in values if (text := _cell(value))]
    return bool(said) and all(map(_NUMBER.fullmatch, said))


def _data(value: Any) -> str:
    text = _cell(value)
    return f'<td dir="auto"{_RIGHT if _NUMBER.fullmatch(text) else ""}>{escaped(text)}</td>'


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
