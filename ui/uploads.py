"""Files that a person hands to the pages: kept under a plain name in the home, none ever in place of another."""

from __future__ import annotations

import contextlib
import os
import tempfile
import unicodedata
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from knowledge.errors import StorageError
from knowledge.schema import FileFailure

FOLDER = "uploads"
_LONGEST = 120  # bytes of a name in UTF-8
_FORBIDDEN = '<>:"|?*'  # in names on other systems


def plain_name(name: str) -> str:
    """A file name without folders, and without anything that cannot be seen or means something to a system."""
    last = PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/")).name
    shown = "".join(letter if letter.isprintable() and letter not in _FORBIDDEN else "_" for letter in last)
    shown = shown.encode("utf-8", "replace").decode().strip().lstrip(".")
    stem, dot, ending = shown.rpartition(".")
    if not stem:
        stem, dot, ending = shown, "", ""
    room = _LONGEST - len(f"{dot}{ending}".encode())
    return f"{stem.encode()[: max(room, 1)].decode(errors='ignore') or 'file'}{dot}{ending}"


def refusal(name: str, content: bytes, endings: Collection[str]) -> FileFailure | None:
    """Why an upload cannot be taken, or None."""
    shown = plain_name(name)
    ending = PurePosixPath(shown).suffix.lower()
    if not content:
        return FileFailure(shown, "The file is empty.")
    if ending not in endings:
        return FileFailure(shown, f"Files that end in {ending or 'nothing'} cannot be read.")
    return None


def save(folder: Path, name: str, content: bytes) -> Path:
    """Keep a file; the path of the one that holds this content, under the name or, where that is taken, one like it.

    Raises:
        StorageError: the disk refuses.
    """
    shown = Path(plain_name(name))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = folder / (shown.name if number == 1 else f"{shown.stem}-{number}{shown.suffix}")
            if _put(path, content) or path.read_bytes() == content:
                return path
            number += 1
    except OSError as error:
        raise StorageError(
            f"{shown} cannot be kept in {folder}: {error.strerror or error}.",
            kept="Everything that was there before is untouched.",
            fix="Free some space, or choose another folder with --home or RATCHET_HOME.",
        ) from error


def _put(path: Path, content: bytes) -> bool:
    """Write a file in one step unless there is one of that name; whether it was written."""
    if path.exists():
        return False
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".upload-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename, it fails where somebody was quicker
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    return True
