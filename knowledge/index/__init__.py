"""The index of a collection, from ten files to a million passages.

Names are imported on first use, so that naming this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knowledge.index.entries import FileEntry
    from knowledge.index.inventory import CollectionFacts, collections, delete_collection
    from knowledge.index.reader import KnowledgeIndex
    from knowledge.index.vector_store import CollectionStore
    from knowledge.index.writer import IndexWriter

_HOMES = {
    "CollectionFacts": "inventory",
    "CollectionStore": "vector_store",
    "FileEntry": "entries",
    "IndexWriter": "writer",
    "KnowledgeIndex": "reader",
    "collections": "inventory",
    "delete_collection": "inventory",
}

__all__ = [
    "CollectionFacts",
    "CollectionStore",
    "FileEntry",
    "IndexWriter",
    "KnowledgeIndex",
    "collections",
    "delete_collection",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'knowledge.index' has no attribute {name!r}")
    return getattr(importlib.import_module(f"knowledge.index.{_HOMES[name]}"), name)
