"""PDF: the text of each page."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from knowledge.errors import DocumentError
from knowledge.loaders.extract import MB, File, Part, not_read, one_line

MAX_BYTES = 256 * MB


def load(file: File) -> Iterator[Part]:
    """One part per page that has text.

    Raises:
        DocumentError: it needs a password, or holds no text at all.
    """
    import pypdf

    # It reports every oddity of a file on stderr; ours is one sentence per file that fails.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    failures: list[str] = []
    empty = True
    with file.open(MAX_BYTES) as stream:
        reader = pypdf.PdfReader(stream)
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentError(f"{file.name} is encrypted.", fix="Save a copy without the password.")
        for number, page in enumerate(reader.pages, start=1):
            try:
                text = page.extract_text()
            except MemoryError:
                raise
            except Exception as error:  # a page may be damaged in any of dozens of ways; the others are worth having
                failures.append(f"Page {number} of {file.name} is damaged: {one_line(error)}.")
                continue
            if text.strip():
                empty = False
                yield Part(text, page=number)
    if empty and failures:
        raise DocumentError(failures[0])
    if empty:
        raise DocumentError(
            f"{file.name} holds no text: its pages are empty or scanned images.",
            fix="Run it through text recognition (OCR) first.",
        )
    yield from not_read(failures)
