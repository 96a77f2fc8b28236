"""From a citation back to the document: does the file still say what was quoted?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.errors import DocumentError
from knowledge.loaders import lazy_load
from knowledge.schema import Passage

if TYPE_CHECKING:
    from langchain_core.documents import Document

_FIX = "Run `ratchet ingest` on its folder to index it again."


def resolve(passage: Passage, read: Callable[[Path], Iterable[Document]] = lazy_load) -> str:
    """Read the source again and return the exact text of the passage's place.

    That is the whole of lines (or rows) `start_line`..`end_line` of its page and part, except for a passage cut
    out of one long line: then it is the piece itself, found in that line.

    Args:
        passage: what was quoted.
        read: how the file is read: `Reader.read` for one whose origin is not known, or with loaders of one's own.

    Raises:
        DocumentError: the file is gone, cannot be read, or no longer says this there.
    """
    path = Path(passage.source)
    place = (passage.page, passage.part)
    try:
        found = next((doc for doc in read(path) if (doc.metadata["page"], doc.metadata["part"]) == place), None)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DocumentError(f"{passage.source} cannot be opened: {reason}.", fix=_FIX) from error
    if found is not None and _says(found, passage):
        return passage.text
    raise DocumentError(f"{passage.source} has changed since it was indexed ({passage.locator}).", fix=_FIX)


def _says(document: Document, passage: Passage) -> bool:
    before = document.metadata["first"] - 1
    if passage.start_line <= before:
        return False
    named = document.page_content.split("\n")[passage.start_line - 1 - before : passage.end_line - before]
    text = "\n".join(named)
    return text == passage.text or (len(named) == 1 and bool(passage.text) and passage.text in text)
