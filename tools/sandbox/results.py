"""What came out of the sandbox, checked as what a stranger sent: messages, the table in them, images.

A message is one byte of kind ("J" JSON, "P" PNG), four of length (big-endian), and the content.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_FIGURES = 8
MOST_BYTES = 40 << 20  # of all messages of a run
_LARGEST_IMAGE = 4 << 20
_LARGEST_JSON = 4 << 20
_MOST_PIXELS = 40_000_000
_MOST_ROWS, _MOST_COLUMNS = 200, 101
_LONGEST_TEXT, _LONGEST_CELL = 21_000, 600
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(slots=True)
class Report:
    """What a program's side of the channel said.

    Attributes:
        ready: the process was confined before the program began.
        error: the traceback of an exception that ended the program.
        value: the last expression's, as text.
        table: the same as `{"columns": [...], "rows": [[...]]}` of plain cells.
        table_rows: how many rows it had before it was cut.
        images: PNG files that have been checked.
        notes: what was left out.
    """

    ready: bool = False
    error: str = ""
    value: str = ""
    table: dict[str, Any] | None = None
    table_rows: int = 0
    images: list[bytes] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(received: bytes) -> Report:
    """Understand the messages of a run; the first that is malformed, and all after it, are left out."""
    report = Report()
    place = 0
    while len(received) - place >= 5:
        kind, size = struct.unpack_from(">cI", received, place)
        content = received[place + 5 : place + 5 + size]
        place += 5 + size
        if len(content) < size:
            break
        if kind == b"P" and len(report.images) < MOST_FIGURES:
            _take_image(report, content)
        elif kind == b"J" and size <= _LARGEST_JSON:
            try:
                _take(report, json.loads(content))
            except (ValueError, RecursionError):
                break
    return report


def _take_image(report: Report, content: bytes) -> None:
    if is_png(content):
        report.images.append(content)
    else:
        report.notes.append("a file that is not a proper PNG image was left out")


def _take(report: Report, message: object) -> None:
    if not isinstance(message, dict):
        return
    report.ready = report.ready or message.get("ready") is True
    for name in ("error", "value"):
        text = message.get(name)
        if isinstance(text, str):
            setattr(report, name, text[:_LONGEST_TEXT])
    notes = message.get("notes")
    if isinstance(notes, list):
        report.notes += [note[:_LONGEST_CELL] for note in notes[:20] if isinstance(note, str)]
    table = message.get("table")
    if isinstance(table, dict):
        report.table, report.table_rows = _table(table)


def _table(found: dict[str, Any]) -> tuple[dict[str, Any] | None, int]:
    columns, rows, total = found.get("columns"), found.get("rows"), found.get("total")
    if not isinstance(columns, list) or not isinstance(rows, list) or not columns:
        return None, 0
    columns = [str(name)[:_LONGEST_CELL] for name in columns[:_MOST_COLUMNS]]
    kept = [
        [_cell(cell) for cell in row[: len(columns)]] + [None] * (len(columns) - len(row))
        for row in rows[:_MOST_ROWS]
        if isinstance(row, list)
    ]
    return {"columns": columns, "rows": kept}, max(len(kept), total if isinstance(total, int) else 0)


def _cell(value: object) -> object:
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 1 << 53):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)[:_LONGEST_CELL]


def is_png(content: bytes) -> bool:
    """Whether this is a PNG file and nothing else: signature, sound chunks from IHDR to IEND, a bearable size.

    Source: ISO/IEC 15948.
    """
    if not content.startswith(_SIGNATURE) or len(content) > _LARGEST_IMAGE:
        return False
    place, kinds = len(_SIGNATURE), []
    while len(content) - place >= 12:
        size = int.from_bytes(content[place : place + 4])
        end = place + 12 + size
        if end > len(content) or zlib.crc32(content[place + 4 : end - 4]) != int.from_bytes(content[end - 4 : end]):
            return False
        kinds.append(content[place + 4 : place + 8])
        if len(kinds) == 1 and not (size == 13 and _bearable(content[place + 8 : place + 16])):
            return False
        place = end
        if kinds[-1] == b"IEND":
            break
    return place == len(content) and kinds[:1] == [b"IHDR"] and kinds[-1:] == [b"IEND"] and b"IDAT" in kinds


def _bearable(size: bytes) -> bool:
    width, height = int.from_bytes(size[:4]), int.from_bytes(size[4:])
    return 0 < width * height <= _MOST_PIXELS


def store(images: Iterable[bytes], folder: Path) -> list[dict[str, str]]:
    """Write images under names of our own making into a folder, which is made if need be.

    Returns:
        `{"name", "media_type", "path"}` of each.

    Raises:
        OSError: the folder is a link or cannot be written to.
    """
    files = []
    for number, image in enumerate(images, 1):
        name = f"plot-{secrets.token_hex(8)}.png"
        folder.mkdir(parents=True, exist_ok=True)
        beneath = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with open(os.open(name, flags, 0o600, dir_fd=beneath), "wb") as file:
                file.write(image)
        finally:
            os.close(beneath)
        files.append({"name": f"plot-{number}.png", "media_type": "image/png", "path": str(folder / name)})
    return files
