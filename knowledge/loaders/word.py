"""Word documents (.docx): paragraphs, headings, lists, tables and notes, as Markdown.

Office Open XML, ECMA-376 part 1, chapter 17. What is deleted under tracked changes is left out; headers and
footers are too, as they repeat on every page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from knowledge.loaders.extract import MB, File, Part
from knowledge.loaders.package import Package, local, open_package
from knowledge.loaders.table import markdown_table

MAX_BYTES = 128 * MB
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING_NAME = re.compile(r"heading ([1-9])$", re.IGNORECASE)
_TITLES = {"title": 1, "subtitle": 2}
_NOTES = ("footnotes", "endnotes")
# `Fallback` repeats, for old programs, what stands beside it.
_PASSED_OVER = frozenset({"Fallback", "del", "moveFrom", "instrText", "pPr", "rPr", "sectPr", "tblPr", "trPr", "tcPr"})


def load(file: File) -> Iterator[Part]:
    """The document as one part, followed by its foot- and endnotes."""
    with open_package(file, MAX_BYTES) as package:
        name = _main_part(package)
        styles = _related(package, name, "styles")
        reader = _DocumentReader(*_styles(styles if styles is not None else Element("styles")))
        body = package.tree(name).find(f"{_W}body")
        blocks = reader.blocks(body) if body is not None else []
        blocks += _notes(package, name, reader)
    yield Part("\n\n".join(blocks), markup="markdown")


def _main_part(package: Package) -> str:
    for kind, target in package.relations("").values():
        if kind == "officeDocument":
            return target
    return "word/document.xml"


def _related(package: Package, name: str, kind: str) -> Element | None:
    for found, target in package.relations(name).values():
        if found == kind and target in package:
            return package.tree(target)
    return None


def _styles(styles: Element) -> tuple[dict[str, int], set[str]]:
    """Style id → heading level, by the styles' names, outline levels and what they are based on; ids of list styles."""
    levels: dict[str, int] = {}
    based: dict[str, str] = {}
    lists: set[str] = set()
    for style in styles.iter(f"{_W}style"):
        identifier = style.get(f"{_W}styleId", "")
        title = _value(style, "name").lower()
        found = _HEADING_NAME.match(title)
        outline = _value(style, "pPr/outlineLvl")
        if found:
            levels[identifier] = int(found.group(1))
        elif title in _TITLES:
            levels[identifier] = _TITLES[title]
        elif outline.isdigit() and int(outline) < 9:
            levels[identifier] = int(outline) + 1
        elif _has(style, "pPr/numPr"):
            lists.add(identifier)
        else:
            based[identifier] = _value(style, "basedOn")
    levels |= {identifier: levels[parent] for identifier, parent in based.items() if parent in levels}
    lists |= {identifier for identifier, parent in based.items() if parent in lists}
    return levels, lists


def _has(element: Element, path: str) -> bool:
    return element.find("/".join(f"{_W}{step}" for step in path.split("/"))) is not None


def _value(element: Element, path: str) -> str:
    found = element.find("/".join(f"{_W}{step}" for step in path.split("/")))
    return found.get(f"{_W}val", "") if found is not None else ""


def _notes(package: Package, name: str, reader: _DocumentReader) -> list[str]:
    blocks = []
    for kind in _NOTES:
        notes = _related(package, name, kind)
        for note in notes if notes is not None else ():
            if note.get(f"{_W}type", "normal") == "normal":
                text = " ".join(reader.blocks(note))
                blocks.append(f"[{note.get(f'{_W}id', '')}] {text}" if text else "")
    return [block for block in blocks if block]


class _DocumentReader:
    def __init__(self, levels: dict[str, int], lists: set[str]) -> None:
        self._levels = levels
        self._lists = lists

    def blocks(self, parent: Element) -> list[str]:
        """Paragraphs and tables below an element, in order; neighbouring list items form one block."""
        blocks: list[str] = []
        in_list = False
        for element in _members(parent, "p", "tbl"):
            is_item = _has(element, "pPr/numPr") or _value(element, "pPr/pStyle") in self._lists
            text = self._table(element) if local(element) == "tbl" else self._paragraph(element, is_item)
            if not text:
                continue
            if is_item and in_list:
                blocks[-1] += f"\n{text}"
            else:
                blocks.append(text)
            in_list = is_item and text.startswith("- ")
        return blocks

    def _paragraph(self, paragraph: Element, is_item: bool) -> str:
        text = _text(paragraph).strip()
        if not text:
            return ""
        level = self._level(paragraph)
        if level:
            return f"{'#' * min(level, 6)} {' '.join(text.split())}"
        return f"- {' '.join(text.split())}" if is_item else text

    def _level(self, paragraph: Element) -> int:
        outline = _value(paragraph, "pPr/outlineLvl")
        if outline.isdigit():
            return int(outline) + 1 if int(outline) < 9 else 0
        return self._levels.get(_value(paragraph, "pPr/pStyle"), 0)

    def _table(self, table: Element) -> str:
        rows = []
        for row in _members(table, "tr"):
            rows.append([" ".join(_text(cell).split()) for cell in _members(row, "tc")])
        return markdown_table(rows)


def _members(parent: Element, *names: str) -> Iterator[Element]:
    """The outermost elements of these names, also those wrapped in content controls or tracked insertions."""
    for child in parent:
        if local(child) in names:
            yield child
        elif local(child) not in _PASSED_OVER:
            yield from _members(child, *names)


def _text(element: Element) -> str:
    pieces: list[str] = []
    _collect(element, pieces)
    return "".join(pieces)


def _collect(element: Element, pieces: list[str]) -> None:
    for child in element:
        name = local(child)
        if name == "t":
            pieces.append(child.text or "")
        elif name in ("tab", "ptab"):
            pieces.append("\t")
        elif name in ("br", "cr"):
            pieces.append("\n")
        elif name == "noBreakHyphen":
            pieces.append("-")
        elif name in ("footnoteReference", "endnoteReference"):
            pieces.append(f"[{child.get(f'{_W}id', '')}]")
        elif name not in _PASSED_OVER:
            if name in ("p", "tc", "tr") and pieces and not pieces[-1].endswith("\n"):
                pieces.append("\n")
            _collect(child, pieces)
