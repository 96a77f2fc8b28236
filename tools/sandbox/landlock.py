"""Landlock: which folders a process and its children may read and write, whatever their file modes say.

Rules are made here as plain data and applied inside, by `inside.confine`. What a kernel's Landlock cannot guard
is said by `needs`, and left to the seccomp filter.

Source: Linux, Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools.sandbox.seccomp import Needs

_CREATE_RULESET = 444  # on every architecture
_ASK_VERSION = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_FIRST_RIGHTS = (1 << 13) - 1  # those of the first version
_MAKE_SPECIAL = 1 << 6 | 1 << 9 | 1 << 11  # character device, socket, block device
_NETWORK = 0b11  # bind and connect, TCP
_SCOPES = 0b11  # abstract unix sockets, signals

READ = _READ_FILE | _READ_FOLDER
RUN = READ | _EXECUTE
OPEN = _READ_FILE | _WRITE_FILE  # a device
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE


def version() -> int:
    """The kernel's version of Landlock; 0 where it has none or it is turned off."""
    if sys.platform != "linux":
        return 0
    import ctypes

    found = int(ctypes.CDLL(None, use_errno=True).syscall(_CREATE_RULESET, None, 0, _ASK_VERSION))
    return max(found, 0)


def write(abi: int) -> int:
    """Every right in a folder but to run what lies there and to make devices and sockets."""
    return _handled(abi) & ~(_EXECUTE | _MAKE_SPECIAL | _IOCTL_DEVICE)


def needs(abi: int) -> Needs:
    """What a version leaves unguarded."""
    return Needs(hold_signals=abi < 6, hold_metadata=True, hold_truncate=abi < 3)


def ruleset(abi: int, rules: Iterable[tuple[Path, int]]) -> dict[str, Any]:
    """A struct landlock_ruleset_attr (hexadecimal), and the rules that can be kept, as plain JSON.

    Args:
        abi: the version to speak, at least 1.
        rules: path → rights; paths that are not there are left out.
    """
    fields = [_handled(abi), *([_NETWORK] if abi >= 4 else []), *([_SCOPES] if abi >= 6 else [])]
    kept = []
    for path, rights in rules:
        if path.exists():
            allowed = rights if path.is_dir() else rights & _FILE_RIGHTS
            kept.append([os.fspath(path), allowed & _handled(abi)])
    return {"attributes": struct.pack(f"={len(fields)}Q", *fields).hex(), "rules": kept}


def _handled(abi: int) -> int:
    later = ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEVICE))
    return _FIRST_RIGHTS | sum(right for since, right in later if abi >= since)
