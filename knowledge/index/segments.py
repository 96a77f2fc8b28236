"""The segments a writer works with: those of the generation it started from, and those it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from knowledge.index.generations import SHARED, Generation, new_shared
from knowledge.index.rows import Span
from knowledge.index.sealing import Seal
from knowledge.index.segment import Facts, Segment, SegmentBuilder


class SegmentSet:
    """Segments by name; one may be growing.

    Args:
        folder: of the collection.
        dimension: of the vectors.
        facts: of the segments that there are.
        seals: of their files.
    """

    def __init__(self, folder: Path, dimension: int, facts: Sequence[Facts], seals: Mapping[str, Seal]) -> None:
        self._folder = folder
        self._dimension = dimension
        self.facts = {each.name: each for each in facts}
        self._seals = {name: seal for name, seal in seals.items() if name.startswith(f"{SHARED}/")}
        self._opened: dict[str, Segment] = {}
        self._growing: SegmentBuilder | None = None

    def growing(self) -> SegmentBuilder:
        """The segment to which changes go; begun when it is first needed.

        Raises:
            OSError, sqlite3.Error: the disk refused.
        """
        if self._growing is None:
            self._growing = SegmentBuilder(new_shared(self._folder), self._dimension)
        return self._growing

    def grows(self, name: str) -> bool:
        """Whether that is the name of the segment that is not finished yet."""
        return self._growing is not None and self._growing.folder.name == name

    def opened(self, name: str) -> Segment:
        """A finished segment, checked when it is first needed.

        Raises:
            IndexCorrupt: a file of it is damaged.
        """
        if name not in self._opened:
            self._opened[name] = Segment(Generation(self._folder, "", self._seals, {}), self.facts[name])
        return self._opened[name]

    def finish(self) -> None:
        """Complete the segment that grows, if there is one.

        Raises:
            OSError, sqlite3.Error: the disk refused.
        """
        builder, self._growing = self._growing, None
        if builder is not None:
            self._complete(builder)

    def merge(self, spans: Mapping[str, Sequence[Span]]) -> tuple[str, dict[str, list[int]]]:
        """Make one new segment of parts of finished ones, which then are no longer among these.

        Args:
            spans: by segment, the rows to take, ascending.

        Returns:
            The name of the new segment, and for every span where it begins there.

        Raises:
            OSError, sqlite3.Error: the disk refused.
            IndexCorrupt: one of the segments is damaged.
        """
        builder = SegmentBuilder(new_shared(self._folder), self._dimension)
        try:
            firsts = {name: builder.add_segment(self.opened(name), taken) for name, taken in spans.items()}
        except BaseException:
            builder.discard()
            raise
        self._complete(builder)
        for name in spans:
            self.drop(name)
        return builder.folder.name, firsts

    def drop(self, name: str) -> None:
        """A segment that the next generation does not need."""
        del self.facts[name]
        if name in self._opened:
            self._opened.pop(name).close()

    def seals(self) -> dict[str, Seal]:
        """Files of the finished segments, by name."""
        return {name: seal for name, seal in self._seals.items() if name.split("/")[1] in self.facts}

    def close(self) -> None:
        """Let go of all files; a segment that still grows is removed."""
        if self._growing is not None:
            self._growing.discard()
        for segment in self._opened.values():
            segment.close()
        self._opened.clear()

    def _complete(self, builder: SegmentBuilder) -> None:
        try:
            facts, seals = builder.finish()
        except BaseException:
            builder.discard()
            raise
        self.facts[facts.name] = facts
        self._seals |= seals
