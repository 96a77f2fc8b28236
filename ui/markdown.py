"""Markdown of models and documents as HTML that loads nothing, runs nothing and hides nothing.

Safe by construction: the parser yields tokens, and each kind of token is written with a tag and attributes of our own.
Nothing of the text becomes markup, an attribute other than the address of a checked link, or an address that a browser
would load by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from ui.addresses import followable, note_of
from ui.escape import attribute, escaped
from ui.highlighting import highlighted
from ui.marking import Mark, Marked, parsed

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["SIGN_LABELS", "Mark", "to_html"]

# Longer texts, and texts of more parts, are shown as they are: parsing them takes seconds, and nobody wrote them to
# be read as Markdown.
LONGEST = 100_000  # characters
MOST_TOKENS = 20_000
LONGEST_KEPT = 20_000  # characters
SIGN_LABELS = {"partly": "only in part in your documents", "not": "not in your documents"}
_NONE: Mapping[int, str] = MappingProxyType({})
_CITATION = re.compile(r"\[(\d{1,4})\]")
# A chat has its own headings above those of an answer.
_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}
_BLOCKS = {
    "paragraph": '<p dir="auto">',
    "blockquote": '<blockquote dir="auto">',
    "bullet_list": '<ul dir="auto">',
    "list_item": "<li>",
    "thead": "<thead>",
    "tbody": "<tbody>",
    "tr": "<tr>",
}
_SPANS = {"em": "<em>", "strong": "<strong>", "s": "<s>"}
_SCROLLS = 'tabindex="0" role="group"'


def to_html(text: str, *, marks: Sequence[Mark] = (), citations: Mapping[int, str] = _NONE) -> str:
    """A text as HTML, in one `<div class="r r-md">`.

    Args:
        text: CommonMark with tables and strikethrough; raw HTML in it is shown as text.
        marks: sentences to mark; one that cannot be marked without changing how the text reads is left unmarked.
        citations: number → id of the element that `[number]` in the text leads to.
    """
    if len(text) > LONGEST:
        return _as_it_is(text)
    write = _kept if len(text) <= LONGEST_KEPT else _html
    return write(text, tuple(marks), tuple(citations.items()))


def _html(text: str, marks: tuple[Mark, ...], citations: tuple[tuple[int, str], ...]) -> str:
    marked = parsed(text, marks, _parser().parse)
    if sum(1 + len(token.children or ()) for token in marked.tokens) > MOST_TOKENS:
        return _as_it_is(text)
    return f'<div class="r r-md">{_Writer(marked, dict(citations)).blocks()}</div>'


# Pages show the same answers again with each click.
_kept = lru_cache(maxsize=1000)(_html)


def _as_it_is(text: str) -> str:
    return (
        f'<div class="r r-md"><div class="r-plain" dir="auto" {_SCROLLS} aria-label="Text">{escaped(text)}</div></div>'
    )


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    class Parser(MarkdownIt):
        """Takes every link for one; the writer decides which can be followed."""

        def validateLink(self, url: str) -> bool:  # noqa: N802 - the parser's own name
            return True

    parser = Parser("commonmark", {"html": False}).enable(["table", "strikethrough"])
    # Definitions of link targets would show nothing, and could turn "[1]" into a link to somewhere else.
    return parser.disable(["reference", "html_block", "html_inline"])


class _Writer:
    """Writes the tokens of one text; knows whether it is inside a marked sentence."""

    def __init__(self, marked: Marked, citations: Mapping[int, str]) -> None:
        self._tokens, self._marks, self._citations = marked.tokens, iter(marked.marks), citations
        self._opening, self._closing = marked.opening, marked.closing
        self._signs = re.compile(f"([{marked.opening}{marked.closing}])") if marked.opening else None
        self._mark: Mark | None = None

    def blocks(self) -> str:
        return "".join(self._block(token) for token in self._tokens)

    def _block(self, token: Token) -> str:
        if token.type == "inline":
            return self._inline(token.children or [])
        if token.hidden:
            return "\n" if token.nesting < 0 else ""
        if token.type in {"fence", "code_block"}:
            return self._program(token)
        if token.type == "hr":
            return "<hr>"
        kind = token.type.removesuffix("_open").removesuffix("_close")
        if token.nesting > 0:
            return _opened(kind, token)
        return "</table></div>" if kind == "table" else f"</{_HEADINGS.get(token.tag, token.tag)}>"

    def _program(self, token: Token) -> str:
        program, signs = self._unsigned(token.content)
        language = token.info.split()[0] if token.info.split() else ""
        return f'<pre dir="ltr" {_SCROLLS} aria-label="Code"><code>{highlighted(program, language)}</code></pre>{signs}'

    def _inline(self, tokens: Sequence[Token], plain: bool = False) -> str:
        """Tokens within a block; `plain` within a link, where nothing else may be followed."""
        written, at = [], 0
        while at < len(tokens):
            token = tokens[at]
            if token.type == "link_open":
                close = next(end for end in range(at, len(tokens)) if tokens[end].type == "link_close")
                written.append(self._link(token, tokens[at + 1 : close]))
                at = close
            else:
                written.append(self._span(token, plain))
            at += 1
        return "".join(written)

    def _span(self, token: Token, plain: bool) -> str:
        kind = token.type.removesuffix("_open").removesuffix("_close")
        if kind in _SPANS:
            return _SPANS[kind] if token.nesting > 0 else f"</{kind}>"
        if token.type == "code_inline":
            program, signs = self._unsigned(token.content)
            return f'<code dir="ltr">{escaped(program)}</code>{signs}'
        if token.type == "image":
            alt = self._inline(token.children or [], plain=True)
            note = _note(str(token.attrs.get("src", "")), str(token.attrs.get("title", "")))
            return f'<span class="r-image">{alt or "image"}{note}</span>'
        if token.type == "hardbreak":
            return "<br>"
        return "\n" if token.type == "softbreak" else self._words(token.content, plain)

    def _link(self, token: Token, inside: Sequence[Token]) -> str:
        address, title = str(token.attrs.get("href", "")), str(token.attrs.get("title", ""))
        words = "".join(self._signs.sub("", each.content) if self._signs else each.content for each in inside)
        shown = self._inline(inside, plain=True)
        note = _note(note_of(address, words) if followable(address) else address if address != words else "", title)
        if not followable(address):
            return f'<span class="r-link">{shown}{note}</span>'
        leads = f'href="{attribute(address)}" rel="noopener noreferrer nofollow" target="_blank"'
        return f"<a {leads}>{shown or escaped(address)}</a>{note}"

    def _words(self, text: str, plain: bool) -> str:
        pieces = self._signs.split(text) if self._signs is not None else [text]
        return "".join(self._turn(piece) if at % 2 else self._run(piece, plain) for at, piece in enumerate(pieces))

    def _run(self, text: str, plain: bool) -> str:
        """Words that are all in the mark, or all outside."""
        words = escaped(text) if plain or not self._citations else self._cited(text)
        if self._mark is None or not text.strip():
            return words
        return f'<span class="r-{self._mark.kind}" title="{attribute(self._mark.title)}">{words}</span>'

    def _cited(self, text: str) -> str:
        written, done = [], 0
        for found in _CITATION.finditer(text):
            target = self._citations.get(int(found[1]))
            if target is not None:
                leads = f'<a class="r-cite" href="#{attribute(target)}">{found[0]}</a>'
                written += [escaped(text[done : found.start()]), leads]
                done = found.end()
        return "".join(written) + escaped(text[done:])

    def _unsigned(self, program: str) -> tuple[str, str]:
        """Program text without the signs in it, and what is to be written behind it for them."""
        if self._signs is None:
            return program, ""
        pieces = self._signs.split(program)
        return "".join(pieces[::2]), "".join(map(self._turn, pieces[1::2]))

    def _turn(self, piece: str) -> str:
        """Enter or leave a mark; what is written behind one that is left."""
        if piece == self._opening:
            self._mark = next(self._marks)
        if piece == self._opening or self._mark is None:
            return ""
        kind, self._mark = self._mark.kind, None
        label = SIGN_LABELS.get(kind)
        return f'<span class="r-sign r-sign-{kind}" role="img" aria-label="{label}"></span>' if label else ""


def _opened(kind: str, token: Token) -> str:
    if kind == "heading":
        return f'<{_HEADINGS[token.tag]} dir="auto">'
    if kind == "ordered_list":
        return f'<ol dir="auto" start="{int(token.attrs.get("start", 1))}">'
    if kind == "table":
        return f'<div class="r-scroll" {_SCROLLS} aria-label="Table"><table>'
    if kind in {"th", "td"}:
        side = str(token.attrs.get("style", "")).removeprefix("text-align:")
        return f'<{kind} dir="auto" class="r-{side}">' if side in {"right", "center"} else f'<{kind} dir="auto">'
    return _BLOCKS[kind]


def _note(address: str, title: str = "") -> str:
    """Where a link or an image leads, behind it, with the title it was given."""
    said = " ".join(filter(None, (address, f"“{title}”" if title else "")))
    return f'<span class="r-address"> ({escaped(said)})</span>' if said else ""
