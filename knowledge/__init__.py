"""Documents in, passages with a place out: load, split, embed, index, search.

Names are imported on first use, so that naming this package costs nothing. The two verbs are called by
their module: `from knowledge.ingest import ingest`, `from knowledge.resolve import resolve`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knowledge.embedders import CachedEmbeddings, Embedder, build_embeddings
    from knowledge.index import KnowledgeIndex
    from knowledge.retriever import HybridRetriever
    from knowledge.schema import FileFailure, IngestProgress, IngestReport, Passage, Retrieval
    from knowledge.text import sanitize

_HOMES = {
    "CachedEmbeddings": "embedders",
    "Embedder": "embedders",
    "FileFailure": "schema",
    "HybridRetriever": "retriever",
    "IngestProgress": "schema",
    "IngestReport": "schema",
    "KnowledgeIndex": "index",
    "Passage": "schema",
    "Retrieval": "schema",
    "build_embeddings": "embedders",
    "sanitize": "text",
}

__all__ = [
    "CachedEmbeddings",
    "Embedder",
    "FileFailure",
    "HybridRetriever",
    "IngestProgress",
    "IngestReport",
    "KnowledgeIndex",
    "Passage",
    "Retrieval",
    "build_embeddings",
    "sanitize",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'knowledge' has no attribute {name!r}")
    return getattr(importlib.import_module(f"knowledge.{_HOMES[name]}"), name)
