"""What a generation says of an index as a whole, and which indexes this version can use."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge.errors import EmbedderMismatch, IndexCorrupt, IndexMissing
from knowledge.index.entries import CATALOGUE, FileEntry, Place, unpack
from knowledge.index.generations import Generation, corrupt, last_readable
from knowledge.index.segment import Facts

FORMAT = 2


@dataclass(frozen=True, slots=True)
class State:
    """The notes of a generation.

    Attributes:
        embedder: fingerprint of the embedder that made the vectors.
        dimension: of the vectors.
        roots: folders and files the user named, absolute.
        passages: how many can be found.
        files: how many are known, readable or not.
        segments: in the order that numbers the rows.
    """

    embedder: str
    dimension: int
    roots: tuple[str, ...]
    passages: int
    files: int
    segments: Sequence[Facts]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return {
            "format": FORMAT,
            "embedder": self.embedder,
            "dimension": self.dimension,
            "passages": self.passages,
            "files": self.files,
            "roots": list(self.roots),
            "segments": [facts.to_json() for facts in self.segments],
        }


def state_of(generation: Generation) -> State:
    """What the manifest says.

    Raises:
        IndexCorrupt: it was written by another version of Ratchet.
    """
    notes = generation.notes
    if notes.get("format") != FORMAT:
        raise IndexCorrupt(
            f"The index in {generation.folder} was written by another version of Ratchet.",
            kept="The index is kept, and your documents are untouched.",
            fix="Run `ratchet knowledge reindex` to make it anew from your documents.",
        )
    segments = [Facts.from_json(data) for data in notes["segments"]]
    roots = tuple(notes["roots"])
    return State(notes["embedder"], notes["dimension"], roots, notes["passages"], notes["files"], segments)


def check_embedder(folder: Path, state: State, fingerprint: str) -> None:
    """Refuse vectors that mean nothing to this embedder.

    Raises:
        EmbedderMismatch: the index was made with another one, or with another version of it.
    """
    if state.embedder == fingerprint:
        return
    old, new = (name.partition(":")[0] for name in (state.embedder, fingerprint))
    if old == new:
        new = f"this version of it ({fingerprint})"
    raise EmbedderMismatch(
        f"The index in {folder} was made with the embedder {old}, not with {new}.",
        kept="The index is kept.",
        fix="Set knowledge.embedder back, or run `ratchet knowledge reindex` to make it anew.",
    )


def catalogue_of(generation: Generation) -> dict[str, tuple[FileEntry, Place]]:
    """Every file the index knows and where its passages lie, by source.

    Raises:
        IndexCorrupt: the catalogue is damaged.
    """
    path = generation.verified(f"{generation.name}/{CATALOGUE}")
    try:
        return {entry.source: (entry, place) for entry, place in unpack(path)}
    except sqlite3.DatabaseError as error:
        raise corrupt(generation.folder, f"{CATALOGUE} cannot be read ({error})") from error


def earlier_roots(folder: Path) -> tuple[str, ...]:
    """The folders named for the index that stands here, whatever wrote it; none when it cannot be told.

    When it is damaged, those of the newest generation that can be read.
    """
    try:
        return tuple(map(str, last_readable(folder).notes.get("roots", ())))
    except (IndexMissing, IndexCorrupt):
        return ()
