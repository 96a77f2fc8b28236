"""Jupyter notebooks (.ipynb): one part per cell, code with its text output (nbformat 3 and 4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from knowledge.errors import DocumentError
from knowledge.loaders.extract import MB, File, Part, fenced
from knowledge.text import decode

MAX_BYTES = 64 * MB


def load(file: File) -> Iterator[Part]:
    """One part per cell with text, "cell N" by its place in the notebook."""
    book = json.loads(decode(file.read(MAX_BYTES), file.name))
    if not isinstance(book, dict) or not isinstance(book.get("cells", book.get("worksheets")), list):
        raise DocumentError(f"{file.name} is not a notebook: it has no list of cells.")
    language = _language(book)
    for number, cell in enumerate(_cells(book), start=1):
        source = _joined(cell.get("source", cell.get("input")))
        if cell.get("cell_type") == "code":
            blocks = [fenced(source, language)] if source.strip() else []
            blocks += [fenced(text, "") for text in _outputs(cell) if text.strip()]
            source = "\n\n".join(blocks)
        yield Part(source, part=f"cell {number}", markup="markdown")


def _cells(book: dict[str, Any]) -> Iterator[dict[str, Any]]:
    sheets = book.get("worksheets") or [book]
    for sheet in sheets:
        for cell in (sheet.get("cells") or []) if isinstance(sheet, dict) else []:
            yield cell if isinstance(cell, dict) else {}


def _language(book: dict[str, Any]) -> str:
    metadata = book.get("metadata")
    described = metadata.get("language_info") if isinstance(metadata, dict) else None
    name = described.get("name") if isinstance(described, dict) else None
    return name if isinstance(name, str) and name.isalnum() else ""


def _outputs(cell: dict[str, Any]) -> Iterator[str]:
    """What the cell printed, returned as text, or failed with."""
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, dict):
            continue
        data = output.get("data") if isinstance(output.get("data"), dict) else {}
        if "traceback" in output:
            yield _joined(output["traceback"], "\n")
        else:
            yield _joined(output.get("text") or (data or {}).get("text/plain"))


def _joined(value: object, separator: str = "") -> str:
    if isinstance(value, list):
        return separator.join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""
