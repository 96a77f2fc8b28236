"""What flows out of the knowledge room: passages with a place that can be opened.

A `Passage` crosses rooms as this frozen record and, inside LangChain interfaces, as a `Document`
whose metadata are the same fields (`to_document`, `from_document`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.documents import Document


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk of one document, with the place it came from.

    Attributes:
        id: SHA-256 hex digest over source, position and text; stable while those are unchanged.
        source: absolute path of the file.
        text: the exact text of lines `start_line`..`end_line` of the extracted document.
        start_line: first line, 1-based, counted in the page's text where there are pages.
        end_line: last line, inclusive.
        page: 1-based page number for paged formats, else None.
        heading: the path of headings above the text, joined by " › "; may be empty.
        score: fused retrieval score, higher is better; 0.0 outside a retrieval.
        similarity: cosine similarity to the query, in [-1, 1]; 0.0 outside a retrieval.
    """

    id: str
    source: str
    text: str
    start_line: int
    end_line: int
    page: int | None = None
    heading: str = ""
    score: float = 0.0
    similarity: float = 0.0

    @property
    def locator(self) -> str:
        """Where in the file, for people: "page 3, lines 4-9" or "lines 10-24"."""
        span = f"{self.start_line}-{self.end_line}"
        lines = f"line {self.start_line}" if self.start_line == self.end_line else f"lines {span}"
        return f"page {self.page}, {lines}" if self.page is not None else lines

    def scored(self, score: float, similarity: float) -> Passage:
        """The same passage with retrieval scores."""
        return replace(self, score=score, similarity=similarity)

    def to_json(self) -> dict[str, Any]:
        """Plain values only, `locator` included; what checkpoints and records hold."""
        return asdict(self) | {"locator": self.locator}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Passage:
        """The inverse of `to_json`; derived and unknown keys are ignored."""
        names = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in names})

    def to_document(self) -> Document:
        """A LangChain `Document` with these fields as metadata."""
        from langchain_core.documents import Document

        metadata = self.to_json()
        return Document(id=self.id, page_content=metadata.pop("text"), metadata=metadata)

    @classmethod
    def from_document(cls, document: Document) -> Passage:
        """The inverse of `to_document`."""
        return cls.from_json({**document.metadata, "text": document.page_content})


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The outcome of one search.

    Attributes:
        query: what was searched for.
        passages: best first.
        relevant: False when nothing found is close enough to be worth showing to a model.
        confidence: calibrated probability in [0, 1] that the passages answer the query.
        seconds: how long the search took, embedding included.
    """

    query: str
    passages: tuple[Passage, ...]
    relevant: bool
    confidence: float
    seconds: float


@dataclass(frozen=True, slots=True)
class FileFailure:
    """A file that gave no passages, and why, in one sentence."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """A step of an ingest: `done` of `total` in the named phase ("reading", "embedding", "saving")."""

    phase: str
    done: int
    total: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did. File counts but for `passages` (in the index now) and `embedded`.

    `skipped` counts files in the folders whose type cannot be read.
    """

    added: int
    updated: int
    unchanged: int
    removed: int
    failed: tuple[FileFailure, ...]
    passages: int
    embedded: int
    seconds: float
    skipped: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values, as printed by `ingest --json`."""
        return asdict(self)
