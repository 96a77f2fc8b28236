"""Answers made of the documents' own words: pieces of text and quotations, streamed with their citations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from langgraph.config import get_stream_writer

from agent.grounding import cite
from agent.schema import Citation, Cited, Token
from knowledge.schema import Passage

if TYPE_CHECKING:
    from agent.speech import Clock


@dataclass(frozen=True, slots=True)
class Quote:
    """Part of a passage, by character offsets into its text."""

    passage: Passage
    start: int
    end: int


Piece = str | Quote


def whole(passage: Passage) -> Quote:
    """The passage's text without the white space around it."""
    text = passage.text
    return Quote(passage, len(text) - len(text.lstrip()), len(text.rstrip()))


def quoted_passages(pieces: Iterable[Piece]) -> tuple[Passage, ...]:
    """The passages that the pieces quote, each once."""
    return tuple({piece.passage.id: piece.passage for piece in pieces if isinstance(piece, Quote)}.values())


def recite(pieces: Sequence[Piece], clock: Clock) -> dict[str, Any]:
    """Stream the pieces; a cancelled turn keeps what was said.

    A quotation is shown on one line in quotation marks, followed by its number; its citation holds the exact text.

    Returns:
        The part of the turn's state that records the answer.
    """
    write = get_stream_writer()
    said: list[str] = []
    citations: list[Citation] = []
    first: float | None = None
    for piece in pieces:
        if clock.cancelled.is_set():
            break
        if isinstance(piece, Quote):
            citation = cite(piece.passage, piece.start, piece.end, len(citations) + 1)
            text = f"“{' '.join(citation.text.split())}” [{citation.number}]"
            citations.append(citation)
        else:
            citation, text = None, piece
        first = clock.elapsed() if first is None else first
        said.append(text)
        write(Token(text))
        if citation is not None:
            write(Cited(citation))
    answer = "".join(said).strip()
    return {
        "status": "cancelled" if clock.cancelled.is_set() else "done",
        "answer": answer,
        "raw_answer": answer,
        "citations": [asdict(citation) for citation in citations],
        "timings": {} if first is None else {"first_token": first},
    }
