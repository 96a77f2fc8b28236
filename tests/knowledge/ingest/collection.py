"""What an index holds, read back through the public reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from knowledge.index import KnowledgeIndex
from knowledge.schema import Passage
from tests.knowledge.words import WordEmbedder


@contextmanager
def opened(store: Path, fingerprint: str = "") -> Iterator[KnowledgeIndex]:
    """The current generation, open while the context lasts."""
    with closing(KnowledgeIndex.open(store, fingerprint or WordEmbedder().fingerprint)) as index:
        yield index


def passages(store: Path, fingerprint: str = "") -> list[Passage]:
    """Every passage of the current generation."""
    with opened(store, fingerprint) as index:
        rows = [index.rows_of(source) for source in index.sources()]
        return index.passages(np.concatenate(rows)) if rows else []


def vectors(store: Path, source: Path) -> np.ndarray:
    """The vectors of a file's passages, in reading order."""
    with opened(store) as index:
        return index.vectors(index.rows_of(str(source)))


def generation(store: Path) -> str:
    """The name of the current generation, with what vouches for it."""
    return (store / "CURRENT").read_text(encoding="ascii")
