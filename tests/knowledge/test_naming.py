"""A document is found by the names people give it, and a near miss is named, not taken."""

from __future__ import annotations

import pytest

from knowledge.naming import Found, find, title_of
from knowledge.schema import Passage

SOURCES = ("/d/tutorial/cors.md", "/d/tutorial/middleware.md", "/d/advanced/middleware.md", "/d/api/index.md")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("cors.md", Found(SOURCES[:1])),
        ("tutorial/cors.md", Found(SOURCES[:1])),
        ("CORS", Found(SOURCES[:1])),
        ("middleware.md", Found((SOURCES[2], SOURCES[1]))),
        ("advanced/middleware.md", Found(SOURCES[2:3])),
        ("api", Found(SOURCES[3:])),
        ("Sharing Resources", Found(SOURCES[:1])),
        ("corse.md", Found(SOURCES[:1], known=False)),
        ("zebra.pdf", Found((), known=False)),
    ],
)
def test_the_document_that_a_name_means(name: str, found: Found) -> None:
    titles = {"Sharing Resources": SOURCES[:1]}
    assert find(name, SOURCES, lambda title: titles.get(title, ())) == found


def test_the_title_is_the_heading_that_all_passages_share() -> None:
    under = [Passage(str(number), "/d/a.md", "x", 1, 1, heading=heading) for number, heading in enumerate("AB")]
    inner = Passage("2", "/d/a.md", "x", 1, 1, heading="A › inner")
    assert title_of([under[0], inner, Passage("3", "/d/a.md", "x", 1, 1)]) == "A"
    assert title_of(under) == title_of([]) == ""
