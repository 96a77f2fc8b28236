"""One file → its parts: the seam where every parser's failure becomes one sentence, and text is cleaned."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.errors import DocumentError
from knowledge.loaders.extract import MB, File, Part, one_line
from knowledge.loaders.registry import LOADERS, loader_of
from knowledge.text import sanitize

if TYPE_CHECKING:
    from langchain_core.documents import Document

MAX_CHARACTERS = 64 * MB
MAX_LINE = 4_000_000
MAX_PARTS = 200_000
_SAVE_AS = {".doc": ".docx", ".ppt": ".pptx", ".xls": ".xlsx", ".odt": ".docx", ".rtf": ".docx", ".msg": ".eml"}


def lazy_load(path: Path, loaders: Mapping[str, str] | None = None) -> Iterator[Document]:
    """The documents of one file, by its suffix, read in this process.

    Args:
        path: the file.
        loaders: suffix → dotted name of a LangChain loader, before those built in.

    Raises:
        DocumentError: the type is unknown, or the file is empty, binary, encrypted, damaged or too long.
        OSError: the file cannot be opened or read.
    """
    from langchain_core.documents import Document

    for part in read_parts(path, loaders or {}):
        yield Document(page_content=part.text, metadata=part.metadata(path))


def read_parts(path: Path, loaders: Mapping[str, str]) -> Iterator[Part]:
    """As `lazy_load`, in plain records: what a worker sends."""
    file = File(path, path.name)
    if named := loaders.get(file.suffix):
        from knowledge.loaders.plugin import load

        parts = load(named, file)
    else:
        parts = built_in(file)
    length, seen, empty = 0, set[tuple[int | None, str]](), True
    for part in guarded(parts, file):
        text = _clean(part.text, file)
        length += len(text)
        if length > MAX_CHARACTERS:
            what = f"{file.name} holds more than {MAX_CHARACTERS // MB} million characters of text."
            raise DocumentError(what, fix="Split it into smaller files.")
        if text.strip():
            empty = False
            if len(seen) == MAX_PARTS:
                what = f"{file.name} has more than {MAX_PARTS:,} pages or parts."
                raise DocumentError(what, fix="Split it into smaller files.")
            yield replace(part, text=text, part=_unique(part, seen))
    if empty:
        raise DocumentError(f"{file.name} holds no text.")


def built_in(file: File) -> Iterator[Part]:
    """The parts of a file by the loader of its suffix, as that loader gives them."""
    loader = loader_of(file.suffix)
    if loader is None:
        raise DocumentError(f"{file.name} is of a type that cannot be read.", fix=_advice(file.suffix))
    return loader(file)


def guarded(parts: Iterator[Part], file: File) -> Iterator[Part]:
    """The same parts; whatever a damaged file does to its parser comes out as a DocumentError."""
    try:
        yield from parts
    except (DocumentError, MemoryError):
        raise
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # those are a parser's: a place before the start of the file
            raise
        raise _damaged(file, error) from error
    except Exception as error:  # a damaged file breaks its parser in any of dozens of ways
        raise _damaged(file, error) from error


def _damaged(file: File, error: Exception) -> DocumentError:
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else one_line(error)
    kind = file.suffix.lstrip(".").upper()
    article = "an" if kind[:1] in set("AEFHILMNORSX") else "a"
    return DocumentError(f"{file.name} is not {article} {kind} file that can be read: {reason}.")


def _advice(suffix: str) -> str:
    if suffix in _SAVE_AS:
        return f"Save it as {_SAVE_AS[suffix]}."
    return f"Readable types: {', '.join(sorted(LOADERS))}."


def _clean(text: str, file: File) -> str:
    text = sanitize(text)
    refuse_data(text, file)
    return text


def refuse_data(text: str, file: File) -> None:
    """Raise DocumentError when a line is longer than any that a person reads."""
    longest = max(map(len, text.split("\n"))) if len(text) > MAX_LINE else 0
    if longest > MAX_LINE:
        what = f"{file.name} has a line of {longest:,} characters"
        raise DocumentError(f"{what}: that is data, not text to read.")


def _unique(part: Part, seen: set[tuple[int | None, str]]) -> str:
    """The name of a part, cleaned, with a number when the file has another of that name."""
    cleaned = " ".join(sanitize(part.part).split())
    name, number = cleaned, 1
    while (part.page, name) in seen:
        number += 1
        name = f"{cleaned} ({number})".strip()
    seen.add((part.page, name))
    return name
