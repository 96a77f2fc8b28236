"""How much a sandboxed program may take."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

MIB = 1 << 20
MOST_TASKS = 32  # processes and threads
MOST_OPEN = 64  # files, per process


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take, all its processes together.

    Attributes:
        seconds: wall time, and processor time of each process.
        memory_bytes: private memory of each process; all of them together are ended a quarter above it.
        disk_bytes, files: what it may keep in its working folder.
        output_bytes: what it may print before it is ended.
        kept_bytes: how much of each stream is kept; the rest is counted.
    """

    seconds: float = 20.0
    memory_bytes: int = 1024 * MIB
    disk_bytes: int = 64 * MIB
    files: int = 10_000
    output_bytes: int = 16 * MIB
    kept_bytes: int = 80_000

    def of_process(self, tasks: int = MOST_TASKS) -> dict[str, int]:
        """Names of `resource` → values; they are set inside, where NPROC counts the sandbox's processes alone.

        Args:
            tasks: how many processes and threads the user may have.
        """
        return {
            "RLIMIT_CPU": math.ceil(self.seconds) + 1,
            "RLIMIT_DATA": self.memory_bytes,
            # Address space holds shared memory, and libraries and reserves that never become memory.
            "RLIMIT_AS": 2 * self.memory_bytes + 1024 * MIB,
            "RLIMIT_FSIZE": self.disk_bytes,
            "RLIMIT_NOFILE": MOST_OPEN,
            "RLIMIT_NPROC": tasks,
            "RLIMIT_CORE": 0,
            "RLIMIT_MEMLOCK": 0,
            "RLIMIT_MSGQUEUE": 0,
        }


def tasks_of(user: int) -> int:
    """How many processes and threads a user has, on Linux: where NPROC counts all of them."""
    count = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if entry.stat().st_uid == user:
                    count += os.stat(f"/proc/{entry.name}/task").st_nlink - 2
            except OSError:  # it has ended
                continue
    return count
