"""Which files a search may look into."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator

from knowledge.index.entries import FileEntry
from knowledge.schema import SearchFilter

_NS = 1_000_000_000


def matching(wanted: SearchFilter, entries: Iterable[FileEntry]) -> Iterator[str]:
    """Sources of the files that the filter lets through."""
    patterns = "|".join(_pattern(path) for path in wanted.paths)
    fits = re.compile(patterns).match if patterns else None
    suffixes = tuple(suffix.lower() for suffix in wanted.suffixes)
    for entry in entries:
        if suffixes and not entry.source.lower().endswith(suffixes):
            continue
        if fits and not fits(entry.source):
            continue
        if wanted.modified_after is not None and entry.mtime_ns < wanted.modified_after * _NS:
            continue
        if wanted.modified_before is not None and entry.mtime_ns >= wanted.modified_before * _NS:
            continue
        yield entry.source


def _pattern(path: str) -> str:
    """A regular expression for what a glob means, and for everything below it."""
    folder = path.rstrip("/\\") or path
    return f"{fnmatch.translate(path)}|{fnmatch.translate(folder + '/*')}"
