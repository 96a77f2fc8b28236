"""HTML: readable text with Markdown headings, so that a page is split as a Markdown document is.

A streaming parser rather than a tree: deep nesting, unclosed tags and megabytes cost no recursion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from knowledge.loaders.extract import MB, File, Part, fenced
from knowledge.text import decode

MAX_BYTES = 32 * MB

_DROPPED = frozenset({"script", "style", "template", "noscript", "svg", "iframe", "object"})
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
_BLOCKS = frozenset(
    "address article aside blockquote body dd details dialog div dl dt fieldset figcaption figure footer "
    "form header hr li main nav ol p section summary table tbody tfoot thead tr ul".split()
)
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)


def load(file: File) -> Iterator[Part]:
    """A web page; scripts and styles are left out."""
    data = file.read(MAX_BYTES)
    yield Part(page_text(decode(data, file.name, declared_charset(data))), markup="markdown")


def declared_charset(data: bytes) -> str:
    """The encoding named in a `meta` tag near the start of the page; empty when there is none."""
    found = _CHARSET.search(data[:4096])
    return found.group(1).decode("ascii") if found else ""


def page_text(html: str) -> str:
    """Readable text of a page: headings as `#` lines, list items as `-`, `pre` as fenced code.

    The page's title stands first, as a heading, unless the page has an `h1` of its own.
    """
    reader = _PageReader()
    reader.feed(html)
    reader.close()
    return reader.text()


class _PageReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._blocks: list[str] = []
        self._words: list[str] = []
        self._dropped: str = ""
        self._depth = 0
        self._prefix = ""
        self._title = ""
        self._in_title = self._in_code = self._has_h1 = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._dropped:
            self._depth += tag == self._dropped
        elif tag in _DROPPED:
            self._dropped, self._depth = tag, 1
        elif tag == "title" and not self._title:
            self._in_title = True
        elif tag == "pre":
            self._end_block()
            self._in_code = True
        elif tag in _HEADINGS:
            self._end_block()
            self._prefix = _HEADINGS[tag] + " "
            self._has_h1 |= tag == "h1"
        elif tag == "br":
            self._words.append("\n" if self._in_code else " ")
        elif tag in ("td", "th"):
            self._words.append(" | " if any(map(str.strip, self._words)) else "")
        elif tag in _BLOCKS:
            self._end_block()
            self._prefix = "- " if tag == "li" else self._prefix

    def handle_endtag(self, tag: str) -> None:
        if self._dropped:
            self._depth -= tag == self._dropped
            self._dropped = self._dropped if self._depth else ""
        elif tag == "title":
            self._in_title = False
        elif tag == "pre" or tag in _HEADINGS or tag in _BLOCKS:
            self._end_block()
            self._in_code &= tag != "pre"
            if tag in _HEADINGS or tag == "li":
                self._prefix = ""  # an empty one does not make what follows a heading or an item

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self._title += data
        elif not self._dropped:
            self._words.append(data)

    def _end_block(self) -> None:
        text = "".join(self._words)
        self._words.clear()
        text = text.strip("\n") if self._in_code else " ".join(text.split())
        if not text.strip():
            return
        self._blocks.append(fenced(text) if self._in_code else self._prefix + text)
        self._prefix = ""

    def text(self) -> str:
        self._end_block()
        title = " ".join(self._title.split())
        if title and not self._has_h1:
            self._blocks.insert(0, f"# {title}")
        return "\n\n".join(self._blocks)
