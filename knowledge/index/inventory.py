"""Which collections there are, and the end of one."""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from knowledge.errors import IndexMissing, KnowledgeError, StorageError
from knowledge.index.generations import current, storage_errors, writer_lock
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


def delete_collection(folder: Path) -> None:
    """Delete a collection for good: in one step for those who read and write, then file by file.

    Raises:
        IndexMissing: there is no such folder.
        IndexBusy: another process is writing to it; it stays.
        StorageError: the disk refused.
    """
    if not folder.is_dir():
        raise IndexMissing(f"There is no collection {folder.name}.", fix="`ratchet knowledge collections` lists them.")
    aside = folder.with_name(f".deleted-{uuid.uuid4().hex}")
    with storage_errors(folder):
        with writer_lock(folder):
            (folder / "CURRENT").unlink(missing_ok=True)  # from here on it is gone, whatever happens
            if os.name != "nt":
                folder.rename(aside)  # with the lock in it: a new collection of this name has a lock of its own
        if os.name == "nt":  # Windows renames no folder in which a file, such as the lock, is open
            folder.rename(aside)
    try:
        shutil.rmtree(aside)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise StorageError(
            f"Files of the deleted collection {folder.name} are still in {aside}: {why}.",
            kept="The collection is gone.",
            fix="Delete that folder yourself.",
        ) from error


def _facts(folder: Path) -> CollectionFacts:
    try:
        generation = current(folder)
        state = state_of(generation)
        modified = (folder / "CURRENT").stat().st_mtime
    except (KnowledgeError, OSError) as error:
        return CollectionFacts(folder.name, problem=str(error))
    return CollectionFacts(folder.name, state.passages, state.files, generation.bytes, state.embedder, modified)
