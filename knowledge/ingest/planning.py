"""What an ingest has to do: the files found now against those the index knows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from knowledge.index import FileEntry
from knowledge.ingest.places import Places
from knowledge.ingest.reading import look_at
from knowledge.ingest.scan import Found, Scan

_SECOND = 1_000_000_000
_TICK = _SECOND // 10


@dataclass(slots=True)
class Plan:
    """What to do with each file.

    Attributes:
        unchanged: how many readable files are as they were.
        failing: how many files still cannot be read, and have not changed.
        refused: files that need not be opened to know that they cannot be read.
        work: files to look into, in reading order.
        moved: (where the content was, the entry of where it is).
        gone: sources that left the folders.
    """

    unchanged: int = 0
    failing: int = 0
    refused: list[FileEntry] = field(default_factory=list)
    work: list[Found] = field(default_factory=list)
    moved: list[tuple[str, FileEntry]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def make_plan(found: Scan, known: Mapping[str, FileEntry], scanned: Places, kept: Places, *, retry: bool) -> Plan:
    """Compare what was found with what is known.

    Args:
        found: the files below what was scanned.
        known: the files of the index, those of other roots included.
        scanned: the roots that were.
        kept: where files that were not found may still be.
        retry: look into files that could not be read again, though they are unchanged.
    """
    plan = Plan()
    for source, file in found.files.items():
        entry = known.get(source)
        if file.problem:
            if entry is not None and entry.failure == file.problem:
                plan.failing += 1
            else:
                plan.refused.append(FileEntry(source, "", file.size, file.mtime_ns, 0, file.problem))
        elif entry is None or not _is_as_it_was(entry, file) or (retry and entry.failure):
            plan.work.append(file)
        elif entry.failure:
            plan.failing += 1
        else:
            plan.unchanged += 1
    plan.gone = [source for source in known if source not in found.files and source in scanned and source not in kept]
    _find_moves(plan, known)
    return plan


def tells_more(known: FileEntry, entry: FileEntry) -> bool:
    """Whether a later look at a file whose content is the same is worth noting.

    It is not when its time proves as little as that of the look before: a file dated in the future is looked
    into every time, and need not be noted every time.
    """
    return replace(known, checked_ns=entry.checked_ns) != entry or _is_settled(entry)


def _is_as_it_was(entry: FileEntry, file: Found) -> bool:
    """Whether size and time prove that the content is that of the last look.

    They do not when the file had been written just before: a later write within the same tick of the file
    system's clock leaves the same time. Whole seconds are taken for a clock that counts in two seconds, as
    FAT does. A file that could not be opened has no time of a look, and is tried again.
    """
    return (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns) and _is_settled(entry)


def _is_settled(entry: FileEntry) -> bool:
    """Whether the look at a file came later than its time by more than the clock's tick."""
    tick = _TICK if entry.mtime_ns % _SECOND else 2 * _SECOND
    return entry.mtime_ns + tick < entry.checked_ns


def _find_moves(plan: Plan, known: Mapping[str, FileEntry]) -> None:
    """Take files that vanished here and stand there with the same content out of `gone` and `work`.

    Only new files as long as one that vanished are hashed. The ending must be the same as well: it decides
    how a file is read.
    """
    lost: dict[tuple[str, str], list[str]] = {}
    for source in plan.gone:
        entry = known[source]
        if entry.sha256 and not entry.failure:
            lost.setdefault((entry.sha256, _suffix(source)), []).append(source)
    sizes = {known[source].size for sources in lost.values() for source in sources}
    rest: list[Found] = []
    for file in plan.work:
        new = _look_at(file) if file.source not in known and file.size in sizes else None
        sources = lost.get((new.sha256, _suffix(file.source))) if new is not None else None
        if new is None or not sources:
            rest.append(file)
            continue
        old = sources.pop(0)
        plan.moved.append((old, replace(new, passages=known[old].passages)))
    plan.work = rest
    taken = {old for old, _ in plan.moved}
    plan.gone = [source for source in plan.gone if source not in taken]


def _look_at(file: Found) -> FileEntry | None:
    try:
        return look_at(file.source)
    except OSError:  # told where it is read
        return None


def _suffix(source: str) -> str:
    return os.path.splitext(source)[1].lower()
