"""A collection of three short documents, indexed by their words."""

from __future__ import annotations

from pathlib import Path

from langchain_core.documents import Document

from knowledge.chunking import embedded_text, split
from knowledge.index import FileEntry, IndexWriter
from tests.knowledge.words import WordEmbedder

PUMP = """# Heron pump

## Warranty

The warranty of the Heron pump covers the motor for 24 months after the day on which it was bought.

## Cleaning

A sieve is the part that keeps gravel away from the turbine. Rinse it under cold water twice a month in winter.
"""
SEA = """# Tides

The tides of the northern coast follow the moon, and a spring tide rises three metres above the harbour wall.

# Salt

Evaporation leaves crystals of salt behind in shallow basins, which workers gather with wooden rakes each August.
"""
HOUSE = """# Door

The front door of the house was painted blue by Ada Smith in the winter of 1901, after the motor of the mill broke.

# Garden

Gravel paths lead to the harbour, and the garden wall keeps cold water from the river away in spring.
"""


def indexed(folder: Path) -> Path:
    """The folder of a new index of the three, by a `WordEmbedder`."""
    embedder = WordEmbedder()
    with IndexWriter.open(folder, embedder.fingerprint, embedder.dimension) as writer:
        for name, text in (("/home/eve/pump.md", PUMP), ("/docs/sea.md", SEA), ("/docs/house.md", HOUSE)):
            passages = list(split([Document(text, metadata={"markup": "markdown"})], name))
            vectors = embedder.embed(list(map(embedded_text, passages)))
            writer.replace(FileEntry(name, "0" * 64, len(text), 0, len(passages)), passages, vectors)
        writer.commit(("/docs",))
    return folder
