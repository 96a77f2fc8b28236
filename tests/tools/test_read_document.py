"""A document is found by any name people give it, read whole or by section, and to its end in portions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException

from knowledge.chunking import split
from knowledge.schema import Passage, Retrieval
from tools.passages import MOST_CHARACTERS, excerpt
from tools.read_document import build, hints
from tools.resources import Resources

GUIDE = """# Pump guide

Before all.

## Install

Fit the seal.

### Tools

A wrench.

## 2. Use of the pump

Press start.
"""


@dataclass
class Entry:
    failure: str = ""


class Shelf:
    """Documents held in memory, split as an ingest splits them."""

    def __init__(self, **texts: str | list[Document]) -> None:
        self._passages: dict[str, list[Passage]] = {}
        for name, content in texts.items():
            source = f"/docs/{name.replace('__', '/').replace('_', '.')}"
            if isinstance(content, str):
                content = [Document(page_content=content, metadata={"markup": "markdown"})]
            self._passages[source] = list(split(content, source))
        self.failures: dict[str, str] = {}

    def sources(self) -> dict[str, Entry]:
        return {source: Entry(self.failures.get(source, "")) for source in self._passages}

    def rows_of(self, source: str, /) -> Any:
        before = 0
        for name, passages in self._passages.items():
            if name == source:
                return np.arange(before, before + len(passages))
            before += len(passages)
        return np.arange(0)

    def passages(self, rows: Any, /) -> list[Passage]:
        everything = [passage for passages in self._passages.values() for passage in passages]
        return [everything[row] for row in rows]


def read(shelf: Shelf, name: str, section: str = "", from_line: int = 1, **more: Any) -> ToolMessage:
    (spec,) = build(Resources(documents=shelf, **more))
    arguments = {"name": name, "section": section, "from_line": from_line}
    message = spec.tool.invoke({"name": "read_document", "args": arguments, "id": "1", "type": "tool_call"})
    assert isinstance(message, ToolMessage)
    return message


def pages(*texts: str) -> list[Document]:
    return [Document(page_content=text, metadata={"page": page}) for page, text in enumerate(texts, start=1)]


@pytest.mark.parametrize("name", ["guide.md", "guide", "GUIDE.MD", "a/guide.md", "/docs/a/guide.md", '"guide.md"'])
def test_a_whole_document_by_any_name(name: str) -> None:
    message = read(Shelf(a__guide_md=GUIDE, b__other_md="# Other\n\nText."), name)
    assert message.content.startswith("guide.md:\n\n[line")
    for line in filter(None, GUIDE.split("\n")):
        assert line in message.content or line.startswith("#")
    assert "from_line" not in message.content
    assert {found["source"] for found in message.artifact["passages"]} == {"/docs/a/guide.md"}


def test_a_document_by_its_title() -> None:
    shelf = Shelf(a__x1_md=GUIDE, b__other_md="# Other\n\nText.")

    def search(query: str) -> Retrieval:
        found = tuple(passage for source in shelf.sources() for passage in shelf.passages(shelf.rows_of(source)))
        return Retrieval(query, found, True, 0.9, 0.0)

    assert read(shelf, "pump guide", search=search).content.startswith("x1.md:")


@pytest.mark.parametrize(
    ("section", "there", "absent"),
    [
        ("Install", ["Fit the seal.", "A wrench."], ["Before all.", "Press start."]),
        ("## install", ["Fit the seal."], ["Press start."]),
        ("Tools", ["A wrench."], ["Fit the seal."]),
        ("use of the pump", ["Press start."], ["A wrench."]),
    ],
)
def test_a_section_with_what_is_below_it(section: str, there: list[str], absent: list[str]) -> None:
    message = read(Shelf(guide_md=GUIDE), "guide.md", section)
    assert all(text in message.content for text in there)
    assert not any(text in message.content for text in absent)
    shown = " ".join(found["text"] for found in message.artifact["passages"])
    assert not any(text in shown for text in absent)


def test_pages_and_parts_are_sections() -> None:
    shelf = Shelf(deck_pdf=pages("Alpha.", "Beta.", "Gamma."))
    assert [found["text"] for found in read(shelf, "deck.pdf", "page 2").artifact["passages"]] == ["Beta."]
    with pytest.raises(ToolException, match='"page 1", "page 2" and "page 3"'):
        read(shelf, "deck.pdf", "page 4")


def test_what_is_not_there_is_said_with_what_is() -> None:
    shelf = Shelf(a__guide_md=GUIDE, b__guide_md="# Other\n\nText.", empty_md="")
    shelf.failures["/docs/empty.md"] = "It is damaged."
    for name, section, reason in (
        ("guide.md", "", '"docs/a/guide.md" or "docs/b/guide.md"'),
        ("giude.md", "", "Did you mean"),
        ("", "", "Name a document"),
        ("a/guide.md", "Uninstall", '"Install"'),
        ("empty.md", "", "It is damaged."),
        ("../../etc/passwd", "", "No document"),
    ):
        with pytest.raises(ToolException, match=reason):
            read(shelf, name, section)


@pytest.mark.parametrize("paged", [False, True])
def test_every_line_is_seen_by_reading_on(paged: bool) -> None:
    lines = [f"Line number {number} of the manual says this and that." for number in range(1, 1501)]
    texts = ["\n\n".join(lines[at : at + 100]) for at in range(0, 1500, 100)]
    shelf = Shelf(manual_pdf=pages(*texts)) if paged else Shelf(manual_md="\n\n".join(texts))
    name, seen, line, asked = "manual", "", 1, 0
    while line:
        message = read(shelf, name, from_line=line)
        assert len(message.content) < 20_000
        seen += str(message.content)
        _, _, rest = str(message.content).rpartition("from_line=")
        following = int(rest.rstrip(".)")) if rest.rstrip(".)").isdigit() else 0
        assert following == 0 or following > line
        line, asked = following, asked + 1
    assert asked > 2
    assert [text for text in lines if seen.count(text) != 1] == []


def test_a_line_too_long_to_be_shown_is_named_and_passed() -> None:
    long = " ".join(f"word{number}" for number in range(8000))
    shelf = Shelf(one_md=f"First.\n\n{long}\n\nLast.")
    first = read(shelf, "one.md")
    assert "First." in first.content and "word0" not in first.content and "from_line=2" in first.content
    second = read(shelf, "one.md", from_line=2)
    assert "Line 3 goes on" in second.content and "from_line=4" in second.content
    assert len(second.content) < MOST_CHARACTERS + 500
    assert "Last." in read(shelf, "one.md", from_line=4).content


def test_a_line_behind_the_end() -> None:
    assert (
        "There is no line 99: the text has 15 lines." in read(Shelf(guide_md=GUIDE), "guide.md", from_line=99).content
    )
    assert excerpt([]).passages == ()


def test_without_documents_there_is_no_tool() -> None:
    assert build(Resources()) == []
    (spec,) = build(Resources(documents=Shelf()))
    assert (spec.risk, spec.untrusted) == ("read", True)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Read setup guide.md", {"name": ["setup guide.md"]}),
        ("please show me the file tutorial/cors.md", {"name": ["tutorial/cors.md"]}),
        ('Open the section "Install" of guide.md.', {"section": ["Install"], "name": ["guide.md"]}),
        ("What does guide.md say about seals?", None),
        ("How do I read a file in Python 3.11?", None),
    ],
)
def test_hints(question: str, expected: dict[str, list[str]] | None) -> None:
    assert hints(question) == expected
