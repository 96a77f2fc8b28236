"""Tables: comma- and tab-separated files, and the form that every table leaves a loader in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from knowledge.errors import DocumentError
from knowledge.loaders.extract import MB, File, Part
from knowledge.text import decode

MAX_BYTES = 64 * MB
_MAX_CELL = 1_000_000
_DELIMITERS = ",;\t|"
_SAMPLE_CHARS = 16_384


def load(file: File) -> Iterator[Part]:
    """The table as one part; row numbers are those that a spreadsheet program shows."""
    text = decode(file.read(MAX_BYTES), file.name)
    delimiter = "\t" if file.suffix == ".tsv" else _delimiter(text)
    # The limit is the module's, for everyone: never lowered, so that no other user of it is surprised.
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL))
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from table(enumerate(records, start=1))
    except csv.Error as error:
        raise DocumentError(f"{file.name} is not a table that can be read: row {records.line_num}: {error}.") from error


def table(rows: Iterable[tuple[int, list[str]]], part: str = "") -> Iterator[Part]:
    """A part in table form, from (row number, cells); nothing when all cells are empty.

    The first row with anything in it is taken as the header. Empty rows between others stay, as empty lines,
    so that line n of the text is row `first` + n - 1.
    """
    lines: list[str] = []
    first = 0
    for number, cells in rows:
        line = row_line(cells)
        if not line:
            continue
        first = first or number
        gap = number - first - len(lines)
        if gap < 0:
            raise DocumentError(f"The rows of a table are out of order at row {number}.")
        lines += [""] * gap
        lines.append(line)
    if lines:
        yield Part("\n".join(lines), part=part, unit="row", first=first, markup="table")


def markdown_table(rows: Iterable[list[str]]) -> str:
    """Rows of cells as a Markdown table, its first row the header; a lone row as a line; empty without text."""
    lines = [(" | ".join(cell.replace("|", "/") for cell in cells), len(cells)) for cells in rows if any(cells)]
    if len(lines) > 1:
        lines.insert(1, (" | ".join(["---"] * lines[0][1]), lines[0][1]))
    return "\n".join(line for line, _ in lines)


def row_line(cells: Iterable[str]) -> str:
    """One row as one line: cells joined by " | ", line ends inside a cell as blanks, empty ends cut off."""
    line = " | ".join(" ".join(cell.split()) for cell in cells)
    return line.rstrip(" |") if line.strip(" |") else ""


def _delimiter(text: str) -> str:
    """The delimiter that cuts the first rows into the most columns alike."""

    def columns_alike(delimiter: str) -> tuple[int, int]:
        sample = io.StringIO(text[:_SAMPLE_CHARS], newline="")
        try:
            widths = [
                len(row) for row, _ in zip(csv.reader(sample, delimiter=delimiter), range(20), strict=False) if row
            ]
        except csv.Error:
            return 0, 0
        widths = widths[:-1] if len(text) > _SAMPLE_CHARS and len(widths) > 1 else widths
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual), usual) if usual > 1 else (0, 0)

    return max(_DELIMITERS, key=columns_alike)
