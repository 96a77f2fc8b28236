"""Texts made to be slow or to break the chunker: it neither hangs nor raises, and stays verbatim."""

from __future__ import annotations

import random

import pytest
from langchain_core.documents import Document

from knowledge.chunking import split
from knowledge.schema import Passage

BLANKS = " " * 200_000
LINES = {
    "heading": f"# a{BLANKS}b",
    "heading, closed": f"# a{BLANKS}#{BLANKS}b",
    "heading, hashes": "# a" + " #" * 100_000 + "b",
    "heading, blank": f"#{BLANKS}\x00",
    "attributes": f"# a{BLANKS}{{x",
    "attributes, braces": "# a" + "{" * 200_000 + "x",
    "underline": f"a\n---{BLANKS}b",
    "underline, dashes": "a\n" + "-" * 200_000 + "b",
    "setext attributes": f"a{BLANKS}b\n---",
    "delimiter": f"a|b\n|{BLANKS}x",
    "delimiter, leading": f"a|b\n{BLANKS}x",
    "delimiter, trailing": f"a|b\n|--{BLANKS}|{BLANKS}x",
    "delimiter, cells": "a|b\n" + "|-" * 100_000 + "x",
    "delimiter, dashes": "a|b\n" + "-" * 200_000 + "x",
    "fence": f"{BLANKS}``x",
    "fence, ticks": "`" * 200_000 + "\nx\n" + "`" * 199_999,
    "items": "\n".join(["- a", f"{BLANKS}-x", f"-{BLANKS}x", "1" * 200_000] * 2),
    "table": f"a|b\n-|-\n{BLANKS}|{BLANKS}x\n" + "|" * 200_000,
    "sentence ends": "a." * 100_000,
    "sentence ends, quoted": "." + '"' * 200_000 + "x",
    "blanks": f"a{BLANKS}b",
    "letters": "a" * 200_000,
    "digits": "1" * 200_000,
}
PARTS = [
    *(
        "# One",
        "## Two ##",
        "Title\n=====",
        "- item\n  - inner",
        "1. first",
        "```py\nx = 1\n```",
        "~~~",
        "a | b\n-|:-:\n1 | 2",
    ),
    *(
        "def f(x):\n    return x",
        "# comment",
        "Words, and more: words. Then “quoted.” End",
        "漢字。かな",
        "{#id .class}",
        "\t",
        "",
    ),
    *("x" * 900, "Done. " * 90, "e\u0301\u0301", "\u2028", "\x85", "||||", ":--", "👩‍👩‍👧"),
]


def passages(text: str, markup: str, outline: list[list[object]] | None = None) -> list[Passage]:
    metadata = {"markup": markup, "outline": outline or []}
    return list(split([Document(page_content=text, metadata=metadata)], "/a.md"))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("markup", ["markdown", "plain", "table"])
@pytest.mark.parametrize("text", LINES.values(), ids=LINES.keys())
def test_no_line_takes_more_than_its_length_in_time(text: str, markup: str) -> None:
    assert all(passage.text in text for passage in passages(text, markup))


def mutated(seed: int) -> str:
    """Fragments of Markdown, code and tables in any order, with characters lost, doubled and swapped."""
    chance = random.Random(seed)
    letters = list("\n".join(chance.choices(PARTS, k=chance.randint(1, 14))))
    for _ in range(chance.randint(0, 12) if letters else 0):
        at = chance.randrange(len(letters))
        letters[at] = chance.choice(["", letters[at] * 3, " ", "\n", "#", "|", "-", "`", "{", "}", "\u00a0"])
    return "".join(letters)


@pytest.mark.parametrize("markup", ["markdown", "code", "table", "plain"])
def test_mutated_texts_give_verbatim_passages(markup: str) -> None:
    for seed in range(500):
        text = mutated(seed)
        rows = text.split("\n")
        outline = [[line, line % 3 + 1, f"name {line}"] for line in range(2, len(rows), 4)] if markup == "code" else []
        for passage in passages(text, markup, outline):
            span = "\n".join(rows[passage.start_line - 1 : passage.end_line])
            whole = passage.start_line != passage.end_line
            assert passage.text.strip(), seed
            assert passage.text == span if whole else passage.text in span, (seed, passage)
