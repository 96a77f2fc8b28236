"""Follow folders: wait until what lies below them has changed and is quiet again.

The system's notices only wake us; whether anything that matters has changed is told by listing the folders,
which takes nothing for a change that is none and misses nothing. Where no notices come, as from network
drives, the folders are listed every half minute.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Collection, Iterator, Sequence

from knowledge.ingest.scan import Found, scan

_QUIET_MS = 300  # without a notice until we look: a copy of many files comes as one change
_LONGEST_MS = 5_000  # of a row of notices: a file that is written all the time holds nothing up
_TICK = 1.0  # seconds within which `stop` is heard
_LOOK = 30.0  # seconds between two looks when there are no notices


def changes(
    roots: Sequence[str], suffixes: Collection[str], stop: threading.Event, look: float = _LOOK
) -> Iterator[None]:
    """Yield at the start, and then whenever the files below `roots` have changed, until `stop` is set.

    Args:
        roots: absolute paths of files and folders; one that does not exist is waited for.
        suffixes: file name endings that matter, lower case, with the dot.
        stop: ends the iteration within a second or so.
        look: seconds between two looks when there are no notices.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    seen: dict[str, Found] | None = None
    while not stop.is_set():
        present = _present(roots)
        looked = -look
        for noticed in _notices(present, stop):
            if noticed or time.monotonic() - looked >= look:
                found = scan(list(present), suffixes).files
                looked = time.monotonic()
                if found != seen:
                    seen = found
                    yield
            if _present(roots) != present:  # a drive came or went: notices are about what was there before
                break


def _present(roots: Sequence[str]) -> dict[str, tuple[int, int]]:
    """The roots that are there, each with what tells a drive from the folder it is mounted on."""
    present = {}
    for root in roots:
        with contextlib.suppress(OSError):
            status = os.stat(root)
            present[root] = status.st_dev, status.st_ino
    return present


def _notices(roots: Collection[str], stop: threading.Event) -> Iterator[bool]:
    """About once a second: whether the system has noticed anything below the roots."""
    import watchfiles

    if roots:
        try:
            for noticed in watchfiles.watch(
                *roots,
                watch_filter=None,
                debounce=_LONGEST_MS,
                step=_QUIET_MS,
                stop_event=stop,
                rust_timeout=int(_TICK * 1000),
                yield_on_timeout=True,
                ignore_permission_denied=True,
            ):
                yield bool(noticed)
        except OSError:  # the system has no more watches to give; listing must do
            pass
    while not stop.wait(_TICK):
        yield False
