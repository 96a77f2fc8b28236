from __future__ import annotations

import os
from pathlib import Path

import pytest

from knowledge.errors import DocumentError
from knowledge.loaders import lazy_load
from knowledge.loaders.reading import MAX_LINE
from knowledge.loaders.webpage import page_text
from tests.knowledge.pdf import encrypt_pdf, write_pdf


def load(path: Path) -> str:
    return "\n".join(document.page_content for document in lazy_load(path))


def test_markdown_keeps_the_lines_of_the_file(folder: Path) -> None:
    (document,) = lazy_load(folder / "garden.md")
    assert document.page_content == (folder / "garden.md").read_text(encoding="utf-8")
    place = {"source": str(folder / "garden.md"), "page": None, "part": "", "unit": "line", "first": 1}
    assert document.metadata == {**place, "markup": "markdown"}


def test_html_keeps_headings_and_drops_scripts(folder: Path) -> None:
    text = load(folder / "bees.html")
    assert text.split("\n\n") == [
        "# Keeping bees",
        "A hive holds up to 60,000 bees.",
        "## Honey",
        "- Harvest in August.",
        "- Filter twice.",
    ]


def test_html_title_heads_a_page_without_h1() -> None:
    assert page_text("<title>News &amp; more</title><p>One<p>Two") == "# News & more\n\nOne\n\nTwo"


def test_html_code_and_tables() -> None:
    html = "<pre><code>a = 1\n  b</code></pre><table><tr><th>x<th>y</tr><tr><td>1<td>2</tr></table>"
    assert page_text(html) == "```\na = 1\n  b\n```\n\nx | y\n\n1 | 2"


def test_html_survives_nesting_and_truncation() -> None:
    assert page_text("<div>" * 50_000 + "deep") == "deep"
    assert page_text("<p>kept</p><script>never closed <p>lost") == "kept"
    assert page_text("<p>kept</p><scr").startswith("kept")


def test_html_encoding_is_read_from_its_meta_tag(tmp_path: Path) -> None:
    path = tmp_path / "page.htm"
    path.write_bytes('<meta charset="iso-8859-2"><p>Příliš žluťoučký kůň</p>'.encode("iso-8859-2"))
    assert load(path) == "Příliš žluťoučký kůň"


def test_pdf_gives_one_document_per_page(folder: Path) -> None:
    pages = list(lazy_load(folder / "boat.pdf"))
    assert [page.metadata["page"] for page in pages] == [1, 2]
    assert pages[1].page_content.strip() == "Its mast is eleven metres high."


def test_pdf_pages_without_text_are_passed_over(tmp_path: Path) -> None:
    pages = list(lazy_load(write_pdf(tmp_path / "a.pdf", ["", "Only here."])))
    assert [page.metadata["page"] for page in pages] == [2]


def refused(path: Path) -> str:
    with pytest.raises(DocumentError) as caught:
        list(lazy_load(path))
    assert path.name in caught.value.what
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path: Path) -> None:
    assert "encrypted" in refused(encrypt_pdf(write_pdf(tmp_path / "locked.pdf", ["secret"]), "key"))
    assert "no text" in refused(write_pdf(tmp_path / "scan.pdf", ["", ""]))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4\nnot really")
    assert "not a PDF" in refused(tmp_path / "broken.pdf")
    (tmp_path / "empty.md").touch()
    assert "empty" in refused(tmp_path / "empty.md")
    (tmp_path / "blank.txt").write_text(" \n\n")
    assert "empty" in refused(tmp_path / "blank.txt")
    (tmp_path / "image.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)
    assert "binary" in refused(tmp_path / "image.txt")
    (tmp_path / "hollow.html").write_text("<html><script>x</script></html>")
    assert "no text" in refused(tmp_path / "hollow.html")
    (tmp_path / "film.mp4").write_bytes(b"x")
    assert ".md" in refused(tmp_path / "film.mp4")
    (tmp_path / "old.doc").write_bytes(b"x")
    assert "Save it as .docx" in refused(tmp_path / "old.doc")


def test_a_pdf_readable_with_the_empty_password_is_read(tmp_path: Path) -> None:
    path = encrypt_pdf(write_pdf(tmp_path / "open.pdf", ["Not so secret."]), "")
    assert "Not so secret." in load(path)


def test_a_hundred_megabytes_of_one_line_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    assert "100 MB" in refused(path)


def test_one_endless_line_below_the_size_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "line.txt"
    path.write_text("word " * (MAX_LINE // 5 + 1))
    assert "a line of" in refused(path)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert "regular file" in refused(tmp_path / "pipe.txt")


def test_terminal_escapes_in_a_document_are_gone(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("ok \x1b[2J\x1b]0;pwned\x07done\n")
    assert load(tmp_path / "log.txt") == "ok done\n"
