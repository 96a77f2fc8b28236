"""The files of an index while it is changed, and where their passages lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from knowledge.index.entries import FileEntry, Place


class Ledger:
    """Entries and places by source.

    Attributes:
        changed: whether anything differs from what is current.
    """

    def __init__(self, files: Iterable[tuple[FileEntry, Place]], changed: bool) -> None:
        self.changed = changed
        self._entries: dict[str, FileEntry] = {}
        self._places: dict[str, Place] = {}
        for entry, place in files:
            self._entries[entry.source], self._places[entry.source] = entry, place

    def __iter__(self) -> Iterator[tuple[FileEntry, Place]]:
        return ((entry, self._places[source]) for source, entry in self._entries.items())

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, source: str) -> tuple[FileEntry, Place]:
        return self._entries[source], self._places[source]

    @property
    def entries(self) -> Mapping[str, FileEntry]:
        """What is known of every file."""
        return MappingProxyType(self._entries)

    @property
    def passages(self) -> int:
        """How many all files have."""
        return sum(entry.passages for entry in self._entries.values())

    def put(self, entry: FileEntry, place: Place) -> None:
        """A file's new state."""
        self._entries[entry.source], self._places[entry.source] = entry, place
        self.changed = True

    def remove(self, source: str) -> None:
        """Forget a file.

        Raises:
            KeyError: it is not known.
        """
        del self._entries[source], self._places[source]
        self.changed = True

    def live(self, segments: Iterable[str]) -> dict[str, int]:
        """How many rows of each segment belong to a file."""
        found = dict.fromkeys(segments, 0)
        for entry, place in self:
            if place.segment:
                found[place.segment] += entry.passages
        return found

    def sources_in(self, segments: Sequence[str]) -> dict[str, list[str]]:
        """Files with passages in each of these segments, in the order of their rows; only segments with any."""
        found: dict[str, list[str]] = {name: [] for name in segments}
        for source, place in self._places.items():
            if place.segment in found:
                found[place.segment].append(source)
        for sources in found.values():
            sources.sort(key=lambda source: self._places[source].first)
        return {name: sources for name, sources in found.items() if sources}

    def relocate(self, sources: Sequence[str], segment: str, firsts: Sequence[int]) -> None:
        """The passages of these files now begin at these rows of a segment."""
        for source, first in zip(sources, firsts, strict=True):
            self._places[source] = Place(segment, first)
