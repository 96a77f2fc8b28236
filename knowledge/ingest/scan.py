"""What lies below a folder, told by the folders' own listings: no file is opened.

Only files of known types are asked for their size and time, once each, with what the listing has already
fetched: ten thousand files take some hundredths of a second.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

# What package managers, interpreters and build tools put into a project: nobody wrote it to be read.
_FOLDERS = frozenset({"node_modules", "bower_components", "__pycache__", "site-packages", "venv"})
_GENERATED = frozenset({"package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml"})
_MINIFIED = (".min.js", ".min.css", ".min.mjs")
# A virtual environment whatever its name; and, by the Cache Directory Tagging Specification, any cache.
_MARKERS = frozenset({"pyvenv.cfg", "CACHEDIR.TAG"})


@dataclass(frozen=True, slots=True)
class Found:
    """A file as its folder lists it.

    Attributes:
        source: absolute path; bytes that are no valid text stand as backslash escapes.
        size: in bytes.
        mtime_ns: time of last modification, nanoseconds since the epoch.
        problem: why it need not be opened to know that it cannot be read, in one sentence; empty otherwise.
    """

    source: str
    size: int
    mtime_ns: int
    problem: str = ""


@dataclass(slots=True)
class Scan:
    """Everything found below some folders.

    Attributes:
        files: by source, in reading order.
        skipped: how many files are of types that cannot be read.
        closed: folders that could not be listed; nothing is known about what lies below them.
    """

    files: dict[str, Found] = field(default_factory=dict)
    skipped: int = 0
    closed: list[str] = field(default_factory=list)


def scan(roots: Sequence[str], suffixes: Collection[str]) -> Scan:
    """List the files of known types below `roots`, each once; a root that is a file is listed whatever its type.

    Left out are hidden files and folders, installed packages, virtual environments, tagged caches, lock
    files and minified scripts, unless they are a root themselves. Links to folders are not followed: they
    may form a loop or lead out of what the user named.

    Args:
        roots: absolute paths that exist.
        suffixes: file name endings of the known types, lower case, with the dot.
    """
    found = Scan()
    for root in roots:
        if os.path.isdir(root):
            _scan_folder(root, suffixes, found)
        else:
            _add(found, root, None)
    return found


def _scan_folder(root: str, suffixes: Collection[str], found: Scan) -> None:
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        listed = _listing(folder, found)
        if folder != root and any(entry.name in _MARKERS for entry in listed):
            continue
        below: list[str] = []
        for entry in listed:
            if entry.name[0] == ".":
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _FOLDERS:
                    below.append(entry.path)
            elif os.path.splitext(entry.name)[1].lower() not in suffixes:
                found.skipped += not (entry.is_symlink() and entry.is_dir())
            elif entry.name not in _GENERATED and not entry.name.endswith(_MINIFIED):
                _add(found, entry.path, entry)
        waiting += reversed(below)


def _listing(folder: str, found: Scan) -> list[os.DirEntry[str]]:
    if not _is_text(folder):
        _refuse(found, folder, "is a folder whose name is not valid text; rename it")
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:  # deleted since its parent was listed, or gone with its drive: the next look tells
        found.closed.append(folder)
        return []
    except OSError as error:
        found.closed.append(folder)
        _refuse(found, folder, f"is a folder that cannot be opened: {reason(error)}")
        return []


def _add(found: Scan, path: str, entry: os.DirEntry[str] | None) -> None:
    if path in found.files:
        return
    if not _is_text(path):
        _refuse(found, path, "has a name that is not valid text; rename it")
        return
    try:
        status = os.stat(path) if entry is None else entry.stat()
    except OSError as error:  # a link to nothing or to itself; or the file went away a moment ago
        if os.path.lexists(path):
            _refuse(found, path, f"cannot be read: {reason(error)}")
        return
    problem = "" if stat.S_ISREG(status.st_mode) else f"{os.path.basename(path)} is not a regular file."
    found.files[path] = Found(path, status.st_size, status.st_mtime_ns, problem)


def _refuse(found: Scan, path: str, why: str) -> None:
    source = os.fsencode(path).decode("utf-8", "backslashreplace")
    found.files[source] = Found(source, 0, 0, f"{os.path.basename(source)} {why}.")


def _is_text(path: str) -> bool:
    """Whether a path is free of the stand-ins for bytes that are no UTF-8; no database could hold those."""
    return path.isascii() or not any("\ud800" <= char <= "\udfff" for char in path)


def reason(error: OSError) -> str:
    """What the system said, in lower case, for the middle of a sentence."""
    return (error.strerror or str(error)).lower()
