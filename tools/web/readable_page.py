"""HTML → what a person would read of it, as Markdown; runs in the confined process that reads files.

Left out is what is no text of the page (scripts, menus, forms) and what the page hides: words that its reader
cannot see are no information, and a favourite place for instructions to a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.loaders.webpage import declared_charset
from knowledge.text import decode

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from langchain_core.documents import Document

MAX_BYTES = 8 * 2**20
_DROPPED = (
    "script style template noscript svg canvas iframe object embed nav menu button select option textarea input "
    "datalist dialog audio video head title"
).split()
_DROPPED_ROLES = frozenset(
    {"navigation", "banner", "contentinfo", "search", "menu", "menubar", "dialog", "alertdialog"}
)
_FRAME = ("aside", "footer")  # about the site, unless they stand inside the text
_TEXT = ("article", "main", "section", "blockquote", "figure")
_UNSEEN = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|opacity:0(?:\.0+)?(?:;|$|!)|font-size:0(?:\.0+)?(?:px|em|rem|pt|%)?(?:;|$|!)"
    r"|(?:left|top|text-indent):-\d{3,}|clip-path:inset\((?:50|100)%|clip:rect\((?:0|1)(?:px)?[, ](?:0|1)"
    r"|(?:^|;)(?:max-)?(?:height|width):0(?:px)?(?:;|$|!)"
)
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form "
    "header hgroup hr html legend li main ol p section summary table tbody td tfoot th thead tr ul".split()
)
_LAYOUT = frozenset({"table", "pre", *_HEADINGS})  # a table that holds these is no table of data


class ReadablePage:
    """A LangChain loader of one web page.

    Args:
        path: an HTML file.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def lazy_load(self) -> Iterator[Document]:
        """The page as one document.

        Raises:
            DocumentError: it is too long, or no text.
        """
        from langchain_core.documents import Document

        from knowledge.loaders.extract import File

        data = File(self._path, self._path.name).read(MAX_BYTES)
        yield Document(page_content=readable(decode(data, self._path.name, declared_charset(data))))


def readable(html: str) -> str:
    """The text of a page: title, headings as `#` lines, lists, tables with `|`, `pre` as fenced code."""
    import warnings

    from bs4 import BeautifulSoup

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a page that looks like a file name, or like XML, is read all the same
        soup = BeautifulSoup(html, "html.parser")
    title = " ".join(soup.title.get_text(" ").split()) if soup.title else ""
    _drop_unread(soup)
    writer = _Writer()
    writer.write(soup)
    blocks = writer.blocks
    if title and not any(block.startswith("# ") for block in blocks):
        blocks.insert(0, f"# {title}")
    return "\n\n".join(blocks)


def _drop_unread(soup: BeautifulSoup) -> None:
    from bs4 import Tag
    from bs4.element import PreformattedString

    unread: list[Any] = []
    waiting: list[tuple[Tag, bool]] = [(soup, False)]
    while waiting:
        parent, in_text = waiting.pop()
        for child in parent.contents:
            if isinstance(child, Tag):
                if _is_unread(child, in_text):
                    unread.append(child)
                else:
                    waiting.append((child, in_text or child.name in _TEXT))
            elif isinstance(child, PreformattedString):  # comments, declarations and the like
                unread.append(child)
    for found in unread:
        found.extract()


def _is_unread(tag: Tag, in_text: bool) -> bool:
    if tag.name in _DROPPED or (tag.name in _FRAME and not in_text) or tag.has_attr("hidden"):
        return True
    if str(tag.get("aria-hidden", "")).lower() == "true" or str(tag.get("role", "")).lower() in _DROPPED_ROLES:
        return True
    style = re.sub(r"\s+|/\*.*?\*/", "", str(tag.get("style", ""))).lower()
    return bool(style and _UNSEEN.search(style))


class _Writer:
    """Walks a page without recursion, since nesting is the page's to choose."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self._words: list[str] = []
        self._prefix = ""
        self._lists: list[int] = []  # the next number of each open list; 0 for one without numbers

    def write(self, soup: BeautifulSoup) -> None:
        """Take in a page; its text is then in `blocks`."""
        from bs4 import Tag
        from bs4.element import NavigableString

        waiting: list[tuple[object, bool]] = [(soup, False)]
        while waiting:
            node, leaving = waiting.pop()
            if isinstance(node, NavigableString):
                self._words.append(str(node))
            elif isinstance(node, Tag):
                if leaving:
                    self._leave(node)
                elif self._enter(node):
                    waiting.append((node, True))
                    waiting.extend((child, False) for child in reversed(node.contents))
        self._end_block()

    def _enter(self, tag: Tag) -> bool:
        """Whether what is inside the tag is still to be written."""
        if tag.name == "br":
            self._words.append("\n" if self._prefix == "" and not self._lists else " ")
            return False
        if tag.name == "pre":
            self._end_block()
            self._add(_fenced(tag.get_text()))
            return False
        if tag.name == "table" and not _is_layout(tag):
            self._end_block()
            self._add(_table(tag))
            return False
        if tag.name in _HEADINGS or tag.name in _BLOCKS:
            self._end_block()
            self._begin(tag)
        elif tag.name == "img" and tag.get("alt"):
            self._words.append(f"[image: {' '.join(str(tag['alt']).split())}]")
        return True

    def _begin(self, tag: Tag) -> None:
        if tag.name in _HEADINGS:
            self._prefix = _HEADINGS[tag.name]
        elif tag.name in ("ul", "ol"):
            self._lists.append(1 if tag.name == "ol" else 0)
        elif tag.name == "li":
            number = self._lists[-1] if self._lists else 0
            depth = min(max(len(self._lists) - 1, 0), 8)
            self._prefix = "  " * depth + (f"{number}. " if number else "- ")
            if number:
                self._lists[-1] += 1

    def _leave(self, tag: Tag) -> None:
        if tag.name in _HEADINGS or tag.name in _BLOCKS:
            self._end_block()
            self._prefix = ""
        if tag.name in ("ul", "ol") and self._lists:
            self._lists.pop()

    def _end_block(self) -> None:
        lines = [" ".join(line.split()) for line in _joined_lines(self._words)]
        self._words.clear()
        if text := "\n".join(filter(None, lines)):
            self._add(self._prefix + text)
            self._prefix = ""

    def _add(self, block: str) -> None:
        if not block:
            return
        item = re.match(r"\s*(?:-|\d+\.) ", block)
        if item and self.blocks and re.match(r"\s*(?:-|\d+\.) ", self.blocks[-1]):
            self.blocks[-1] += f"\n{block}"  # a list stays one block
        else:
            self.blocks.append(block)


def _is_layout(table: Tag) -> bool:
    from bs4 import Tag

    waiting = list(table.contents)  # bs4's own search goes to the end of a nested table before it begins
    while waiting:
        node = waiting.pop()
        if isinstance(node, Tag):
            if node.name in _LAYOUT:
                return True
            waiting.extend(node.contents)
    return False


def _joined_lines(words: list[str]) -> list[str]:
    """The text, in which only `br` ends a line."""
    return "".join("\0" if word == "\n" else word for word in words).split("\0")


def _fenced(text: str) -> str:
    text = text.strip("\n")
    if not text.strip():
        return ""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"


def _table(table: Tag) -> str:
    """A table as lines of cells, the first as its header."""
    rows = []
    for row in table.find_all("tr"):
        cells = [" ".join(cell.get_text(" ").split()).replace("|", "/") for cell in row.find_all(["td", "th"])]
        if any(cells):
            rows.append(f"| {' | '.join(cells)} |")
    caption = table.find("caption")
    lines = [" ".join(caption.get_text(" ").split()), ""] if caption else []
    if rows:
        lines += [rows[0], "|" + " --- |" * (rows[0].count(" | ") + 1), *rows[1:]]
    return "\n".join(lines)
