"""A folder of files that changes as one: written beside the old, checked by hash, swapped in one step.

    CURRENT                     "gen-000007 <SHA-256 of its manifest>", replaced atomically
    gen-000007/manifest.json    SHA-256 and size of every file that belongs to it, and what the owner noted
    gen-000007/…                files of this generation alone
    segments/seg-000004/…       files that several generations share, never changed once written
    gen-000006/…                kept for readers that opened it before the swap

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
from knowledge.index.sealing import Seal, sync_folder, write

SHARED = "segments"
_CURRENT = "CURRENT"
_MANIFEST = "manifest.json"
_POINTER = re.compile(r"(gen-(\d{6,})) ([0-9a-f]{64})\n")
_REBUILD = "Run `ratchet knowledge reindex` to make it anew."


@dataclass(frozen=True, slots=True)
class Generation:
    """One complete state of the folder.

    Attributes:
        folder: of the collection; the names in `seals` are relative to it.
        name: "gen-000007".
        seals: size and SHA-256 of every file, by name.
        notes: what the owner noted in the manifest.
    """

    folder: Path
    name: str
    seals: Mapping[str, Seal]
    notes: Mapping[str, Any]

    def verified(self, name: str) -> Path:
        """Path of one file whose content has been checked against the manifest.

        Raises:
            IndexCorrupt: the file is missing, unreadable or not what was written.
        """
        path = self.folder / name
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise corrupt(self.folder, f"{name} cannot be read ({error.strerror})") from error
        if name not in self.seals or digest != self.seals[name].sha256:
            raise corrupt(self.folder, f"{name} is not what was written")
        return path

    @property
    def bytes(self) -> int:
        """Size of all its files."""
        return sum(seal.bytes for seal in self.seals.values())


def corrupt(folder: Path, why: str) -> IndexCorrupt:
    """The error for files that contradict their checksums."""
    return IndexCorrupt(f"The index in {folder} is damaged: {why}.", kept="Your documents are untouched.", fix=_REBUILD)


def current(folder: Path) -> Generation:
    """The generation that CURRENT names; its files are not looked at yet.

    Raises:
        IndexMissing: nothing was ever published here.
        IndexCorrupt: CURRENT or the manifest is damaged.
    """
    for _ in range(3):  # a writer may replace and remove what CURRENT named a moment ago
        pointer = read_pointer(folder)
        found = _POINTER.fullmatch(pointer)
        if not found:
            raise corrupt(folder, f"{_CURRENT} is not readable")
        name = found.group(1)
        try:
            data = (folder / name / _MANIFEST).read_bytes()
        except OSError as error:
            if read_pointer(folder) != pointer:
                continue
            raise corrupt(folder, f"the manifest of {name} cannot be read ({error.strerror})") from error
        if hashlib.sha256(data).hexdigest() != found.group(3):
            raise corrupt(folder, f"the manifest of {name} is not what was written")
        return _parsed(folder, name, data)
    raise corrupt(folder, f"{_CURRENT} keeps changing")


def last_readable(folder: Path) -> Generation:
    """The current generation; where CURRENT or its manifest is damaged, the newest one that tells what it holds.

    Raises:
        IndexMissing: there is no index, or no longer.
        IndexCorrupt: none can be read.
    """
    try:
        return current(folder)
    except IndexCorrupt:
        for path in sorted(folder.glob("gen-*"), reverse=True):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                return _parsed(folder, path.name, (path / _MANIFEST).read_bytes())
        raise


def _parsed(folder: Path, name: str, manifest: bytes) -> Generation:
    content = json.loads(manifest)
    seals = {path: Seal(*seal) for path, seal in content["files"].items() if isinstance(seal, list)}
    return Generation(folder, name, seals, dict(content["notes"]))


def read_pointer(folder: Path) -> str:
    """What CURRENT says, unchecked; it differs as soon as another generation is current.

    Raises:
        IndexMissing: nothing was ever published here.
        IndexCorrupt: it cannot be read.
    """
    try:
        return (folder / _CURRENT).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError as error:
        raise IndexMissing("Nothing has been indexed yet.", fix="Run `ratchet ingest FOLDER`.") from error
    except OSError as error:
        raise corrupt(folder, f"{_CURRENT} cannot be read ({error.strerror})") from error


def publish(folder: Path, own: Mapping[str, bytes], shared: Mapping[str, Seal], notes: Mapping[str, Any]) -> Generation:
    """Write a new generation and make it the current one; call it under `writer_lock`.

    Args:
        folder: of the collection.
        own: content of the generation's own files, by bare name.
        shared: files below `SHARED` that are already on the disk, flushed, by name relative to `folder`.
        notes: for the manifest; plain JSON values.

    Raises:
        StorageError: the disk refused; the current generation is untouched.
    """
    before = _named(folder)
    name = f"gen-{1 + _highest(folder, 'gen'):06d}"
    path = folder / name
    with storage_errors(folder):
        try:
            path.mkdir(mode=0o700)
            seals = {f"{name}/{file}": write(path / file, data) for file, data in own.items()} | dict(shared)
            files = {file: [seal.sha256, seal.bytes] for file, seal in seals.items()}
            manifest = write(path / _MANIFEST, json.dumps({"files": files, "notes": dict(notes)}, indent=1).encode())
            sync_folder(path)
            sync_folder(folder)
            write(folder / f"{_CURRENT}.new", f"{name} {manifest.sha256}\n".encode())
            os.replace(folder / f"{_CURRENT}.new", folder / _CURRENT)
        except BaseException:
            if _named(folder) != name:  # an interrupt may strike right after the swap
                shutil.rmtree(path, ignore_errors=True)
            raise
        sync_folder(folder)
    prune(folder, before, name)
    return Generation(folder, name, seals, notes)


def new_shared(folder: Path) -> Path:
    """A new folder below `SHARED` for files that the next generations will share.

    Raises:
        OSError: it cannot be made.
    """
    shared = folder / SHARED
    if not shared.is_dir():
        shared.mkdir(mode=0o700)  # what is in it was read from private documents
    path = shared / f"seg-{1 + _highest(shared, 'seg'):06d}"
    path.mkdir()
    return path


def sweep(folder: Path) -> None:
    """Remove what writers that were killed have left behind; call it under `writer_lock`.

    Leaves an index that is damaged as it is.
    """
    try:
        now = current(folder).name
    except IndexMissing:
        now = ""
    except IndexCorrupt:
        return
    before = sorted(path.name for path in folder.glob("gen-*") if path.name < now)
    prune(folder, now, *before[-1:])


def prune(folder: Path, *kept: str) -> None:
    """Remove what none of the `kept` generations needs; what cannot go now goes next time."""
    needed: set[str] = set()
    for name in filter(None, kept):
        try:
            files = json.loads((folder / name / _MANIFEST).read_bytes())["files"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a damaged generation cannot say what it needs
        needed |= {file.split("/")[1] for file in files if file.startswith(f"{SHARED}/")}
    for path in folder.glob("gen-*"):
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)
    for path in (folder / SHARED).glob("seg-*"):
        if path.name not in needed:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the folder for writing; the operating system lets go of it should this process die.

    Raises:
        IndexBusy: another process, or another thread of this one, holds it.
        StorageError: the folder cannot be created or written.
    """
    import filelock

    with storage_errors(folder):
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / "writer.lock"
            lock = filelock.FileLock(path, timeout=0)
            try:
                lock.acquire()
            except filelock.Timeout as error:
                raise IndexBusy(
                    f"Another process is writing to the index in {folder}.",
                    kept="Nothing was changed.",
                    fix="Try again when it has finished.",
                ) from error
            if path.exists():
                break
            lock.release()  # the collection was deleted while we took the lock, which locks nothing any more
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


def _named(folder: Path) -> str:
    """The name of the current generation, without a look at it; empty when there is none."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (folder / _CURRENT).read_text(encoding="ascii").partition(" ")[0]
    return ""


def _highest(folder: Path, prefix: str) -> int:
    numbers = (path.name.partition("-")[2] for path in folder.glob(f"{prefix}-*"))
    return max((int(number) for number in numbers if number.isdigit()), default=0)
