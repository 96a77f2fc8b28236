"""Which conversation a killed chat was answering in, so that the next one can resume it.

While a chat answers, a file named after its process holds the thread's id. A file whose process is
gone is the trace of a crash.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = "in-flight"


@contextmanager
def answering(home: Path, thread_id: str) -> Iterator[None]:
    """Mark the thread as being answered by this process; a home that cannot be written is no obstacle."""
    mark = home / FOLDER / str(os.getpid())
    with suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(thread_id, encoding="utf-8")
    try:
        yield
    finally:
        with suppress(OSError):
            mark.unlink()


def take_interrupted(home: Path) -> str | None:
    """The thread of the latest chat that died while answering; it is reported once."""
    dead = [mark for mark in (home / FOLDER).glob("[0-9]*") if not _alive(int(mark.name))]
    dead.sort(key=lambda mark: mark.stat().st_mtime)
    thread_id = None
    for mark in dead:
        with suppress(OSError, UnicodeDecodeError):
            thread_id = mark.read_text(encoding="utf-8")
            mark.unlink()
    return thread_id


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return pid != os.getpid()
