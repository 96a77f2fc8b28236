"""Which collections there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from knowledge.errors import KnowledgeError
from knowledge.index.generations import current
from knowledge.index.state import state_of


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """One collection, as its manifest describes it; nothing else of it is read.

    Attributes:
        name: of the collection, which is that of its folder.
        passages: how many can be found.
        files: how many are known, readable or not.
        bytes: size of the index on the disk.
        embedder: fingerprint of the embedder.
        modified: when it last changed, seconds since the epoch.
        problem: why it cannot be used, in one sentence; the figures are 0 then.
    """

    name: str
    passages: int = 0
    files: int = 0
    bytes: int = 0
    embedder: str = ""
    modified: float = 0.0
    problem: str = ""


def collections(indexes_folder: Path) -> list[CollectionFacts]:
    """Every collection below a folder, sorted by name; none when the folder does not exist."""
    if not indexes_folder.is_dir():
        return []
    folders = sorted(path for path in indexes_folder.iterdir() if (path / "CURRENT").exists())
    return [_facts(folder) for folder in folders]


def _facts(folder: Path) -> CollectionFacts:
    try:
        generation = current(folder)
        state = state_of(generation)
        modified = (folder / "CURRENT").stat().st_mtime
    except (KnowledgeError, OSError) as error:
        return CollectionFacts(folder.name, problem=str(error))
    return CollectionFacts(folder.name, state.passages, state.files, generation.bytes, state.embedder, modified)
