"""Files written once: flushed to the disk and sealed with their SHA-256. Arrays are raw numbers without a header."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Seal:
    """What a file must hold to be the one that was written."""

    sha256: str
    bytes: int


def write(path: Path, data: bytes) -> Seal:
    """Write one file and flush it to the disk.

    Raises:
        OSError: the disk refused.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    return Seal(hashlib.sha256(data).hexdigest(), len(data))


def seal(path: Path) -> Seal:
    """Flush a finished file to the disk and take its hash.

    Raises:
        OSError: the disk refused.
    """
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        return Seal(hashlib.file_digest(file, "sha256").hexdigest(), file.tell())


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    if os.name == "nt":  # Windows has no handle for a folder to flush
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def mapped(path: Path, dtype: str) -> np.ndarray:
    """A file of raw numbers, memory-mapped for reading; 1-dimensional."""
    import numpy as np

    if not path.stat().st_size:  # nothing cannot be mapped
        return np.empty(0, dtype=dtype)
    return np.asarray(np.memmap(path, dtype=dtype, mode="r"))
