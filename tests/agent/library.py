"""A real index over texts given as strings, with the bag-of-words embedder; for tests of the agent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from langchain_core.documents import Document

from knowledge.chunking import embedded_text, split
from knowledge.index import FileEntry, IndexWriter, KnowledgeIndex
from tests.knowledge.words import WordEmbedder


def library(folder: Path, texts: Mapping[str, str]) -> tuple[KnowledgeIndex, dict[str, Path]]:
    """The texts as Markdown files below `folder`, indexed; the index, and each file's path by its name."""
    embedder, paths = WordEmbedder(), {}
    store = folder / "index"
    with IndexWriter.open(store, embedder.fingerprint, embedder.dimension) as writer:
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            paths[name] = path
            document = Document(text, metadata={"source": str(path), "markup": "markdown"})
            passages = list(split([document], str(path)))
            vectors = embedder.embed([embedded_text(passage) for passage in passages])
            digest = hashlib.sha256(text.encode()).hexdigest()
            writer.replace(FileEntry(str(path), digest, len(text), 1, 0), passages, vectors)
        writer.commit([str(folder)])
    return KnowledgeIndex.open(store, embedder.fingerprint), paths
