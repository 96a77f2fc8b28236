"""Presentations (.pptx): one part per slide, its title as a heading, its notes below.

Office Open XML, ECMA-376 part 1, chapters 19 and 21. Text inside charts and diagrams is not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from knowledge.loaders.extract import MB, File, Part
from knowledge.loaders.package import Package, local, open_package
from knowledge.loaders.table import markdown_table

MAX_BYTES = 256 * MB
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_TITLES = frozenset({"title", "ctrTitle"})
_REPEATED = frozenset({"sldNum", "dt", "ftr", "hdr", "sldImg"})


def load(file: File) -> Iterator[Part]:
    """One part per slide with text, "slide N" in the order they are shown."""
    with open_package(file, MAX_BYTES) as package:
        for number, name in enumerate(_slides(package), start=1):
            blocks = list(_blocks(package.tree(name)))
            notes = [target for kind, target in package.relations(name).values() if kind == "notesSlide"]
            if notes and notes[0] in package:
                blocks += _notes(package.tree(notes[0]))
            yield Part("\n\n".join(blocks), part=f"slide {number}", markup="markdown")


def _slides(package: Package) -> Iterator[str]:
    main = next((target for kind, target in package.relations("").values() if kind == "officeDocument"), "")
    main = main or "ppt/presentation.xml"
    relations = package.relations(main)
    for entry in package.tree(main).iter(f"{_P}sldId"):
        _, target = relations.get(entry.get(f"{_R}id", ""), ("", ""))
        if target:
            yield target


def _notes(tree: Element) -> list[str]:
    text = "\n".join(_blocks(tree))
    return [f"Notes: {text}"] if text else []


def _blocks(tree: Element) -> Iterator[str]:
    """The text of each shape and table, in the order they were drawn."""
    for shape in tree.iter():
        if local(shape) == "sp":
            kind = _placeholder(shape)
            lines = [] if kind in _REPEATED else _paragraphs(shape)
            if lines and kind in _TITLES:
                yield f"# {' '.join(' '.join(lines).split())}"
            elif lines:
                yield "\n".join(lines)
        elif local(shape) == "tbl":
            rows = ([" ".join(_paragraphs(cell)) for cell in row.iter(f"{_A}tc")] for row in shape.iter(f"{_A}tr"))
            if text := markdown_table(rows):
                yield text


def _placeholder(shape: Element) -> str:
    found = shape.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
    return found.get("type", "body") if found is not None else ""


def _paragraphs(shape: Element) -> list[str]:
    lines = []
    for paragraph in shape.iter(f"{_A}p"):
        words = [
            (piece.text or "") if local(piece) == "t" else " "
            for piece in paragraph.iter()
            if local(piece) in ("t", "br")
        ]
        lines.append(" ".join("".join(words).split()))
    return [line for line in lines if line]
