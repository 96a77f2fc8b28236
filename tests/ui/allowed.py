"""What the HTML of the pages may consist of; everything else in it came from foreign text and is a hole."""

from __future__ import annotations

import re
import warnings
from html.parser import HTMLParser

from bs4 import BeautifulSoup, Tag

VOID = {"br", "hr"}
GLOBAL = {"class", "id", "dir", "title", "role", "tabindex", "aria-label", "aria-busy"}
TAGS: dict[str, set[str]] = {
    **{name: set() for name in "blockquote code details div em li mark p pre q s span strong summary ul".split()},
    **{name: set() for name in "br h3 h4 h5 h6 hr table tbody td thead tr".split()},
    "a": {"href", "rel", "target"},
    "ol": {"start"},
    "th": {"scope"},
}
ADDRESS = re.compile(r"#[A-Za-z0-9_-]+|https?://[^/\s\\@]+\S*|mailto:[^\s\\]+")
CLASS = re.compile(r"r|r-[a-z-]+")


class Nesting(HTMLParser):
    """Every element that is opened is closed, in order: nothing runs on into the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl!r}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data!r}")


def parsed(markup: str) -> BeautifulSoup:
    """The page as a browser builds it, checked to hold nothing but what is allowed.

    Raises:
        AssertionError: it holds a tag, an attribute or an address that is not.
    """
    nesting = Nesting()
    nesting.feed(markup)
    nesting.close()
    assert not nesting.open, f"left open: {nesting.open}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the parser about texts that look like file names
        page = BeautifulSoup(markup, "html5lib")
    assert page.body is not None
    for element in page.body.find_all(True):
        check(element)
    count = sum(1 for element in page.body.find_all(True) if element.name not in VOID)
    written = len(re.findall("</", markup))
    assert count == written, "a browser builds other elements than were written"
    return page


def check(element: Tag) -> None:
    """One element against what is allowed.

    Raises:
        AssertionError: it is not.
    """
    assert element.name in TAGS, f"<{element.name}>"
    strange = set(element.attrs) - GLOBAL - TAGS[element.name]
    assert not strange, f"<{element.name}> has {strange}"
    assert all(CLASS.fullmatch(name) for name in element.get_attribute_list("class") if name)
    address = element.get("href")
    if address is None:
        return
    assert isinstance(address, str)
    assert ADDRESS.fullmatch(address), f"leads to {address!r}"
    if not address.startswith("#"):
        assert element.get_attribute_list("rel") == ["noopener", "noreferrer", "nofollow"]
        assert element["target"] == "_blank"
