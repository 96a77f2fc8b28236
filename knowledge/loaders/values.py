"""JSON: every value on a line that says where it stands (`address.city: Berlin`), and files of one record a line.

The reader follows RFC 8259 for well-formed text, passes over comments and superfluous commas as editors do, and
keeps its own stack: depth costs no recursion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from knowledge.errors import DocumentError
from knowledge.loaders.extract import MB, File, Part
from knowledge.text import decode

MAX_BYTES = 32 * MB
MAX_DEPTH = 200
_TOKEN = re.compile(
    r'\s*+(?:(?P<mark>[\[\]{}:,])|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<word>[^\s\[\]{}:,"]+)|$)',
    re.DOTALL,
)
_VALUES_A_LINE = 4  # more on average, and line numbers say little
_WORDS = {"true", "false", "null"}
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$|[+-]?(?:Infinity|NaN)$")
_CLOSING = {"[": "]", "{": "}"}


@dataclass(slots=True)
class _Level:
    """An array or object that is open."""

    mark: str
    path: str
    index: int = 0
    key: str | None = None


def load_json(file: File) -> Iterator[Part]:
    """A JSON file: line n of the text is line n of the file, or else (several values a line) of a list of values."""
    text = decode(file.read(MAX_BYTES), file.name)
    found = list(_values(text, file.name))
    if len({number for number, _ in found}) * _VALUES_A_LINE < len(found):
        yield Part("\n".join(value for _, value in found), part="values")
        return
    lines: list[list[str]] = [[] for _ in range(text.count("\n") + 1)]
    for number, value in found:
        lines[number - 1].append(value)
    yield Part("\n".join(map("; ".join, lines)))


def load_lines(file: File) -> Iterator[Part]:
    """A JSON Lines file: row n is line n, its values joined by semicolons."""
    text = decode(file.read(MAX_BYTES), file.name)
    rows = []
    for number, record in enumerate(text.split("\n"), start=1):
        try:
            rows.append("; ".join(line for _, line in _values(record, file.name)))
        except DocumentError as error:
            raise DocumentError(error.what.replace("line 1:", f"line {number}:"), fix=error.fix) from error
    yield Part("\n".join(rows), unit="row")


def _values(text: str, name: str) -> Iterator[tuple[int, str]]:
    """(line in the file, "path: value") for every string, number and word, in order."""
    levels: list[_Level] = []
    line, end = 1, 0
    # Matched where the last one ended, never searched for: that would take the square of a run of blanks.
    while end < len(text) and (token := _TOKEN.match(text, end)):
        kind = token.lastgroup
        line += text.count("\n", end, token.start(kind) if kind else token.end())
        end = token.end()
        if kind == "mark":
            _move(token[kind], levels, name, line)
        elif kind in ("string", "word"):
            value = _value(token[kind], name, line)
            top = levels[-1] if levels else None
            if top and top.mark == "{" and top.key is None:
                top.key = value
            elif value:
                yield line, " ".join(f"{_path(levels)}: {value}".split()).removeprefix(": ")
        elif kind == "comment":
            line += token[kind].count("\n")
    if end != len(text):
        unread = text[end:]
        line += unread[: len(unread) - len(unread.lstrip())].count("\n")
        raise _malformed(name, line, "a quote is not closed")
    if levels:
        raise _malformed(name, line, "it breaks off")


def _move(mark: str, levels: list[_Level], name: str, line: int) -> None:
    if mark in _CLOSING:
        if len(levels) >= MAX_DEPTH:
            raise _malformed(name, line, f"more than {MAX_DEPTH} levels deep")
        levels.append(_Level(mark, _path(levels)))
    elif mark in "]}":
        if not levels or _CLOSING[levels[-1].mark] != mark:
            raise _malformed(name, line, f"a {mark} too many")
        levels.pop()
    elif not levels:
        raise _malformed(name, line, f"a {mark} outside of any object")
    elif mark == ",":
        levels[-1].index += 1
        levels[-1].key = None


def _path(levels: list[_Level]) -> str:
    if not levels:
        return ""
    top = levels[-1]
    if top.mark == "[":
        return f"{top.path}[{top.index}]"
    return f"{top.path}.{top.key or ''}" if top.path else top.key or ""


def _value(written: str, name: str, line: int) -> str:
    if written[0] == '"':
        if "\\" not in written:
            return written[1:-1]
        try:
            return str(json.loads(written, strict=False))
        except ValueError as error:
            raise _malformed(name, line, "a wrong escape") from error
    if written in _WORDS or _NUMBER.match(written):
        return "" if written == "null" else written
    raise _malformed(name, line, f"{written[:40]!r} is no value")


def _malformed(name: str, line: int, why: str) -> DocumentError:
    return DocumentError(f"{name} is not JSON, line {line}: {why}.")
