"""The passages of a file: what the structure and the budget make of its documents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from knowledge.chunking.packing import Span, pack
from knowledge.chunking.structure import HEADING_SEPARATOR, sections
from knowledge.chunking.tokens import estimate_tokens
from knowledge.schema import Passage

if TYPE_CHECKING:
    from langchain_core.documents import Document

BUDGET_TOKENS = 180


def embedded_text(passage: Passage) -> str:
    """What stands for the passage in the index: its part of the file and its heading path, then its text."""
    context = HEADING_SEPARATOR.join(filter(None, (passage.part, passage.heading)))
    return f"{context}\n{passage.text}" if context else passage.text


def split(documents: Iterable[Document], source: str, budget: int = BUDGET_TOKENS) -> Iterator[Passage]:
    """Passages of one file, in reading order, each id once.

    A passage's text is the document's own lines, unchanged, so that a citation can be opened and compared.
    Only a line too long for one passage is cut; its pieces carry that one line as their span.

    Args:
        documents: what a loader gave for the file, with the metadata `page`, `part`, `unit`, `first` (the
            number of the first line), `markup` and `outline`, each optional.
        source: absolute path of the file.
        budget: estimated tokens of `embedded_text`, per passage.
    """
    seen: set[str] = set()
    for document in documents:
        for passage in _passages(document, source, budget):
            if passage.id not in seen:
                seen.add(passage.id)
                yield passage


def _passages(document: Document, source: str, budget: int) -> Iterator[Passage]:
    known = document.metadata
    lines = document.page_content.split("\n")
    part = str(known.get("part") or "")
    room = max(budget - _cost_of_context(part), budget * 3 // 4)
    for section in sections(lines, str(known.get("markup") or "plain"), known.get("outline") or ()):
        path = _fitting(section.path, room // 2)
        for span in pack(section, lines, room - _cost_of_context(path)):
            heading = HEADING_SEPARATOR.join(filter(None, (path, span.header)))
            yield _passage(span, heading, source, known)


def _cost_of_context(text: str) -> int:
    """What a part of the context takes, with the separator behind it."""
    return estimate_tokens(text + HEADING_SEPARATOR) if text else 0


def _fitting(path: Sequence[str], budget: int) -> str:
    """The headings, without the outermost where there are too many to repeat with each passage."""
    kept = list(path)
    while kept and estimate_tokens(HEADING_SEPARATOR.join(kept)) > budget:
        kept.pop(0)
    return HEADING_SEPARATOR.join(kept)


def _passage(span: Span, heading: str, source: str, known: dict[str, object]) -> Passage:
    page, part = known.get("page"), str(known.get("part") or "")
    number = known.get("first")
    before = (number if isinstance(number, int) else 1) - 1
    start, end = span.start + before, span.end + before
    return Passage(
        id=_identity(source, page, part, start, end, span.text),
        source=source,
        text=span.text,
        start_line=start,
        end_line=end,
        page=page if isinstance(page, int) else None,
        heading=heading,
        part=part,
        unit=str(known.get("unit") or "line"),
    )


def moved_to(passage: Passage, source: str) -> Passage:
    """The passage as `split` would have made it of the same file under another path."""
    place = (passage.page, passage.part, passage.start_line, passage.end_line, passage.text)
    return replace(passage, source=source, id=_identity(source, *place))


def _identity(*place: object) -> str:
    return hashlib.sha256("\0".join(map(str, place)).encode("utf-8")).hexdigest()
