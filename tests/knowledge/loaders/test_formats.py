"""What every format gives, and that each passage's place leads back to it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from knowledge.chunking import split
from knowledge.errors import DocumentError
from knowledge.loaders import LOADERS, lazy_load
from knowledge.resolve import resolve
from tests.knowledge.loaders import samples

NAMES = list(samples.everything(Path(__file__).parent / "nowhere", pdf=b""))


def write(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(samples.everything(folder)[name])
    return path


def texts(path: Path) -> dict[object, str]:
    """Name of the part, or page → text."""
    return {doc.metadata["part"] or doc.metadata["page"]: doc.page_content for doc in lazy_load(path)}


def outline(folder: Path, name: str, source: str) -> list[tuple[int, int, str]]:
    (folder / name).write_text(source)
    (document,) = lazy_load(folder / name)
    assert document.metadata["markup"] == "code"
    return [tuple(entry) for entry in document.metadata.get("outline", [])]


def test_every_format_has_a_sample() -> None:
    loaders = {LOADERS[Path(name).suffix] for name in NAMES}
    assert loaders == set(LOADERS.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_passage_leads_back_to_its_place(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name)
    documents = list(lazy_load(path))
    places = [(doc.metadata["page"], doc.metadata["part"]) for doc in documents]
    assert len(set(places)) == len(places)
    passages = list(split(documents, str(path), budget=24))
    assert passages
    for passage in passages:
        assert resolve(passage) == passage.text
        with pytest.raises(DocumentError) as caught:
            resolve(replace(passage, text=passage.text + " and more"))
        assert "has changed" in caught.value.what
        with pytest.raises(DocumentError):
            resolve(replace(passage, part="elsewhere"))
    path.write_bytes(b"something else")
    with pytest.raises(DocumentError):
        resolve(passages[0])
    path.unlink()
    with pytest.raises(DocumentError):
        resolve(passages[0])


def test_a_word_document_keeps_headings_lists_and_tables(tmp_path: Path) -> None:
    (document,) = lazy_load(write(tmp_path, "warranty.docx"))
    assert document.page_content.split("\n\n") == [
        "# Warranty",
        "The warranty is 24 months.",
        "- Keep the bill.",
        "## Repairs",
        "Part | Price\n--- | ---\nPump | 120",
        "Send it to Basel.",
    ]


def test_what_was_deleted_from_a_word_document_is_not_read(tmp_path: Path) -> None:
    name = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    runs = (
        "<w:r><w:t>kept </w:t></w:r><w:ins><w:r><w:t>added</w:t></w:r></w:ins><w:del><w:r><w:t>gone</w:t></w:r></w:del>"
    )
    document = f'<w:document xmlns:w="{name}"><w:body><w:p>{runs}</w:p></w:body></w:document>'
    path = tmp_path / "tracked.docx"
    path.write_bytes(samples.packed({"word/document.xml": document}))
    assert list(texts(path).values()) == ["kept added"]


def test_slides_are_parts_with_their_notes(tmp_path: Path) -> None:
    assert texts(write(tmp_path, "plan.pptx")) == {
        "slide 1": "# Plan\n\nBuild the pump\n\nNotes: Say it slowly",
        "slide 2": "# Budget\n\n120 francs a piece",
    }


def test_sheets_keep_row_numbers_dates_and_gaps(tmp_path: Path) -> None:
    prices, stock = lazy_load(write(tmp_path, "prices.xlsx"))
    assert prices.page_content == "Part | Price | Since\nPump | 120.5 | 2026-03-01\n\n\nHose | 7"
    assert (prices.metadata["part"], prices.metadata["unit"], prices.metadata["first"]) == ("sheet Prices", "row", 1)
    assert (stock.metadata["first"], stock.page_content) == (3, " | Part | Here\n | Pump | TRUE")
    assert [passage.locator for passage in split([stock], "x")] == ["sheet Stock, row 4"]


def test_row_numbers_of_a_table_are_those_a_spreadsheet_shows(tmp_path: Path) -> None:
    (document,) = lazy_load(write(tmp_path, "parts.csv"))
    assert document.page_content == "Part | Price | Note\nPump | 120 | runs at night\n\nFilter | 15 | rinse, often"
    last = list(split([document], "x", budget=20))[-1]
    assert (last.text, last.locator) == ("Filter | 15 | rinse, often", "row 4")


@pytest.mark.parametrize("text", ["a;b\n1,5;2\n", "a\tb\n1,5\t2\n", "a|b\n1,5|2\n"])
def test_other_delimiters_are_recognised(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    assert list(texts(tmp_path / "t.csv").values()) == ["a | b\n1,5 | 2"]


def test_json_stands_on_the_lines_of_the_file(tmp_path: Path) -> None:
    (document,) = lazy_load(write(tmp_path, "heron.json"))
    lines = document.page_content.split("\n")
    assert lines[1] == "name: Heron"
    assert lines[4] == "parts[1].id: 8; parts[1].label: hose"


def test_minified_json_is_a_list_of_values(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"rows": [{"n": number} for number in range(20_000)]}))
    (document,) = lazy_load(tmp_path / "a.json")
    assert document.metadata["part"] == "values"
    assert document.page_content.split("\n")[19_999] == "rows[19999].n: 19999"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('// why\n{"a": "x", /* b */ "c": -1.5e3,}', "\na: x; c: -1.5e3"),
        ('{"a": {"b": [[], {}, "\\u00e9\\n"]}, "n": null, "t": true}', "a.b[2]: é; t: true"),
        ('"alone"', "alone"),
    ],
)
def test_json_as_people_write_it(tmp_path: Path, source: str, text: str) -> None:
    (tmp_path / "a.json").write_text(source)
    assert list(texts(tmp_path / "a.json").values()) == [text]


@pytest.mark.parametrize("source", ['{"a": 1', '{"a": 1]', '"open', "{'a': 1}", "words of prose", "[" * 100_000, "1,"])
def test_what_is_no_json_is_said_with_its_line(tmp_path: Path, source: str) -> None:
    (tmp_path / "a.json").write_text("\n" + source)
    with pytest.raises(DocumentError, match=r"a\.json is not JSON, line 2"):
        list(lazy_load(tmp_path / "a.json"))


def test_records_are_rows(tmp_path: Path) -> None:
    (document,) = lazy_load(write(tmp_path, "records.jsonl"))
    assert document.metadata["unit"] == "row"
    assert document.page_content.split("\n")[2] == "id: 2; text: second record"
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(DocumentError, match="line 2"):
        list(lazy_load(tmp_path / "bad.jsonl"))


def test_chapters_come_in_reading_order(tmp_path: Path) -> None:
    assert texts(write(tmp_path, "book.epub")) == {
        "chapter 1": "# The start\n\nIt sailed.",
        "chapter 2": "# The end\n\nIt sank.",
    }


def test_a_message_has_headers_body_and_attachments(tmp_path: Path) -> None:
    found = texts(write(tmp_path, "letter.eml"))
    assert list(found) == ["message 1", "message 1, attachment notes.md"]
    assert "Subject: The pump – at last" in found["message 1"]
    assert "Attachments: notes.md, photo.png" in found["message 1"]
    assert found["message 1"].endswith("The pump arrives on Friday.\nBring the filter.")


def test_html_is_the_body_where_there_is_no_plain_text(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(b"Subject: x\nContent-Type: text/html; charset=latin-1\n\n<h1>Caf\xe9</h1><p>Now")
    assert texts(tmp_path / "a.eml")["message 1"] == "Subject: x\n\n# Café\n\nNow"


def test_a_mailbox_is_cut_at_its_from_lines_only(tmp_path: Path) -> None:
    found = texts(write(tmp_path, "letters.mbox"))
    assert [name for name in found if "attachment" not in str(name)] == ["message 1", "message 2"]
    assert found["message 2"].endswith("\nFrom here on it rains.")


def test_an_attachment_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    data = samples.message(attached={"bad.docx": b"nothing", "a.md": b"# A\n\ntext"})
    (tmp_path / "a.eml").write_bytes(data)
    found = texts(tmp_path / "a.eml")
    assert found["message 1, attachment a.md"] == "# A\n\ntext"
    assert "bad.docx is not a DOCX file" in found["not read"]


def test_cells_of_a_notebook_are_parts(tmp_path: Path) -> None:
    assert texts(write(tmp_path, "tides.ipynb")) == {
        "cell 1": "# Tides\nRead the gauge.",
        "cell 2": "```python\nprint(6 * 7)\n```\n\n```\n42\n```",
    }


def test_members_of_an_archive_are_parts(tmp_path: Path) -> None:
    assert list(texts(write(tmp_path, "all.zip"))) == [
        "notes/pump.md",
        "plan.pptx, slide 1",
        "plan.pptx, slide 2",
        "inner.zip, deep/list.csv",
    ]


@pytest.mark.parametrize("name", ["../up.txt", "/etc/passwd.txt", "a/../../b.txt", "C:\\x.txt", "..\\up.txt"])
def test_an_archive_with_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.zip").write_bytes(samples.packed({"fine.txt": "fine", name: "text"}))
    with pytest.raises(DocumentError, match="leads out of it"):
        list(lazy_load(tmp_path / "a.zip"))


def test_two_parts_of_one_name_are_told_apart(tmp_path: Path) -> None:
    data = samples.message(attached={"a.md": b"one"}).replace(b"a.md", b"b.md")
    inner = samples.packed({"x/mail.eml": data, "x/mail (2).eml": data})
    (tmp_path / "a.zip").write_bytes(inner)
    assert len(texts(tmp_path / "a.zip")) == len(list(lazy_load(tmp_path / "a.zip"))) == 4


def test_python_symbols_with_decorators_and_nesting(tmp_path: Path) -> None:
    assert outline(tmp_path, "pump.py", samples.PYTHON) == [(4, 1, "class Pump"), (7, 2, "def rate")]
    broken = "def one():\n    return (\n\nclass Two:\n    def three(self):\n        pass\n"
    assert outline(tmp_path, "broken.py", broken) == [(1, 1, "def one"), (4, 1, "class Two"), (5, 2, "def three")]


SOURCES = {
    "a.js": "export async function load(url) {\n}\nclass Box {\n  constructor(a) {\n  }\n}\nconst go = (x) => x;\n",
    "a.ts": "export interface Shape {\n}\nexport type Id = string;\nclass Box {\n  size(): number {\n  }\n}\n",
    "A.java": "public final class Box<T> {\n    // size\n    public int size(List<T> xs) {\n    }\n}\n",
    "a.c": "struct point {\n    int x;\n};\n\nstatic int area(struct point p)\n{\n    return go(p);\n}\n",
    "a.cpp": "namespace geo {\nclass Box : public Shape {\n  int size() const {\n  }\n};\n}\nint Box::go(int a) {\n}\n",
    "a.go": "type Box struct {\n}\n\n// Size is that.\nfunc (b *Box) Size() int {\n}\n\nfunc main() {\n}\n",
    "a.rs": "pub struct Point {\n}\nimpl Shape for Point {\n    pub fn area(&self) -> f64 {\n    }\n}\n",
    "a.rb": "module Geo\n  class Box\n    def empty?\n    end\n  end\nend\n",
    "a.php": "<?php\nclass Box {\n    public function size(): int {\n    }\n}\nfunction go() {\n}\n",
    "a.cs": "namespace Geo {\n    public class Box {\n        public int Size() {\n        }\n    }\n}\n",
    "a.kt": "data class Box(val a: Int) {\n    fun size(): Int {\n    }\n}\n",
    "a.swift": "struct Box {\n    func size() -> Int {\n    }\n}\n",
    "a.scala": "object Box {\n  def size(a: Int): Int = a\n}\n",
    "a.sh": "#!/bin/sh\ngo() {\n  echo hi\n}\nfunction stop {\n}\n",
    "a.sql": "CREATE TABLE IF NOT EXISTS box (id int);\ncreate or replace function size() returns int;\n",
    "a.lua": "local function size(b)\nend\nfunction Box.go()\nend\n",
    "a.r": "size <- function(b) {\n}\n",
}
SYMBOLS = {
    "a.js": ["load", "Box", "constructor", "go"],
    "a.ts": ["Shape", "Id", "Box", "size"],
    "A.java": ["Box", "size"],
    "a.c": ["point", "area"],
    "a.cpp": ["geo", "Box", "size", "go"],
    "a.go": ["Box", "Size", "main"],
    "a.rs": ["Point", "Point", "area"],
    "a.rb": ["Geo", "Box", "empty?"],
    "a.php": ["Box", "size", "go"],
    "a.cs": ["Geo", "Box", "Size"],
    "a.kt": ["Box", "size"],
    "a.swift": ["Box", "size"],
    "a.scala": ["Box", "size"],
    "a.sh": ["go", "stop"],
    "a.sql": ["box", "size"],
    "a.lua": ["size", "go"],
    "a.r": ["size"],
}


@pytest.mark.parametrize("name", SOURCES)
def test_symbols_of_other_languages(tmp_path: Path, name: str) -> None:
    found = outline(tmp_path, name, SOURCES[name])
    names = [title.replace("::", " ").replace(".", " ").split()[-1] for _, _, title in found]
    assert names == SYMBOLS[name]


def test_a_comment_above_a_symbol_belongs_to_it(tmp_path: Path) -> None:
    assert outline(tmp_path, "a.go", SOURCES["a.go"])[1][0] == 4
    assert outline(tmp_path, "A.java", SOURCES["A.java"])[1] == (2, 2, "public int size")
