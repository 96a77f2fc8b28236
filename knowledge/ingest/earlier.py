"""The index that stands while a new one is made: what it alone holds is taken over, as far as it can be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from knowledge.errors import IndexCorrupt, IndexMissing
from knowledge.index.docstore import FILE, Docstore, Metadata
from knowledge.index.entries import FileEntry, Place
from knowledge.index.generations import SHARED, Generation, last_readable
from knowledge.index.state import catalogue_of, state_of
from knowledge.index.writer import IndexWriter
from knowledge.ingest.batching import Batches
from knowledge.schema import FileFailure, Passage

Content = tuple[FileEntry, list[Passage], list[Metadata | None]]
_LOST = "The damaged index does not give what was read from it."


class EarlierIndex:
    """Texts and metadata of an index, whatever made its vectors; damage costs what is damaged and no more.

    Args:
        folder: of the collection; there need not be an index. None: there is nothing to take over.

    Attributes:
        damaged: whether there is an index that does not even tell its files.
    """

    def __init__(self, folder: Path | None) -> None:
        self._generation: Generation | None = None
        self._catalogue: Mapping[str, tuple[FileEntry, Place]] = {}
        self._docstores: dict[str, Docstore | None] = {}
        self.damaged = False
        if folder is None:
            return
        try:
            self._generation = last_readable(folder)
            state_of(self._generation)  # only this version's catalogues can be read
            self._catalogue = catalogue_of(self._generation)
        except IndexMissing:
            pass
        except IndexCorrupt:
            self.damaged = True

    @property
    def files(self) -> dict[str, FileEntry]:
        """What it knows of every file, by source."""
        return {source: entry for source, (entry, _) in self._catalogue.items()}

    def contents(self, wanted: Callable[[str], bool]) -> Iterator[Content | FileFailure]:
        """Files with their passages in reading order and the metadata of these; or that they are lost.

        Args:
            wanted: of which sources.
        """
        for source, (entry, place) in self._catalogue.items():
            if not wanted(source):
                continue
            docstore = self._docstore(place.segment) if entry.passages else None
            if docstore is None:
                yield FileFailure(source, _LOST) if entry.passages else (entry, [], [])
                continue
            try:
                stored = list(docstore.stream(place.first, entry.passages))
            except sqlite3.DatabaseError:
                yield FileFailure(source, _LOST)
                continue
            yield entry, [passage for passage, _ in stored], [metadata for _, metadata in stored]

    def close(self) -> None:
        """Let go of the files."""
        for docstore in filter(None, self._docstores.values()):
            docstore.close()

    def _docstore(self, segment: str) -> Docstore | None:
        """The texts of a segment; None when they are damaged."""
        if segment not in self._docstores and self._generation is not None:
            try:
                self._docstores[segment] = Docstore(self._generation.verified(f"{SHARED}/{segment}/{FILE}"))
            except (IndexCorrupt, sqlite3.DatabaseError):
                self._docstores[segment] = None
        return self._docstores.get(segment)


def carry_over(
    contents: Iterable[Content | FileFailure], writer: IndexWriter, batches: Batches, expect: Callable[[int], None]
) -> list[FileFailure]:
    """Take files over into a new index, their texts embedded anew.

    Args:
        contents: of the earlier index.
        writer: of the new one.
        batches: what embeds; empty before and after.
        expect: told how many passages each file brings.

    Returns:
        The files that are lost.
    """
    lost: list[FileFailure] = []
    notes: dict[str, list[Metadata | None]] = {}

    def store() -> None:
        for file in batches.flush():
            writer.replace(file.entry, file.passages, file.vectors, notes.pop(file.entry.source))

    for content in contents:
        if isinstance(content, FileFailure):
            lost.append(content)
            continue
        entry, passages, notes[entry.source] = content
        expect(len(passages))
        batches.add(entry, passages)
        if batches.full:
            store()
    store()
    return lost
