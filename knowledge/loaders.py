"""File suffix → documents. Knows formats and limits; knows no index.

A loader is a function `(path) -> Iterator[Document]`. Each `Document` holds sanitized text and the
metadata `source` (path as given), `page` (1-based, None where there are no pages) and `markup`
("markdown" when `#` lines are headings, else "plain"). To support another format, add it to `LOADERS`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.errors import DocumentError
from knowledge.text import decode, sanitize

if TYPE_CHECKING:
    from langchain_core.documents import Document

MAX_TEXT_BYTES = 64 * 2**20
MAX_HTML_BYTES = 32 * 2**20
MAX_PDF_BYTES = 256 * 2**20
MAX_LINE_CHARS = 4_000_000
_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "site-packages", "venv"})

Loader = Callable[[Path], Iterator["Document"]]


def load_text(path: Path) -> Iterator[Document]:
    """A plain text file as one document."""
    yield _document(path, decode(_read(path, MAX_TEXT_BYTES), path.name))


def load_markdown(path: Path) -> Iterator[Document]:
    """A Markdown file as one document whose lines are the file's."""
    yield _document(path, decode(_read(path, MAX_TEXT_BYTES), path.name), markup="markdown")


def load_html(path: Path) -> Iterator[Document]:
    """A web page as one document of readable text; scripts and styles are left out."""
    from knowledge.webpage import declared_charset, page_text

    data = _read(path, MAX_HTML_BYTES)
    yield _document(path, page_text(decode(data, path.name, declared_charset(data))), markup="markdown")


def load_pdf(path: Path) -> Iterator[Document]:
    """A PDF as one document per page that has text."""
    import logging

    import pypdf

    # It reports every oddity of a file on stderr; ours is one sentence per file that fails.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    _check_size(path, MAX_PDF_BYTES)
    empty = True
    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentError(f"{path.name} is encrypted.", fix="Save a copy without the password.")
        for number, page in enumerate(reader.pages, start=1):
            text = page.extract_text()
            if text.strip():
                empty = False
                yield _document(path, text, page=number)
    except (DocumentError, OSError, GeneratorExit):
        raise
    except Exception as error:  # a damaged PDF breaks its parser in any of dozens of ways
        raise DocumentError(f"{path.name} is not a PDF that can be read: {_one_line(error)}.") from error
    if empty:
        raise DocumentError(
            f"{path.name} holds no text: its pages are empty or scanned images.",
            fix="Run it through text recognition (OCR) first.",
        )


LOADERS: dict[str, Loader] = {
    ".txt": load_text,
    ".text": load_text,
    ".rst": load_text,
    ".md": load_markdown,
    ".markdown": load_markdown,
    ".html": load_html,
    ".htm": load_html,
    ".pdf": load_pdf,
}


def lazy_load(path: Path) -> Iterator[Document]:
    """The documents of one file, by its suffix.

    Raises:
        DocumentError: the type is unknown, or the file is empty, binary, encrypted, damaged or too long.
        OSError: the file cannot be opened or read.
    """
    loader = LOADERS.get(path.suffix.lower())
    if loader is None:
        known = ", ".join(sorted(LOADERS))
        raise DocumentError(f"{path.name} is of a type that cannot be read.", fix=f"Readable types: {known}.")
    return loader(path)


def find_files(root: Path) -> Iterator[Path]:
    """Files below a folder, sorted, whatever their type; the file itself when `root` is one.

    Hidden files and folders, environments and package caches are left out. Links to folders are not
    followed: they may form a loop or lead out of what the user named.
    """
    if not root.is_dir():
        yield root
        return
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if name[0] != "." and name not in _SKIPPED_FOLDERS)
        for name in sorted(names):
            if name[0] != ".":
                yield Path(folder, name)


def _document(path: Path, text: str, *, page: int | None = None, markup: str = "plain") -> Document:
    from langchain_core.documents import Document

    text = sanitize(text)
    if not text.strip():
        raise DocumentError(f"{path.name} holds no text.")
    longest = max(map(len, text.split("\n")))
    if longest > MAX_LINE_CHARS:
        what = f"{path.name} has a line of {longest:,} characters"
        raise DocumentError(f"{what}: that is data, not text to read.")
    metadata: dict[str, Any] = {"source": str(path), "page": page, "markup": markup}
    return Document(page_content=text, metadata=metadata)


def _read(path: Path, limit: int) -> bytes:
    _check_size(path, limit)
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise DocumentError(f"{path.name} grew past the limit of {limit >> 20} MB while it was read.")
    return data


def _check_size(path: Path, limit: int) -> None:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise DocumentError(f"{path.name} is not a regular file.")
    if status.st_size > limit:
        size = status.st_size / 2**20
        raise DocumentError(
            f"{path.name} is {size:,.0f} MB long; the limit for {path.suffix} files is {limit >> 20} MB.",
            fix="Split it into smaller files.",
        )
    if status.st_size == 0:
        raise DocumentError(f"{path.name} is empty.")


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200].rstrip(".")
