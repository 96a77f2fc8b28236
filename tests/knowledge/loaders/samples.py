"""Small valid files of every format, written here byte by byte or with the libraries people make them with."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

from tests.knowledge.pdf import write_pdf

GUIDE = "# Pump\n\nThe pump runs at night.\n\n## Filter\n\nRinse the filter every two weeks.\n"
PAGE = "<html><title>Bees</title><body><h1>Bees</h1><p>A hive holds 60,000 bees.</p></body></html>"
RST = "Boats\n=====\n\nThe mast is eleven metres high.\n\nSails\n-----\n\nFold them dry.\n"
CSV = 'Part,Price,Note\nPump,120,runs at night\n\nFilter,15,"rinse,\noften"\n'
JSON = (
    '{\n  "name": "Heron",\n  "parts": [\n    {"id": 7, "label": "filter"},\n    {"id": 8, "label": "hose"}\n  ]\n}\n'
)
LINES = '{"id": 1, "text": "first record"}\n\n{"id": 2, "text": "second record"}\n'
PYTHON = (
    'import os\n\n\nclass Pump:\n    """A pump."""\n\n    @property\n    def rate(self) -> int:\n        return 3\n'
)
MBOX_LINE = b"From ada@example.org Sat Nov 21 10:00:00 2026\n"


def docx() -> bytes:
    import docx

    document = docx.Document()
    document.add_heading("Warranty", 1)
    document.add_paragraph("The warranty is 24 months.")
    document.add_paragraph("Keep the bill.", style="List Bullet")
    document.add_heading("Repairs", 2)
    table = document.add_table(rows=2, cols=2)
    for row, cells in zip(table.rows, (("Part", "Price"), ("Pump", "120")), strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    document.add_paragraph("Send it to Basel.")
    return _saved(document.save)


def pptx() -> bytes:
    import pptx

    show = pptx.Presentation()
    for title, body, notes in (("Plan", "Build the pump", "Say it slowly"), ("Budget", "120 francs a piece", "")):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
        if notes:
            slide.notes_slide.notes_text_frame.text = notes
    return _saved(show.save)


def xlsx() -> bytes:
    from datetime import date

    import openpyxl

    book = openpyxl.Workbook()
    prices = book.active
    prices.title = "Prices"
    prices.append(["Part", "Price", "Since"])
    prices.append(["Pump", 120.5, date(2026, 3, 1)])
    prices["A5"], prices["B5"] = "Hose", 7
    stock = book.create_sheet("Stock")
    stock["B3"], stock["C3"], stock["B4"], stock["C4"] = "Part", "Here", "Pump", True
    return _saved(book.save)


def epub() -> bytes:
    container = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    kind = 'media-type="application/xhtml+xml"'
    items = f'<item id="a" href="one.xhtml" {kind}/><item id="b" href="two%20b.xhtml" {kind}/>'
    book = f'<package><manifest>{items}</manifest><spine><itemref idref="b"/><itemref idref="a"/></spine></package>'
    return packed(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "OEBPS/book.opf": book,
            "OEBPS/one.xhtml": "<html><body><h1>The end</h1><p>It sank.</p></body></html>",
            "OEBPS/two b.xhtml": "<html><body><h1>The start</h1><p>It sailed.</p></body></html>",
        }
    )


def message(subject: str = "The pump – at last", attached: dict[str, bytes] | None = None) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ada <ada@example.org>", "bob@example.org", subject
    mail["Date"] = "Sat, 21 Nov 2026 10:00:00 +0000"
    mail.set_content("The pump arrives on Friday.\nBring the filter.\n")
    mail.add_alternative("<p>The pump arrives on <b>Friday</b>.</p>", subtype="html")
    for name, data in (attached or {"notes.md": GUIDE.encode(), "photo.png": b"\x89PNG"}).items():
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


def mailbox() -> bytes:
    quoted = message("Second").replace(b"Bring the filter.", b"\n>From here on it rains.")
    return MBOX_LINE + message("First") + b"\n" + MBOX_LINE + quoted


def notebook() -> bytes:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Tides\n", "Read the gauge."]},
        {
            "cell_type": "code",
            "metadata": {},
            "source": "print(6 * 7)",
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["42\n"]}],
        },
    ]
    book = {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book).encode()


def archive() -> bytes:
    inner = packed({"deep/list.csv": CSV})
    return packed({"notes/pump.md": GUIDE, "plan.pptx": pptx(), "inner.zip": inner, "photo.png": b"\x89PNG"})


def packed(members: dict[str, str | bytes]) -> bytes:
    """A zip archive of the members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return stream.getvalue()


def _pdf(folder: Path) -> bytes:
    return write_pdf(folder / "made.pdf", ["The boat sails at dawn.", "Its mast is eleven metres high."]).read_bytes()


def everything(folder: Path, pdf: bytes | None = None) -> dict[str, bytes]:
    """File name → content, one for every kind of loader; the PDF is written to `folder` first, unless given."""
    return {
        "moon.txt": b"The moon is 384,400 km away.\n\nIt has no air.\n",
        "pump.md": GUIDE.encode(),
        "boat.rst": RST.encode(),
        "bees.html": PAGE.encode(),
        "boat.pdf": _pdf(folder) if pdf is None else pdf,
        "warranty.docx": docx(),
        "plan.pptx": pptx(),
        "prices.xlsx": xlsx(),
        "parts.csv": CSV.encode(),
        "parts.tsv": b"Part\tPrice\nPump\t120\n",
        "heron.json": JSON.encode(),
        "packed.json": json.dumps(json.loads(JSON)).encode(),
        "records.jsonl": LINES.encode(),
        "book.epub": epub(),
        "letter.eml": message(),
        "letters.mbox": mailbox(),
        "tides.ipynb": notebook(),
        "pump.py": PYTHON.encode(),
        "pump.ts": b"export class Pump {\n  rate(): number {\n    return 3;\n  }\n}\n",
        "all.zip": archive(),
    }


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()
