"""What no limit of a process counts: the memory and the disk that all processes of a sandbox take together.

The processes are those of one session, which none can leave since the filter refuses setsid.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from tools.sandbox.bubblewrap import WORK
from tools.sandbox.limits import Limits

Excess = Literal["", "memory", "disk"]
Space = Callable[[list[int]], tuple[int, int]]  # processes → bytes and files in the working folder

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_SLACK = 1 << 20  # bytes of folders; so that a single file meets the limit of its process first
_BLOCK = 512  # of st_blocks, whatever the file system's
_GROUP, _SESSION, _RESIDENT = 2, 3, 21  # fields of /proc/PID/stat after the name, proc(5)


class Watch:
    """Looks at a session again and again, at a price of a few per cent of a processor."""

    def __init__(self, session: int, limits: Limits, space: Space) -> None:
        self._session = session
        self._limits = limits
        self._space = space
        self._next_space = 0.0

    def excess(self) -> Excess:
        """What there is too much of now."""
        resident = {process: size for process, (_, size) in members(self._session).items()}
        most = self._limits.memory_bytes * 5 // 4
        if sum(resident.values()) > most and sum(_proportional(*each) for each in resident.items()) > most:
            return "memory"
        began = time.monotonic()
        if began < self._next_space:
            return ""
        size, files = self._space(list(resident))
        ended = time.monotonic()
        self._next_space = ended + 5 * (ended - began)  # a large tree must not take up this thread
        return "disk" if size > self._limits.disk_bytes + _SLACK or files > self._limits.files else ""


def members(session: int) -> dict[int, tuple[int, int]]:
    """Process → its process group and resident bytes, of those in a session."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:  # it has ended
                continue
            if int(fields[_SESSION]) == session:
                found[int(name)] = int(fields[_GROUP]), int(fields[_RESIDENT]) * _PAGE
    return found


def _proportional(process: int, resident: int) -> int:
    """Bytes of a process, each page shared out among those that map it; its resident bytes where that is not told."""
    try:
        with open(f"/proc/{process}/smaps_rollup", "rb") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(b"Pss:"))
    except (OSError, StopIteration):
        return resident


def space_of_mount(disk_bytes: int) -> Space:
    """The working folder of a bubblewrap sandbox: a tmpfs, seen through one of its processes."""

    def measure(processes: list[int]) -> tuple[int, int]:
        for process in processes:
            try:
                found = os.statvfs(f"/proc/{process}/root{WORK}")
            except OSError:
                continue
            # bubblewrap itself stays outside, where the same path may lead to another file system.
            if found.f_blocks * found.f_frsize == disk_bytes:
                return 0, found.f_files - found.f_ffree  # its size is kept by the kernel
        return 0, 0

    return measure


def space_of_folder(folder: Path, most_files: int) -> Space:
    """A working folder on disk, with the files that were deleted but are still open."""

    def measure(processes: list[int]) -> tuple[int, int]:
        size = files = 0
        pending = [os.fspath(folder)]
        while pending and files <= most_files:
            try:
                with os.scandir(pending.pop()) as entries:
                    for entry in entries:
                        files += 1
                        size += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
            except (FileNotFoundError, NotADirectoryError):  # it has been deleted or moved
                continue
            except OSError:  # not to be read, or nested beyond the longest path: what cannot be counted is too much
                return size, most_files + 1
        return size + _deleted(processes), files

    return measure


def _deleted(processes: list[int]) -> int:
    sizes: dict[tuple[int, int], int] = {}
    for process in processes:
        try:
            opened = os.listdir(f"/proc/{process}/fd")
        except OSError:
            continue
        for name in opened:
            try:
                found = os.stat(f"/proc/{process}/fd/{name}")
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                sizes[found.st_dev, found.st_ino] = found.st_blocks * _BLOCK
    return sum(sizes.values())
