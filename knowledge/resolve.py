"""From a citation back to the document: does the file still say what was quoted?"""

from __future__ import annotations

from pathlib import Path

from knowledge.errors import DocumentError
from knowledge.loaders import lazy_load
from knowledge.schema import Passage

_FIX = "Run `ratchet ingest` on its folder to index it again."


def resolve(passage: Passage) -> str:
    """Read the source again and return the exact text of the passage's place.

    That is the whole of lines `start_line`..`end_line`, except for a passage cut out of one long line:
    then it is the piece itself, found in that line.

    Raises:
        DocumentError: the file is gone, cannot be read, or no longer says this there.
    """
    path = Path(passage.source)
    try:
        documents = lazy_load(path)
        found = next((doc for doc in documents if doc.metadata.get("page") == passage.page), None)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DocumentError(f"{passage.source} cannot be opened: {reason}.", fix=_FIX) from error
    lines = found.page_content.split("\n")[passage.start_line - 1 : passage.end_line] if found else []
    text = "\n".join(lines)
    if text == passage.text or (len(lines) == 1 and passage.text in text):
        return passage.text
    raise DocumentError(f"{passage.source} has changed since it was indexed ({passage.locator}).", fix=_FIX)
