"""Workbooks (.xlsx): one table per sheet, with the values that formulas had when it was saved.

Office Open XML, ECMA-376 part 1, chapter 18. Rows keep their numbers; dates are written as ISO 8601.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

from knowledge.errors import DocumentError
from knowledge.loaders.extract import MB, File, Part
from knowledge.loaders.package import Package, local, open_package
from knowledge.loaders.table import table

MAX_BYTES = 64 * MB
MAX_COLUMNS = 16_384
MAX_ROWS = 1_048_576
_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_DATE_FORMATS = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
# In a number format, quoted text, escaped characters and what stands in brackets (colours, currencies, conditions)
# say nothing about dates, except for hours, minutes and seconds that have passed: [h], [mm] and the like.
_FORMAT_NOISE = re.compile(r'"[^"]*"|\\.|\[(?!(?:h+|m+|s+)\])[^\]]*\]|_.')
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})$")


def load(file: File) -> Iterator[Part]:
    """One part per sheet that holds anything, "sheet NAME"."""
    with open_package(file, MAX_BYTES) as package:
        main = next((target for kind, target in package.relations("").values() if kind == "officeDocument"), "")
        main = main or "xl/workbook.xml"
        relations = package.relations(main)
        book = package.tree(main)
        by_kind = {kind: target for kind, target in relations.values()}
        reader = _SheetReader(_strings(package, by_kind), _dates(package, by_kind), _epoch(book))
        for sheet in book.iter(f"{_S}sheet"):
            kind, target = relations.get(sheet.get(f"{_R}id", ""), ("", ""))
            if kind == "worksheet":
                rows = reader.rows(package.elements(target, f"{_S}row"))
                yield from table(rows, part=f"sheet {sheet.get('name', '')}")


def _epoch(book: Element) -> datetime:
    properties = book.find(f"{_S}workbookPr")
    since_1904 = properties is not None and properties.get("date1904") in ("1", "true")
    # Day 60 of the usual system is 29 February 1900, which never was: from March on, day 0 is 30 December.
    return datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30)


def _strings(package: Package, by_kind: dict[str, str]) -> list[str]:
    name = by_kind.get("sharedStrings", "")
    return [_text(item) for item in package.elements(name, f"{_S}si")] if name in package else []


def _dates(package: Package, by_kind: dict[str, str]) -> list[bool]:
    """For every cell style, whether its number format shows a date or time."""
    name = by_kind.get("styles", "")
    if name not in package:
        return []
    styles = package.tree(name)
    own = {
        entry.get("numFmtId", ""): bool(
            re.search("[ymdhs]", _FORMAT_NOISE.sub("", entry.get("formatCode", "").lower()))
        )
        for entry in styles.iter(f"{_S}numFmt")
    }
    formats = styles.find(f"{_S}cellXfs")
    numbers = [entry.get("numFmtId", "0") for entry in formats] if formats is not None else []
    return [own.get(number, number.isdigit() and int(number) in _DATE_FORMATS) for number in numbers]


def _text(item: Element) -> str:
    """The text of a string, without the reading aids (phonetic runs) that may stand beside it."""
    pieces = []
    for child in item:
        if local(child) == "t":
            pieces.append(child.text or "")
        elif local(child) == "r":
            pieces += [run.text or "" for run in child.iter(f"{_S}t")]
    return "".join(pieces)


class _SheetReader:
    def __init__(self, strings: list[str], dates: list[bool], epoch: datetime) -> None:
        self._strings = strings
        self._dates = dates
        self._epoch = epoch

    def rows(self, elements: Iterable[Element]) -> Iterator[tuple[int, list[str]]]:
        """(number, cells) of each row that the sheet lists."""
        last = 0
        for row in elements:
            number = row.get("r", "")
            last = int(number) if number.isdigit() else last + 1
            if last > MAX_ROWS:
                raise DocumentError(f"A sheet has a row {last:,}; the format ends at {MAX_ROWS:,}.")
            yield last, self._cells(row)

    def _cells(self, row: Element) -> list[str]:
        cells: list[str] = []
        for cell in row:
            if local(cell) != "c":
                continue
            found = _REFERENCE.match(cell.get("r", ""))
            column = _column(found.group(1)) if found else len(cells)
            if column < MAX_COLUMNS:
                cells += [""] * (column - len(cells) + 1)
                cells[column] = self._value(cell)
        return cells

    def _value(self, cell: Element) -> str:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            inline = cell.find(f"{_S}is")
            return _text(inline) if inline is not None else ""
        value = cell.findtext(f"{_S}v") or ""
        if kind == "s":
            return self._strings[int(value)] if value.isdigit() and int(value) < len(self._strings) else ""
        if kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        style = cell.get("s", "")
        is_date = kind == "n" and style.isdigit() and int(style) < len(self._dates) and self._dates[int(style)]
        return self._date(value) if is_date else _number(value) if kind == "n" else value

    def _date(self, value: str) -> str:
        try:
            days = float(value)
            moment = self._epoch + timedelta(days=days)
        except (ValueError, OverflowError):
            return value
        moment = (moment + timedelta(microseconds=500_000)).replace(microsecond=0)
        if days < 1:
            return moment.time().isoformat()
        return moment.date().isoformat() if moment.time() == datetime.min.time() else moment.isoformat(" ")


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _number(value: str) -> str:
    """The number as a person wrote it: the file has 17 digits of what is 0.1 + 0.2."""
    try:
        short = f"{float(value):.15g}"
    except ValueError:
        return value
    return short if len(short) < len(value) else value
