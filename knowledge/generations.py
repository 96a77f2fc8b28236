"""A folder of files that changes as one: written beside the old, checked by hash, swapped in one step.

    CURRENT                 "gen-000007 <SHA-256 of its manifest>", replaced atomically
    gen-000007/manifest.json    SHA-256 and size of every other file, and what the owner noted
    gen-000007/…
    gen-000006/…            kept for readers that opened it before the swap

Every byte is covered: CURRENT vouches for the manifest, the manifest for the files. A process killed at
any moment leaves the old generation or the new one. Knows nothing of what the files hold.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge.errors import IndexBusy, IndexCorrupt, IndexMissing, StorageError

_CURRENT = "CURRENT"
_MANIFEST = "manifest.json"
_POINTER = re.compile(r"(gen-(\d{6,})) ([0-9a-f]{64})\n")
_REBUILD = "Run `ratchet ingest FOLDER --rebuild` to make it anew."


@dataclass(frozen=True, slots=True)
class Generation:
    """One complete state of the folder: where it lies and what its owner noted in the manifest."""

    path: Path
    files: Mapping[str, str]
    notes: Mapping[str, Any]

    def verified(self, name: str) -> Path:
        """Path of one file whose content has been checked against the manifest.

        Raises:
            IndexCorrupt: the file is missing, unreadable or not what was written.
        """
        path = self.path / name
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise corrupt(self.path.parent, f"{name} cannot be read ({error.strerror})") from error
        if digest != self.files.get(name):
            raise corrupt(self.path.parent, f"{name} is not what was written")
        return path


def corrupt(folder: Path, why: str) -> IndexCorrupt:
    """The error for files that contradict their checksums."""
    return IndexCorrupt(f"The index in {folder} is damaged: {why}.", kept="Your documents are untouched.", fix=_REBUILD)


def current(folder: Path) -> Generation:
    """The generation that CURRENT names.

    Raises:
        IndexMissing: nothing was ever published here.
        IndexCorrupt: CURRENT or the manifest is damaged.
    """
    for _ in range(3):  # a writer may replace and remove what CURRENT named a moment ago
        pointer = _read_pointer(folder)
        found = _POINTER.fullmatch(pointer)
        if not found:
            raise corrupt(folder, f"{_CURRENT} is not readable")
        path = folder / found.group(1)
        try:
            data = (path / _MANIFEST).read_bytes()
        except OSError as error:
            if _read_pointer(folder) != pointer:
                continue
            raise corrupt(folder, f"the manifest of {path.name} cannot be read ({error.strerror})") from error
        if _sha256(data) != found.group(3):
            raise corrupt(folder, f"the manifest of {path.name} is not what was written")
        manifest = json.loads(data)
        return Generation(path, manifest["files"], manifest["notes"])
    raise corrupt(folder, f"{_CURRENT} keeps changing")


def publish(folder: Path, files: Mapping[str, bytes], notes: Mapping[str, Any]) -> Generation:
    """Write a new generation and make it the current one; call it under `writer_lock`.

    Raises:
        StorageError: the disk refused; the current generation is untouched.
    """
    before = _named(folder)
    numbers = (int(path.name[4:]) for path in folder.glob("gen-*") if path.name[4:].isdigit())
    path = folder / f"gen-{1 + max(numbers, default=0):06d}"
    hashes = {name: _sha256(data) for name, data in files.items()}
    manifest = json.dumps({"files": hashes, "notes": dict(notes)}, indent=1).encode()
    with storage_errors(folder):
        try:
            path.mkdir()
            for name, data in files.items():
                _write(path / name, data)
            _write(path / _MANIFEST, manifest)
            _sync_folder(path)
            _sync_folder(folder)
            _write(folder / f"{_CURRENT}.new", f"{path.name} {_sha256(manifest)}\n".encode())
            os.replace(folder / f"{_CURRENT}.new", folder / _CURRENT)
        except BaseException:
            if _named(folder) != path.name:  # an interrupt may strike right after the swap
                shutil.rmtree(path, ignore_errors=True)
            raise
        _sync_folder(folder)
    _prune(folder, keep={before, path.name})
    return Generation(path, hashes, notes)


@contextlib.contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the folder for writing; the operating system lets go of it should this process die.

    Raises:
        IndexBusy: another process, or another thread of this one, holds it.
        StorageError: the folder cannot be created or written.
    """
    import filelock

    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / "writer.lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise IndexBusy(
                f"Another process is writing to the index in {folder}.",
                kept="Nothing was changed.",
                fix="Try again when it has finished.",
            ) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk says into a `StorageError` about `folder`."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The index in {folder} cannot be written: {(error.strerror or str(error)).lower()}.",
            kept="The index stands as it was.",
            fix="Free some space, or set `home` to a folder you may write to.",
        ) from error


def _read_pointer(folder: Path) -> str:
    try:
        return (folder / _CURRENT).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError as error:
        raise IndexMissing("Nothing has been indexed yet.", fix="Run `ratchet ingest FOLDER`.") from error
    except OSError as error:
        raise corrupt(folder, f"{_CURRENT} cannot be read ({error.strerror})") from error


def _named(folder: Path) -> str:
    """The name of the current generation, without a look at it; empty when there is none."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (folder / _CURRENT).read_text(encoding="ascii").partition(" ")[0]
    return ""


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(path: Path) -> None:
    if os.name == "nt":  # Windows has no handle for a folder to flush
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _prune(folder: Path, keep: set[str]) -> None:
    """Remove generations not in `keep`; what cannot go now goes next time."""
    for path in folder.glob("gen-*"):
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
