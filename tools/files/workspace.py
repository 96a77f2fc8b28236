"""One folder that no path can lead out of: relative names only, no links followed, writes all or nothing.

A path is checked as text, then its folder is opened beneath the root by the kernel's own rule (`openat2` with
RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, Linux 5.6), elsewhere component by component with O_NOFOLLOW. The file
itself is only ever reached through that open folder, so that swapping a component for a link changes nothing.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from knowledge.text import sanitize

MAX_PATH_BYTES = 1_000
MAX_NAME_BYTES = 255
MAX_DEPTH = 20
TEMPORARY = ".ratchet-"  # how names of files that are being written begin
_STALE = 3600.0  # seconds after which such a file was left behind
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_FILE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_OPENAT2 = 437  # the same on every architecture of Linux
_BENEATH = 0x08 | 0x04 | 0x02  # RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS


class WorkspaceError(ValueError):
    """A path or file that the workspace refuses; the message says why, and names nothing outside of it."""


class Missing(WorkspaceError):
    """There is no such file or folder."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file and its state when they were read."""

    data: bytes
    status: os.stat_result


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in a folder: its path below the workspace, and its state, links not followed."""

    path: str
    status: os.stat_result


def supported() -> bool:
    """Whether this system can open files beneath a folder (Linux, macOS)."""
    return {os.open, os.stat, os.unlink, os.mkdir, os.rename, os.link} <= os.supports_dir_fd


def components(path: str) -> tuple[str, ...]:
    """The names in a relative path, none for the workspace itself.

    Raises:
        WorkspaceError: it is absolute, leads upwards, is too long, or has a name that is reserved or misleading.
    """
    if path.startswith(("/", "\\", "~")) or _DRIVE.match(path):
        raise WorkspaceError(f"{_shown(path)} is not relative; give a path inside the workspace, such as notes.txt")
    names = tuple(name for name in path.split("/") if name not in ("", "."))
    for name in names:
        _check_name(name)
    if len(path.encode()) > MAX_PATH_BYTES or len(names) > MAX_DEPTH:
        raise WorkspaceError(f"{_shown(path)} is too long a path")
    return names


def _check_name(name: str) -> None:
    if name == "..":
        raise WorkspaceError('a path may not contain ".."')
    if "\\" in name or sanitize(name) != name or any(ord(letter) < 32 for letter in name):
        raise WorkspaceError(f"{_shown(name)} has characters that a file name may not have here")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise WorkspaceError(f"{_shown(name)} is too long a name")
    if _RESERVED.fullmatch(name) or name.endswith((".", " ")) or name.startswith(TEMPORARY):
        raise WorkspaceError(f"{_shown(name)} is a reserved name; choose another")


def _shown(path: str) -> str:
    return repr(path if len(path) <= 80 else path[:80] + "…")


class Workspace:
    """Reading and writing beneath a folder. Paths are tuples from `components`.

    Every method raises `WorkspaceError` for what is refused and `OSError` for what the system refuses.

    Args:
        root: the folder; it may itself be reached by a link.
        openat2: False to do without that system call, as on systems that lack it.
    """

    def __init__(self, root: Path, *, openat2: bool = True) -> None:
        self.root = root
        self._openat2 = openat2

    @contextmanager
    def folder(self, parts: tuple[str, ...], *, create: bool = False) -> Iterator[int]:
        """An open folder, as a file descriptor; with `create`, missing ones are made."""
        try:
            opened = os.open(self.root, os.O_RDONLY | _FOLDER)
        except (FileNotFoundError, NotADirectoryError):
            raise Missing("the workspace folder does not exist; create it first") from None
        try:
            if parts and not create and self._openat2 and _has_openat2():
                opened = _exchanged(opened, _beneath(opened, parts))
            else:
                for number in range(len(parts)):
                    opened = _exchanged(opened, _child(opened, parts[: number + 1], create))
            yield opened
        finally:
            os.close(opened)

    def read(self, parts: tuple[str, ...], most: int) -> Content:
        """A regular file of at most `most` bytes, whole."""
        if not parts:
            raise WorkspaceError("give the path of a file")
        shown = "/".join(parts)
        with self.folder(parts[:-1]) as folder:
            _require_regular(_status(folder, parts), shown)
            with os.fdopen(_opened(folder, parts), "rb") as file:
                status = os.fstat(file.fileno())
                _require_regular(status, shown)
                data = file.read(most + 1) if status.st_size <= most else b""
        if status.st_size > most or len(data) > most:
            raise WorkspaceError(f"{shown} has more than {most:,} bytes, the limit here")
        return Content(data, status)

    def write(self, parts: tuple[str, ...], data: bytes, before: os.stat_result | None) -> None:
        """Put a file in place, whole or not at all, durable on return; missing folders are made.

        Args:
            parts: the path.
            data: the new content.
            before: the state of the file that is replaced; None for a file that must not exist yet. The new file
                takes over its permissions. When it is in another state by now, nothing is written.
        """
        with self.folder(parts[:-1], create=True) as folder:
            _sweep(folder)
            temporary = f"{TEMPORARY}{secrets.token_hex(8)}.tmp"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE
            handle = os.open(temporary, flags, 0o666 if before is None else 0o600, dir_fd=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    if before is not None:
                        _take_over(handle, before)
                    os.fsync(handle)
                if before is None:
                    _place_new(folder, temporary, parts)
                else:
                    _require_same(folder, parts, before)
                    os.rename(temporary, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=folder)
            os.fsync(folder)

    def remove(self, parts: tuple[str, ...], before: os.stat_result) -> None:
        """Remove a file that is still in the state `before`."""
        with self.folder(parts[:-1]) as folder:
            _require_same(folder, parts, before)
            os.unlink(parts[-1], dir_fd=folder)
            os.fsync(folder)

    def entries(self, parts: tuple[str, ...], most: int) -> list[Entry]:
        """What stands in a folder, by name, at most so many; files that are just being written are left out."""
        with self.folder(parts) as folder:
            found = []
            for name in sorted(os.listdir(folder))[:most]:
                if not name.startswith(TEMPORARY):
                    with suppress(FileNotFoundError):  # gone in the meantime
                        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                        found.append(Entry("/".join((*parts, name)), status))
        return found


def _exchanged(old: int, new: int) -> int:
    os.close(old)
    return new


def _status(folder: int, parts: tuple[str, ...]) -> os.stat_result:
    try:
        return os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        raise Missing(f"there is no file {'/'.join(parts)}") from None


def _opened(folder: int, parts: tuple[str, ...]) -> int:
    try:
        return os.open(parts[-1], os.O_RDONLY | _FILE, dir_fd=folder)
    except OSError as error:
        raise _refusal(error, parts) from None


def _child(folder: int, parts: tuple[str, ...], create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(parts[-1], dir_fd=folder)
    try:
        return os.open(parts[-1], os.O_RDONLY | _FOLDER | _FILE, dir_fd=folder)
    except OSError as error:
        raise _refusal(error, parts) from None


def _refusal(error: OSError, parts: tuple[str, ...]) -> Exception:
    shown = "/".join(parts)
    if error.errno == errno.ENOENT:
        return Missing(f"there is no {shown}")
    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EXDEV, errno.EMLINK):  # EMLINK: BSD's for a link
        return WorkspaceError(f"{shown} is a link or no folder; links are not followed")
    return OSError(error.errno, error.strerror)  # without the path


def _require_regular(status: os.stat_result, shown: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise WorkspaceError(f"{shown} is a folder, not a file")
    if stat.S_ISLNK(status.st_mode):
        raise WorkspaceError(f"{shown} is a link; links are not followed")
    if not stat.S_ISREG(status.st_mode):
        raise WorkspaceError(f"{shown} is not a regular file")


def _require_same(folder: int, parts: tuple[str, ...], before: os.stat_result) -> None:
    now = _status(folder, parts)
    if _identity(now) != _identity(before):
        raise WorkspaceError(f"{'/'.join(parts)} was changed by someone else just now; read it again")


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns


def _take_over(handle: int, before: os.stat_result) -> None:
    with suppress(PermissionError):  # only the administrator may give a file away
        os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, before.st_mode & 0o777)


def _place_new(folder: int, temporary: str, parts: tuple[str, ...]) -> None:
    """Give a file its name unless the name is taken: a link, unlike a rename, never replaces."""
    try:
        os.link(temporary, parts[-1], src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        return
    except FileExistsError:
        raise WorkspaceError(f"{'/'.join(parts)} exists already") from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):  # file systems without hard links
            raise
    with suppress(Missing):
        _status(folder, parts)
        raise WorkspaceError(f"{'/'.join(parts)} exists already")
    os.rename(temporary, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)


def _sweep(folder: int) -> None:
    """Remove what a process that was killed while writing has left in a folder."""
    for name in os.listdir(folder):
        if name.startswith(TEMPORARY):
            with suppress(OSError):
                if time.time() - os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime > _STALE:
                    os.unlink(name, dir_fd=folder)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _beneath(folder: int, parts: tuple[str, ...]) -> int:
    """`openat2`: a folder below another, its path resolved in one step."""
    how = _How(os.O_RDONLY | _FOLDER, 0, _BENEATH)
    call = ctypes.CDLL(None, use_errno=True).syscall
    while True:
        path = os.fsencode("/".join(parts))
        opened = call(_OPENAT2, folder, path, ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how)))
        if opened >= 0:
            return int(opened)
        code = ctypes.get_errno()
        if code not in (errno.EAGAIN, errno.EINTR):  # a rename elsewhere kept it from being sure
            raise _refusal(OSError(code, os.strerror(code)), parts)


@cache
def _has_openat2() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    folder = os.open("/", os.O_RDONLY | _FOLDER)
    try:
        os.close(_beneath(folder, (".",)))
    except OSError:
        return False
    finally:
        os.close(folder)
    return True
