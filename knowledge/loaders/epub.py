"""Books (.epub): one part per chapter file, in reading order (EPUB 3.3, section 5)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from knowledge.errors import DocumentError
from knowledge.loaders.extract import MB, File, Part, not_read
from knowledge.loaders.package import Package, inner_path, local, open_package
from knowledge.loaders.webpage import declared_charset, page_text
from knowledge.text import decode

MAX_BYTES = 256 * MB
_CONTAINER = "META-INF/container.xml"
_RIGHTS = "META-INF/rights.xml"
_READABLE = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})


def load(file: File) -> Iterator[Part]:
    """One part per content document with text, "chapter N" by its place in the spine.

    Raises:
        DocumentError: it is protected, damaged or no EPUB.
    """
    failures: list[str] = []
    with open_package(file, MAX_BYTES) as package:
        if _RIGHTS in package:
            raise DocumentError(f"{file.name} is protected against copying.", fix="Use a copy without protection.")
        for number, name in enumerate(_spine(package), start=1):
            if name not in package:
                failures.append(f"Chapter {number} of {file.name} is missing: there is no {name}.")
                continue
            data = package.read(name)
            if data.strip():
                text = page_text(decode(data, f"{file.name}, chapter {number}", declared_charset(data)))
                yield Part(text, part=f"chapter {number}", markup="markdown")
    yield from not_read(failures)


def _spine(package: Package) -> Iterator[str]:
    """Names of the content documents in reading order."""
    root = next((entry for entry in package.tree(_CONTAINER).iter() if local(entry) == "rootfile"), None)
    name = root.get("full-path", "") if root is not None else ""
    book = package.tree(name)
    items = {
        entry.get("id"): inner_path(posixpath.dirname(name), entry.get("href", ""))
        for entry in book.iter()
        if local(entry) == "item" and entry.get("media-type") in _READABLE
    }
    for entry in book.iter():
        if local(entry) == "itemref" and entry.get("idref") in items:
            yield items[entry.get("idref")]
