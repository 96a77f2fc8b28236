"""What must not get lost, be taken for something else, or cost the rest of its file."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from knowledge.errors import DocumentError
from knowledge.loaders import lazy_load, reading
from tests.knowledge.loaders.samples import MBOX_LINE

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
GOOD = b"From: ada@example.org\nSubject: fine\n\nA good message.\n\n"


def texts(path: Path, data: bytes) -> dict[str, str]:
    path.write_bytes(data)
    return {document.metadata["part"]: document.page_content for document in lazy_load(path)}


def packed(**members: str | bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return stream.getvalue()


def mixed(*sections: tuple[str, str], kind: str = "mixed") -> bytes:
    body = "".join(f"--B\nContent-Type: {kind}\n\n{text}\n" for kind, text in sections)
    return f"Subject: s\nContent-Type: multipart/{kind}; boundary=B\n\n{body}--B--\n".encode()


def test_a_footer_in_plain_text_does_not_stand_for_a_body_in_html(tmp_path: Path) -> None:
    message = mixed(("text/html", "<p>The body."), ("text/plain", "The footer."), ("text/x-patch", "+ a line"))
    body = texts(tmp_path / "a.eml", message)["message 1"]
    assert body == "Subject: s\n\nThe body.\n\nThe footer.\n\n+ a line"


@pytest.mark.parametrize(("plain", "kept"), [("As text.", "As text."), ("  ", "As a page.")])
def test_of_alternatives_the_plain_text_is_taken_where_there_is_any(tmp_path: Path, plain: str, kept: str) -> None:
    message = mixed(("text/plain", plain), ("text/html", "<p>As a page."), kind="alternative")
    assert texts(tmp_path / "a.eml", message)["message 1"] == f"Subject: s\n\n{kept}"


def test_a_message_without_its_boundary_keeps_its_text(tmp_path: Path) -> None:
    message = b"Subject: s\nContent-Type: multipart/mixed\n\nHello there.\n"
    assert texts(tmp_path / "a.eml", message)["message 1"].endswith("Hello there.")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_headers_in_eight_bits_are_read(tmp_path: Path, encoding: str) -> None:
    message = "From: Jürgen <j@example.org>\nSubject: Grüße aus Köln\n\nHallo.\n".encode(encoding)
    assert texts(tmp_path / "a.eml", message)["message 1"].startswith("From: Jürgen <j@example.org>\nSubject: Grüße")


def test_a_broken_encoded_word_stays_as_it_is_written(tmp_path: Path) -> None:
    message = b"Subject: =?utf-8?b?YWJjZ=E?=\n\nHello there.\n"
    assert texts(tmp_path / "a.eml", message)["message 1"] == "Subject: =?utf-8?b?YWJjZ=E?=\n\nHello there."


def test_mail_in_seven_bit_japanese_is_read(tmp_path: Path) -> None:
    text = "会議は明日です。"
    message = b"Subject: s\nContent-Type: text/plain; charset=iso-2022-jp\n\n" + text.encode("iso-2022-jp")
    assert texts(tmp_path / "a.eml", message)["message 1"].endswith(text)


@pytest.mark.parametrize(
    "hostile",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=B%d\n\n--B%d\n" % (n, n) for n in range(2000)),
        b"Content-Type: text/plain\nContent-Disposition: attachment; filename*=utf-8\0''x.txt\n\nhello\n",
    ],
    ids=["nested", "nul"],
)
def test_one_hostile_message_does_not_cost_the_mailbox(tmp_path: Path, hostile: bytes) -> None:
    found = texts(tmp_path / "a.mbox", MBOX_LINE + GOOD + MBOX_LINE + hostile + b"\n\n" + MBOX_LINE + GOOD)
    assert list(found) == ["message 1", "message 3", "not read"]
    assert "Message 2" in found["not read"]


def test_a_sentence_that_begins_with_from_parts_no_message(tmp_path: Path) -> None:
    text = b"Subject: s\n\nFirst.\n\nFrom here on it gets serious.\n\n"
    found = texts(tmp_path / "a.mbox", MBOX_LINE + text + MBOX_LINE + GOOD)
    assert list(found) == ["message 1", "message 2"]
    assert "From here on it gets serious." in found["message 1"]
    assert len(texts(tmp_path / "b.mbox", b"From ada\n" + GOOD + b"From bob\n" + GOOD)) == 2


def test_a_member_that_is_data_does_not_cost_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 1_000)
    found = texts(tmp_path / "a.zip", packed(good_md="# Good", min_js="x" * 2_000))
    assert found["good.md"] == "# Good"
    assert "min.js has a line of 2,000 characters" in found["not read"]


def test_a_file_of_endless_parts_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part costs the reading process about a kilobyte, however short it is."""
    monkeypatch.setattr(reading, "MAX_PARTS", 100)
    book = {"cells": [{"cell_type": "markdown", "source": "a"}] * 100}
    assert len(texts(tmp_path / "a.ipynb", json.dumps(book).encode())) == 100
    book["cells"].append({"cell_type": "markdown", "source": "a"})
    with pytest.raises(DocumentError, match="more than 100 pages or parts"):
        texts(tmp_path / "a.ipynb", json.dumps(book).encode())


def test_a_chapter_that_is_missing_is_told(tmp_path: Path) -> None:
    items = "".join(f'<item id="{n}" href="{n}.xhtml" media-type="application/xhtml+xml"/>' for n in "ab")
    book = packed(
        **{
            "META-INF__container_xml": '<container><rootfile full-path="o.opf"/></container>',
            "o_opf": f'<package>{items}<spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
            "b_xhtml": "<p>The second chapter.",
        }
    )
    found = texts(tmp_path / "a.epub", book)
    assert found["chapter 2"] == "The second chapter."
    assert "Chapter 1 of a.epub is missing" in found["not read"]


def _cell(inner: str) -> str:
    return f"<w:tc>{inner}</w:tc>"


def _paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_cells_in_content_controls_are_read_and_inner_tables_once(tmp_path: Path) -> None:
    inner = f"<w:tbl><w:tr>{_cell(_paragraph('one'))}{_cell(_paragraph('two'))}</w:tr></w:tbl>"
    control = f"<w:sdt><w:sdtContent>{_cell(_paragraph('Berlin'))}</w:sdtContent></w:sdt>"
    rows = (_cell(_paragraph("Name")) + _cell(inner), _cell(_paragraph("City")) + control)
    body = "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in rows) + "</w:tbl>"
    document = packed(word__document_xml=f"<w:document {W}><w:body>{body}</w:body></w:document>")
    assert texts(tmp_path / "a.docx", document)[""] == "Name | one two\n--- | ---\nCity | Berlin"


@pytest.mark.parametrize(
    ("code", "shows_date"),
    [
        ("[$CHF-807] #,##0.00", False),
        ("[$USD-409] 0.00", False),
        ("0.00;[Magenta]-0.00", False),
        ("[White]0", False),
        ("[h]:mm", True),
        ("[ss]", True),
        ("[$-407]d. mmm yyyy", True),
    ],
)
def test_a_currency_or_colour_makes_no_date(tmp_path: Path, code: str, shows_date: bool) -> None:
    import openpyxl

    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["Price"])
    book.active.append([1500])
    book.active["A2"].number_format = code
    book.save(path)
    (document,) = lazy_load(path)
    assert (document.page_content.split("\n")[1] != "1500") is shows_date


def test_an_empty_heading_does_not_make_the_next_paragraph_one(tmp_path: Path) -> None:
    page = b"<h1>Bees</h1><h2><img src=x></h2><p>A hive.</p><ul><li></li></ul><p>Honey.</p>"
    assert texts(tmp_path / "a.html", page)[""] == "# Bees\n\nA hive.\n\nHoney."


def test_code_with_a_fence_in_it_stays_code(tmp_path: Path) -> None:
    page = b"<h1>Fences</h1><pre>a\n```\n# no heading\n</pre>"
    assert texts(tmp_path / "a.html", page)[""] == "# Fences\n\n````\na\n```\n# no heading\n````"


def test_a_run_of_blanks_takes_json_no_longer_than_text(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="a quote is not closed"):
        texts(tmp_path / "a.json", b'{"a": 1,' + b" " * 2_000_000 + b'"open')


def test_a_page_labelled_latin_is_read_as_browsers_do(tmp_path: Path) -> None:
    page = "<meta charset=iso-8859-1><p>“Quoted” – it’s › a fine œuvre".encode("cp1252")
    assert texts(tmp_path / "a.html", page)[""] == "“Quoted” – it’s › a fine œuvre"
