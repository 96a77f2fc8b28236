"""The corpus of a test collection as an index of its own: split, embedded and stored as any document is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.beir import BeirDocument, BeirFolder
from knowledge.chunking import embedded_text, split
from knowledge.errors import EmbedderMismatch, IndexCorrupt, IndexMissing
from knowledge.evaluate import JudgedQuery, OnProgress
from knowledge.schema import IngestProgress, Passage

if TYPE_CHECKING:
    from knowledge.embedders import Embedder
    from knowledge.index import FileEntry
    from knowledge.retriever import HybridRetriever

# Not where the collection lies: its index is found again when it is moved, or named by another path.
_PREFIX = "/corpus/"
_BATCH = 64
_SAMPLE = 100


def beir_queries(collection: BeirFolder) -> list[JudgedQuery]:
    """The judged queries of a test collection whose corpus was indexed by `open_beir`."""
    queries = []
    for name, text in collection.queries.items():
        gains = collection.judgments[name]
        relevant = tuple(document for document, gain in gains.items() if gain > 0)
        queries.append(JudgedQuery(name, text, gains, _document, relevant))
    return queries


@contextmanager
def open_beir(
    collection: BeirFolder, cache: Path, embeddings: Embedder, on_progress: OnProgress | None = None
) -> Iterator[HybridRetriever]:
    """A retriever over the corpus of a test collection, indexed as `ingest` would.

    The index is kept under `cache`, by what it was made from, so that only the first run embeds.

    Raises:
        QuestionSetError: the corpus is not of BEIR's form.
        EmbedderError, IndexBusy, StorageError: the corpus could not be indexed.
    """
    from knowledge.index import KnowledgeIndex
    from knowledge.retriever import HybridRetriever

    folder = cache / _key(collection, embeddings)
    try:
        index = KnowledgeIndex.open(folder, embeddings.fingerprint)
    except (IndexMissing, IndexCorrupt, EmbedderMismatch):
        _build(collection, folder, embeddings, on_progress or (lambda progress: None))
        index = KnowledgeIndex.open(folder, embeddings.fingerprint)
    with closing(index):
        yield HybridRetriever(index=index, embeddings=embeddings)


def _key(collection: BeirFolder, embeddings: Embedder) -> str:
    """Names what decides the index: the corpus, the embedder, and how a sample of the corpus is split."""
    digest = hashlib.sha256(embeddings.fingerprint.encode())
    with collection.corpus.open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    for document in islice(collection.documents(), _SAMPLE):
        for passage in _split(document):
            digest.update(embedded_text(passage).encode())
    return digest.hexdigest()[:32]


def _document(passage: Passage) -> str:
    return passage.source.removeprefix(_PREFIX)


def _split(document: BeirDocument) -> list[Passage]:
    """The passages of a document: its title is a heading, unless there is nothing else."""
    from langchain_core.documents import Document

    outline = [(1, 1, document.title)] if document.title and document.text else []
    text = document.text or document.title
    return list(split([Document(text, metadata={"outline": outline})], _PREFIX + document.id))


def _build(collection: BeirFolder, folder: Path, embeddings: Embedder, report: OnProgress) -> None:
    from knowledge.index import IndexWriter

    documents = list(collection.documents())
    with IndexWriter.open(folder, embeddings.fingerprint, embeddings.dimension, fresh=True) as writer:
        done = 0
        for batch in _batches(documents):
            split_up = [_split(document) for document in batch]
            texts = [embedded_text(passage) for passages in split_up for passage in passages]
            vectors = embeddings.embed(texts)
            start = 0
            for document, passages in zip(batch, split_up, strict=True):
                end = start + len(passages)
                writer.replace(_entry(document, len(passages)), passages, vectors[start:end])
                start = end
            done += len(batch)
            report(IngestProgress("embedding", done, len(documents)))
        writer.commit(())


def _entry(document: BeirDocument, passages: int) -> FileEntry:
    from knowledge.index import FileEntry

    text = f"{document.title}\n{document.text}".encode()
    digest = hashlib.sha256(text).hexdigest()
    return FileEntry(_PREFIX + document.id, digest, len(text), 0, passages)


def _batches(documents: Sequence[BeirDocument]) -> Iterator[Sequence[BeirDocument]]:
    return (documents[start : start + _BATCH] for start in range(0, len(documents), _BATCH))
