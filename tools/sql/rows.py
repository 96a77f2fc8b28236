"""Rows of a result: as many as fit, as plain JSON values, and as a table of text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time
from typing import Any

MAX_ROWS = 200
MAX_BYTES = 400_000
MAX_CELL = 2_000
SHOWN_CELL = 200
_WHOLE_NUMBERS = 2**53  # beyond, readers of JSON round


class QueryFailed(Exception):
    """A query that was refused, stopped or wrong; the message is for the model."""


@dataclass
class Rows:
    """A result, or the beginning of one.

    Attributes:
        columns: their names.
        rows: values that JSON knows; everything else as text.
        more: whether there are further rows.
        cut: whether values were shortened.
    """

    columns: list[str]
    rows: list[list[Any]] = field(default_factory=list)
    more: bool = False
    cut: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        return asdict(self)


@dataclass
class Table:
    """What is known of a table.

    Attributes:
        name: as it is written in SQL.
        kind: "table" or "view".
        columns: [name, type] of each.
        size: number of rows; None when it is not known.
        exact: whether the number is counted, not estimated.
        first: its first rows.
    """

    name: str
    kind: str
    columns: list[list[str]]
    size: int | None = None
    exact: bool = True
    first: list[list[Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        return asdict(self)


def collect(columns: Sequence[str], rows: Iterable[Sequence[Any]], most: int = MAX_ROWS) -> Rows:
    """The first rows, within `MAX_BYTES`; `rows` is not read further than needed."""
    result, size = Rows([_plain(name)[:SHOWN_CELL] for name in columns]), 0
    for row in rows:
        if len(result.rows) >= most or size > MAX_BYTES:
            result.more = True
            break
        values = [_value(value) for value in row]
        short = [value[:MAX_CELL] if isinstance(value, str) else value for value in values]
        result.cut = result.cut or short != values
        size += sum(len(value) if isinstance(value, str) else 8 for value in short)
        result.rows.append(short)
    return result


def _value(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _WHOLE_NUMBERS else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        return f"x'{data[: MAX_CELL // 2].hex()}'" + (f" ({len(data):,} bytes)" if len(data) > MAX_CELL // 2 else "")
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, dict | list | tuple):
        return _plain(json.dumps(value, ensure_ascii=False, default=str))
    return _plain(str(value))


def _plain(text: str) -> str:
    from knowledge.text import sanitize

    return sanitize(text)


def as_text(columns: Sequence[str], rows: Iterable[Sequence[Any]], most: int) -> tuple[str, int]:
    """A table with columns divided by " | ", at most about `most` characters; and how many rows it has."""
    lines = [" | ".join(columns)]
    size, count = len(lines[0]), 0
    for row in rows:
        line = " | ".join(_cell(value) for value in row)
        size += len(line) + 1
        if size > most and count:
            break
        lines.append(line)
        count += 1
    return "\n".join(lines), count


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    text = " ".join(str(value).splitlines()).replace("|", "\\|")
    return text if len(text) <= SHOWN_CELL else f"{text[:SHOWN_CELL]}…"
