"""Suffix → loader, for the formats that Ratchet reads itself.

To support another format, write a module with a function `(File) -> Iterator[Part]` and name it here. A
loader may let any exception out of its parser: `knowledge.loaders.reading` turns it into one sentence.
"""

from __future__ import annotations

import importlib
from typing import cast

from knowledge.loaders.extract import Loader
from knowledge.loaders.languages import LANGUAGES

_MODULES: dict[str, tuple[str, ...]] = {
    "plain:load_text": tuple(
        ".txt .text .log .adoc .org .tex .ini .cfg .conf .toml .yaml .yml".split(),
    ),
    "plain:load_structured_text": (".rst",),
    "plain:load_markdown": (".md", ".markdown", ".mdx"),
    "webpage:load": (".html", ".htm", ".xhtml"),
    "pdf:load": (".pdf",),
    "word:load": (".docx",),
    "slides:load": (".pptx",),
    "spreadsheet:load": (".xlsx",),
    "table:load": (".csv", ".tsv"),
    "values:load_json": (".json",),
    "values:load_lines": (".jsonl", ".ndjson"),
    "epub:load": (".epub",),
    "mail:load_message": (".eml",),
    "mail:load_mailbox": (".mbox",),
    "notebook:load": (".ipynb",),
    "code:load": tuple(LANGUAGES),
    "archive:load": (".zip",),
}
LOADERS: dict[str, str] = {suffix: loader for loader, suffixes in _MODULES.items() for suffix in suffixes}


def loader_of(suffix: str) -> Loader | None:
    """The loader for a suffix such as ".pdf"; None for a type that cannot be read."""
    named = LOADERS.get(suffix)
    if named is None:
        return None
    module, _, function = named.partition(":")
    return cast(Loader, getattr(importlib.import_module(f"knowledge.loaders.{module}"), function))
