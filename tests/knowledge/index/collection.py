"""Small collections for tests: texts by file, with bag-of-words vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from knowledge.index import FileEntry, IndexWriter, KnowledgeIndex
from knowledge.schema import Passage
from tests.knowledge.words import WordEmbedder

WORDS = WordEmbedder()
TEXTS = {
    "/docs/boat.md": ["The boat sails at dawn with the tide.", "Its mast is eleven metres high."],
    "/docs/garden/water.md": ["Watering tomatoes: two litres every day.", "Running water runs through the mill."],
    "/docs/garden/bees.txt": ["Bees make honey in August."],
}


def passages_of(source: str, texts: Sequence[str], **fields: object) -> list[Passage]:
    found = []
    for line, text in enumerate(texts, 1):
        name = hashlib.sha256(f"{source}\0{line}\0{text}".encode()).hexdigest()
        found.append(Passage(name, source, text, line, line, **fields))  # type: ignore[arg-type]
    return found


def vectors_of(texts: Sequence[str]) -> np.ndarray:
    return WORDS.embed(texts) if texts else np.empty((0, WORDS.dimension), dtype=np.float32)


def put(writer: IndexWriter, source: str, texts: Sequence[str], mtime: float = 0.0) -> None:
    entry = FileEntry(source, hashlib.sha256("".join(texts).encode()).hexdigest(), 10, int(mtime * 1e9), len(texts))
    writer.replace(entry, passages_of(source, texts), vectors_of(texts))


def write(folder: Path, files: Mapping[str, Sequence[str]], *, fresh: bool = False) -> None:
    with IndexWriter.open(folder, WORDS.fingerprint, WORDS.dimension, fresh=fresh) as writer:
        for source, texts in files.items():
            put(writer, source, texts)
        writer.commit(["/docs"])


def open_index(folder: Path) -> KnowledgeIndex:
    return KnowledgeIndex.open(folder, WORDS.fingerprint)


def held(index: KnowledgeIndex) -> dict[str, list[str]]:
    """Texts by source, as the index gives them, its bookkeeping checked on the way."""
    found = {}
    for source, entry in index.sources().items():
        passages = index.passages(index.rows_of(source))
        assert len(passages) == entry.passages
        assert all(passage.source == source for passage in passages)
        found[source] = [passage.text for passage in passages]
    assert sum(map(len, found.values())) == index.size
    return found
