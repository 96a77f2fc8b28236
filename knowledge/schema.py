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
        start_line: first line, 1-based, counted in the text of the page or part where there are some.
        end_line: last line, inclusive.
        page: 1-based page number for paged formats, else None.
        heading: the path of headings above the text, joined by " › "; may be empty.
        part: which part of the file the lines are counted in, such as "slide 3" or "sheet Prices"; may be empty.
        unit: what `start_line` and `end_line` count, "line" or "row".
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
    part: str = ""
    unit: str = "line"
    score: float = 0.0
    similarity: float = 0.0

    @property
    def locator(self) -> str:
        """Where in the file, for people: "page 3, lines 4-9", "sheet Prices, row 7" or "lines 10-24"."""
        one = self.start_line == self.end_line
        lines = f"{self.unit} {self.start_line}" if one else f"{self.unit}s {self.start_line}-{self.end_line}"
        page = f"page {self.page}" if self.page is not None else ""
        return ", ".join(filter(None, (self.part, page, lines)))

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
class SearchFilter:
    """Which files a search may look into; what is left empty does not restrict.

    Attributes:
        paths: glob patterns (`fnmatch`) of which the absolute path must match one; a folder stands for all below it.
        suffixes: file name endings, lower case, with the dot.
        modified_after: seconds since the epoch, inclusive.
        modified_before: seconds since the epoch, exclusive.
    """

    paths: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    modified_after: float | None = None
    modified_before: float | None = None


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
    """How far an ingest is.

    Attributes:
        phase: "scanning", "working" (files are read and their passages embedded) or "saving".
        files: files done with.
        files_total: files to look into; unchanged ones are not among them.
        passages: passages that have their vectors.
        passages_total: passages in all, as far as can be told: of files not read yet, by their length.
        rate: passages per second of late; 0.0 while there is nothing to tell it from.
        seconds_left: until all is embedded, at this rate; None while it cannot be told.
        detail: the file at hand; may be empty.
    """

    phase: str
    files: int = 0
    files_total: int = 0
    passages: int = 0
    passages_total: int = 0
    rate: float = 0.0
    seconds_left: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did, in numbers of files where nothing else is said.

    Attributes:
        added: files that are new in the index.
        updated: files whose content had changed.
        unchanged: files that are as they were.
        removed: files that have left the folders.
        failed: files that cannot be read, those that were reported earlier and have not changed left out.
        passages: passages in the index now.
        embedded: texts that were embedded.
        seconds: how long it took.
        skipped: files in the folders whose type cannot be read.
        moved: files that stand elsewhere with the same content.
        failing: files reported as failed by an earlier ingest, and unchanged since.
        missing: folders and files of earlier ingests that are not there; what they held stays in the index.
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
    moved: int = 0
    failing: int = 0
    missing: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values, as printed by `ingest --json`."""
        return asdict(self)
