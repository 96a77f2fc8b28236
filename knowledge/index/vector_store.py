"""A collection as a LangChain `VectorStore`: what LangChain code adds is kept beside what was ingested from files."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from knowledge.errors import IndexMissing
from knowledge.index.entries import DOCUMENT, FileEntry
from knowledge.index.generations import read_pointer
from knowledge.index.reader import KnowledgeIndex
from knowledge.index.writer import IndexWriter
from knowledge.schema import Passage

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.embeddings import Embeddings

Filter = Callable[[Document], bool] | Mapping[str, Any]
Found = tuple[int, Document, float]
_FIRST_LOOK = 64


class CollectionStore(VectorStore):
    """A collection's documents by their meaning; several processes may read while one writes.

    A document added here is one passage under its id, with its metadata, which must be JSON values. Passages
    ingested from files are found as well, but are changed and deleted only by ingesting. Every call that adds
    or deletes is durable when it returns.

    Args:
        embedding: turns texts into vectors; they are brought to unit length here.
        folder: of the collection; made when something is first added.
        fingerprint: tells this embedder from others; default: its own `fingerprint`, or the name of its class.
    """

    def __init__(self, embedding: Embeddings, folder: Path, fingerprint: str = "") -> None:
        self._embedding = embedding
        self._folder = Path(folder)
        self._fingerprint = fingerprint or getattr(embedding, "fingerprint", type(embedding).__name__)
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._index: KnowledgeIndex | None = None
        self._pointer = ""

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> CollectionStore:
        """A store with these texts in it; `folder` must be named, `fingerprint` may be."""
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @property
    def embeddings(self) -> Embeddings:
        """What turns texts into vectors."""
        return self._embedding

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts, replacing those of the same ids, and return their ids.

        Raises:
            ValueError: the lists differ in length, or metadata are not JSON values.
            IndexBusy, IndexCorrupt, EmbedderMismatch, StorageError: the collection cannot be written.
        """
        texts = list(texts)
        names = [name or str(uuid.uuid4()) for name in (ids if ids is not None else [None] * len(texts))]
        metadata = metadatas if metadatas is not None else [{} for _ in texts]
        if not len(texts) == len(names) == len(metadata):
            raise ValueError(f"{len(texts)} texts, {len(names)} ids, {len(metadata)} metadata")
        if not texts:
            return []
        vectors = _unit(self._embedding.embed_documents(texts))
        with self._writing, IndexWriter.open(self._folder, self._fingerprint, vectors.shape[1]) as writer:
            for row, (name, text) in enumerate(zip(names, texts, strict=True)):
                passage = Passage(name, DOCUMENT + name, text, 1, text.count("\n") + 1)
                entry = FileEntry(passage.source, "", len(text), 0, 1)
                writer.replace(entry, [passage], vectors[row : row + 1], [metadata[row]])
            writer.commit(writer.roots)
        return names

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Delete documents added here; ids of others, and unknown ones, are left alone.

        Args:
            ids: which; None for all that were added here.
            **kwargs: none is known.

        Raises:
            IndexBusy, IndexCorrupt, EmbedderMismatch, StorageError: the collection cannot be written.
        """
        index = self._current()
        if index is None:
            return True
        with self._writing, IndexWriter.open(self._folder, self._fingerprint, index.dimension) as writer:
            own = [source for source in writer.files if source.startswith(DOCUMENT)]
            wanted = set(own) if ids is None else {DOCUMENT + name for name in ids}
            for source in wanted.intersection(own):
                writer.remove(source)
            writer.commit(writer.roots)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Documents added here, in the order of their ids; unknown ids are left out."""
        index = self._current()
        rows = [row for name in ids for row in index.rows_of(DOCUMENT + name).tolist()] if index else []
        return _documents(index, rows) if index else []

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The k documents nearest to a query, nearest first; `filter` as below."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """The same, each with its cosine to the query."""
        found = self._search(self._embedding.embed_query(query), k, **kwargs)
        return [(document, cosine) for _, document, cosine in found]

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """The k documents nearest to a vector, nearest first.

        Args:
            embedding: the vector, of any length above 0.
            k: how many at most.
            **kwargs: `filter`: metadata that a document must have, or a function that says whether to take it.
        """
        return [document for _, document, _ in self._search(embedding, k, **kwargs)]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """The k of the `fetch_k` nearest documents that are near to the query but not to each other."""
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """The same for a vector; with `lambda_mult` 1 only nearness counts, with 0 only difference."""
        import numpy as np

        index = self._current()
        found = self._search(embedding, fetch_k, **kwargs)
        if index is None or not found:
            return []
        vectors = index.vectors(np.array([row for row, _, _ in found]))
        chosen = maximal_marginal_relevance(_unit([embedding])[0], list(vectors), lambda_mult, k)
        return [found[place][1] for place in chosen]

    def close(self) -> None:
        """Let go of the index; the next call opens it again."""
        with self._lock:
            index, self._index, self._pointer = self._index, None, ""
        if index is not None:
            index.close()

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: (cosine + 1) / 2

    def _current(self) -> KnowledgeIndex | None:
        """The newest generation; None while nothing was ever added."""
        with self._lock:
            try:
                pointer = read_pointer(self._folder)
            except IndexMissing:
                return None
            if self._index is None or pointer != self._pointer:
                # The one before is not closed here: another thread may be searching in it.
                self._index, self._pointer = KnowledgeIndex.open(self._folder, self._fingerprint), pointer
            return self._index

    def _search(self, vector: Sequence[float], k: int, filter: Filter | None = None, **kwargs: Any) -> list[Found]:  # noqa: A002
        index = self._current()
        if index is None or k < 1:
            return []
        wanted = _predicate(filter)
        return list(islice((found for found in _nearest(index, _unit([vector])[0], k) if wanted(found[1])), k))


def _nearest(index: KnowledgeIndex, vector: np.ndarray, k: int) -> Iterator[Found]:
    """Documents from the nearest on, looked up in growing numbers while more are asked for."""
    seen: set[int] = set()
    look = max(k, 1)
    while len(seen) < index.size:
        rows, cosines = index.search_dense(vector, look)
        # Passages equally near may come in another order when more are asked for.
        fresh = [place for place, row in enumerate(rows.tolist()) if row not in seen]
        yield from zip(rows[fresh].tolist(), _documents(index, rows[fresh]), cosines[fresh].tolist(), strict=True)
        seen.update(rows.tolist())
        if len(rows) < look:
            return
        look = max(look * 4, _FIRST_LOOK)


def _documents(index: KnowledgeIndex, rows: Sequence[int] | np.ndarray) -> list[Document]:
    documents = []
    for passage, metadata in zip(index.passages(rows), index.metadata(rows), strict=True):
        if metadata is None:
            documents.append(passage.to_document())
        else:
            documents.append(Document(id=passage.id, page_content=passage.text, metadata=metadata))
    return documents


def _predicate(wanted: Filter | None) -> Callable[[Document], bool]:
    if wanted is None:
        return lambda document: True
    if callable(wanted):
        return wanted
    items = wanted.items()
    return lambda document: all(document.metadata.get(key) == value for key, value in items)


def _unit(vectors: Sequence[Sequence[float]]) -> np.ndarray:
    """Vectors at unit length, float32; those of no length stay as they are."""
    import numpy as np

    given = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    return given / np.where(lengths > 0, lengths, 1)
