"""The text of a file in the workspace: text as it stands, other formats through the confined reader."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from tools.stopping import Stopper

if TYPE_CHECKING:
    from langchain_core.documents import Document

MAX_BYTES = 64 * 2**20
MAX_CHARS = 20_000
READ_SECONDS = 30.0
# Formats whose text is not what their bytes say. All others are shown as they stand, or refused as binary.
_PACKED = frozenset(".pdf .docx .pptx .xlsx .epub .zip .eml .mbox".split())


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some lines of a file.

    Attributes:
        text: the lines, each part of the file (page, sheet, slide) under its name in brackets.
        first: the number of the first line, counted through all parts.
        last: the number of the last line.
        total: how many lines there are.
        cut: whether the last line is not shown whole.
        passages: the same text as evidence, `Passage.to_json`.
    """

    text: str
    first: int
    last: int
    total: int
    cut: bool
    passages: list[dict[str, Any]]


def documents_of(data: bytes, name: str, cancelled: Callable[[], bool]) -> list[Document]:
    """The parts of a file, as loaders give them.

    Raises:
        DocumentError: it is binary, damaged, encrypted, or takes too long.
    """
    from langchain_core.documents import Document

    from knowledge.text import decode, sanitize

    suffix = PurePath(name).suffix.lower()
    if suffix in _PACKED:
        return _confined(data, name, cancelled)
    markup = "markdown" if suffix in (".md", ".markdown", ".mdx") else "plain"
    metadata = {"source": name, "page": None, "part": "", "unit": "line", "first": 1, "markup": markup}
    return [Document(page_content=sanitize(decode(data, name)), metadata=metadata)]


def _confined(data: bytes, name: str, cancelled: Callable[[], bool]) -> list[Document]:
    """Read a copy: the worker opens files by path, and the workspace's might be another one by then."""
    from knowledge.loaders.process import Limits
    from knowledge.loaders.worker import Reader

    with tempfile.TemporaryDirectory(prefix="ratchet-read-") as folder:
        copy = Path(folder) / name
        copy.write_bytes(data)
        with Reader(Limits(seconds=READ_SECONDS)) as reader, Stopper(reader.close, READ_SECONDS, cancelled):
            return reader.read(copy)


def excerpt(documents: list[Document], source: str, first: int, count: int) -> Excerpt:
    """Lines `first` to `first + count - 1` of a file, at most `MAX_CHARS` characters of them."""
    shown: list[str] = []
    passages: list[dict[str, Any]] = []
    number, room, cut = 0, MAX_CHARS, False
    for document in documents:
        lines = document.page_content.removesuffix("\n").split("\n")
        begin, end = max(0, first - 1 - number), min(len(lines), first - 1 + count - number)
        number += len(lines)
        if begin >= end or room <= 0 or cut:
            continue
        taken = _fitting(lines[begin:end], room)
        cut = len(taken) < end - begin or taken[-1] != lines[begin + len(taken) - 1]
        room -= sum(len(line) + 1 for line in taken)
        shown.extend(_heading(document.metadata) + taken)
        passages.extend(_passages(document, lines, begin, taken, source))
        last = number - len(lines) + begin + len(taken)
    if not shown:
        return Excerpt("", first, first - 1, number, False, [])
    broken = cut and len(shown[-1]) >= MAX_CHARS
    return Excerpt("\n".join(shown), first, last, number, broken, passages)


def _fitting(lines: list[str], room: int) -> list[str]:
    """As many whole lines as there is room for; of the first at least what fits."""
    taken: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        taken.append(line)
    return taken or [lines[0][:MAX_CHARS]]


def _heading(metadata: dict[str, Any]) -> list[str]:
    page = f"page {metadata['page']}" if metadata["page"] is not None else ""
    name = ", ".join(filter(None, (metadata["part"], page)))
    return [f"[{name}]"] if name else []


def _passages(document: Document, lines: list[str], begin: int, taken: list[str], source: str) -> list[dict[str, Any]]:
    from langchain_core.documents import Document

    from knowledge.chunking import split

    metadata = {key: value for key, value in document.metadata.items() if key != "outline"}
    if metadata["markup"] == "table" and begin:  # the first line of a table is its header, and has no number
        taken, begin = [lines[0], *taken], begin - 1
    part = Document(page_content="\n".join(taken), metadata=metadata | {"first": metadata["first"] + begin})
    return [passage.to_json() for passage in split([part], source)]


def source_of(root: Path, parts: tuple[str, ...]) -> str:
    """How evidence calls a file of the workspace: its absolute path."""
    return os.path.join(os.path.abspath(root), *parts)
