"""What the process that runs a query denies itself: memory, writing, other programs, and where it can the network.

The databases' own rules come first; this is what holds when one of them has a hole.
"""

from __future__ import annotations

import ctypes
import os
import sys

# linux/landlock.h, by the version of the interface that brought them
_EXECUTE, _WRITE_FILE, _REFER, _TRUNCATE = 1 << 0, 1 << 1, 1 << 13, 1 << 14
_REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))
_TCP = 1 << 0 | 1 << 1  # bind, connect
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_NO_NEW_PRIVILEGES = 38
_OPEN_FILES = 512


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64))


def confine(memory_bytes: int, *, network: bool) -> bool:
    """Apply the limits that this system has, for good.

    Args:
        memory_bytes: private memory that the process may hold.
        network: whether it may open TCP connections.

    Returns:
        Whether the kernel keeps this process from changing any file.
    """
    try:
        import resource
    except ImportError:  # Windows
        return False
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_DATA, memory_bytes),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        try:
            resource.setrlimit(kind, (limit, limit))
        except (OSError, ValueError):
            pass  # macOS refuses some of them
    return _landlock(network)


def _landlock(network: bool) -> bool:
    """Landlock (Linux 5.13): no file may be written, made, removed or executed; with 6.7, no TCP either."""
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None, use_errno=True)
    version = library.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    files = _EXECUTE | _WRITE_FILE | _REMOVE_AND_MAKE
    files |= (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    rules = _Ruleset(files, _TCP if version >= 4 and not network else 0)
    size = ctypes.sizeof(rules) if version >= 4 else ctypes.sizeof(ctypes.c_uint64)
    ruleset = library.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        if library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or library.syscall(_RESTRICT_SELF, ruleset, 0):
            return False
    finally:
        os.close(ruleset)
    return bool(version >= 3)  # before, a file could still be cut short
