"""What the file tools do with the workspace: list, read, and changes that are computed before they are made."""

from __future__ import annotations

import fnmatch
import re
import stat
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tools.files import diff
from tools.files.text import MAX_BYTES, documents_of, excerpt, source_of
from tools.files.undo import UndoStore, digest
from tools.files.workspace import Content, Entry, Missing, Workspace, WorkspaceError, components

if TYPE_CHECKING:
    from tools.resources import Resources

MAX_WRITTEN = 4 * 2**20  # bytes; of the whole file, since its earlier version is kept
MAX_LISTED = 200
MAX_VISITED = 20_000
MAX_READ_LINES = 2_000

Change = tuple[Content | None, bytes | None]  # what a file holds now and would hold; None for no file


class Desk:
    """What the tools do, without LangChain."""

    def __init__(self, resources: Resources) -> None:
        if resources.workspace is None:
            raise ValueError("there is no workspace")
        self.space = Workspace(resources.workspace.expanduser())
        self.undo = UndoStore(resources.state, self.space.root) if resources.state else None
        self._cancelled = resources.cancelled

    def listing(self, folder: str, pattern: str) -> str:
        """The entries of a folder; with a pattern, those below it that match."""
        parts = components(folder)
        deep = pattern not in ("", "*")
        visited, found, waiting = 0, list[Entry](), [parts]
        while waiting and visited < MAX_VISITED and not self._cancelled():
            for entry in self.space.entries(waiting.pop(0), MAX_VISITED):
                visited += 1
                if deep and stat.S_ISDIR(entry.status.st_mode):
                    with suppress(WorkspaceError):  # a name that could not be asked for either
                        waiting.append(components(entry.path))
                if not deep or _matches(entry, pattern, parts):
                    found.append(entry)
        where = f"in {'/'.join(parts)}" if parts else "in the workspace"
        if not found:
            return f"Nothing {where} matches {pattern!r}." if deep else f"There are no files {where}."
        lines = [_line(entry) for entry in found[:MAX_LISTED]]
        if len(found) > MAX_LISTED or visited >= MAX_VISITED:
            least = "at least " if visited >= MAX_VISITED else ""
            lines.append(f"(first {len(lines)} of {least}{len(found):,}; name a folder or a pattern to see others)")
        return "\n".join(lines)

    def reading(self, path: str, first: int, count: int) -> tuple[str, dict[str, Any]]:
        """Some lines of a file, and the same as evidence."""
        parts = components(path)
        shown = "/".join(parts)
        content = self.space.read(parts, MAX_BYTES)
        if not content.data.strip():
            return f"{shown} is empty.", {}
        first, count = max(1, first), min(max(1, count), MAX_READ_LINES)
        documents = documents_of(content.data, parts[-1], self._cancelled)
        found = excerpt(documents, source_of(self.space.root, parts), first, count)
        if not found.text and not found.last >= first:
            raise WorkspaceError(f"{shown} has only {found.total:,} lines")
        head = f"{shown}, lines {found.first}-{found.last} of {found.total:,}"
        if found.cut:
            head += "; the last line is too long and not shown whole"
        return f"{head}:\n{found.text}", {"passages": found.passages}

    def written(self, path: str, text: str, mode: str) -> Change:
        """What `write_file` would make of a file."""
        present = self._present(path)
        if mode not in ("create", "replace", "append"):
            raise WorkspaceError("mode must be create, replace or append")
        if present is None:
            if mode == "replace":
                raise WorkspaceError(f"there is no file {path}; use mode create")
            return None, _bounded(text.encode())
        if mode == "create":
            raise WorkspaceError(f"{path} exists already; use mode replace or append, or edit_file")
        data = _with_line_ends_of(present.data, text).encode()
        return present, _bounded(present.data + data if mode == "append" else data)

    def edited(self, path: str, old: str, new: str) -> Change:
        """What `edit_file` would make of a file."""
        present = self._present(path)
        if present is None:
            raise WorkspaceError(f"there is no file {path}")
        try:
            text = present.data.decode()
        except UnicodeDecodeError:
            raise WorkspaceError(f"{path} is not UTF-8 text and cannot be edited") from None
        old, new = (_with_line_ends_of(present.data, part) for part in (old, new))
        times = text.count(old) if old else 0
        if times != 1:
            found = "is empty" if not old else f"stands there {times} times" if times else "does not stand there"
            raise WorkspaceError(f"old must stand exactly once in {path}, but it {found}; read the file again")
        return present, _bounded(text.replace(old, new).encode())

    def earlier(self, path: str) -> Change:
        """What the last write to a file that is still in place would be taken back to."""
        if self.undo is None:
            raise WorkspaceError("no earlier versions are kept")
        present = self._present(path)
        now = digest(present.data) if present else ""
        shown = "/".join(components(path))
        for version in self.undo.versions(shown):
            before = self.undo.content(version) if version.existed else None
            if version.after == now and present:
                return present, before
            if now != (digest(before) if before is not None else ""):  # else that write never came about
                raise WorkspaceError(f"{shown} was changed since it was last written here, so nothing is taken back")
        raise WorkspaceError(f"there is nothing to undo for {shown}")

    def write(self, path: str, change: Callable[[str], Change]) -> str:
        """Make a change, after what it replaces is kept; says what came of it."""
        parts = components(path)
        with self._locked():
            present, data = change(path)
            new, status = data or b"", present.status if present else None
            if self.undo is None:
                self.space.write(parts, new, status)
                return f"{'/'.join(parts)} now has {len(new):,} bytes."
            version = self.undo.keep("/".join(parts), present.data if present else None, new)
            try:
                self.space.write(parts, new, status)
            except (WorkspaceError, OSError):
                self.undo.drop(version)
                raise
        return f"{'/'.join(parts)} now has {len(new):,} bytes; undo_write takes it back."

    def undone(self, path: str) -> str:
        """Take the last write back; says what came of it."""
        parts = components(path)
        shown = "/".join(parts)
        with self._locked():
            present, before = self.earlier(path)
            if before is None and present:
                self.space.remove(parts, present.status)
            elif before is not None:
                self.space.write(parts, before, present.status if present else None)
            self._forget(shown, digest(present.data) if present else "")
        return f"{shown} is removed again." if before is None else f"{shown} is as it was before the last write."

    def preview(self, arguments: Mapping[str, Any], change: Callable[[str], Change]) -> str:
        """The difference a call would make, or why it would fail; without any effect."""
        path = str(arguments.get("path", ""))
        try:
            present, data = change(path)
        except (WorkspaceError, OSError, UnicodeError, KeyError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            return f"This would fail: {diff.visible(str(reason))}."
        before = present.data.decode(errors="replace") if present else ""
        after = data.decode(errors="replace") if data is not None else ""
        return diff.unified(before, after, "/".join(components(path)), new=present is None, gone=data is None)

    def _present(self, path: str) -> Content | None:
        parts = components(path)
        if not parts:
            raise WorkspaceError("give the path of a file")
        try:
            return self.space.read(parts, MAX_WRITTEN)
        except Missing:
            with suppress(Missing), self.space.folder(()):
                return None
            raise

    def _locked(self) -> AbstractContextManager[object]:
        return self.undo.locked() if self.undo else nullcontext()

    def _forget(self, path: str, after: str) -> None:
        """Drop the version that was put back, and those of writes that never came about."""
        for version in self.undo.versions(path) if self.undo else []:
            if self.undo:
                self.undo.drop(version)
            if version.after == after:
                return


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_WRITTEN:
        raise WorkspaceError(f"the file would have {len(data):,} bytes; at most {MAX_WRITTEN:,} can be written")
    return data


def _with_line_ends_of(data: bytes, text: str) -> str:
    r"""The text with the line ends of a file, where all of those are "\r\n"."""
    if b"\r\n" not in data or data.count(b"\n") != data.count(b"\r\n"):
        return text
    return re.sub("\r?\n", "\r\n", text)


def _matches(entry: Entry, pattern: str, folder: tuple[str, ...]) -> bool:
    below = PurePosixPath(*PurePosixPath(entry.path).parts[len(folder) :])
    if "/" not in pattern:
        return fnmatch.fnmatchcase(below.name, pattern)
    plain = pattern.removeprefix("**/")
    return fnmatch.fnmatchcase(str(below), pattern) or fnmatch.fnmatchcase(str(below), plain)


def _line(entry: Entry) -> str:
    name, mode = diff.visible(entry.path), entry.status.st_mode
    if stat.S_ISDIR(mode):
        return f"{name}/"
    if stat.S_ISLNK(mode):
        return f"{name} (a link, not followed)"
    if not stat.S_ISREG(mode):
        return f"{name} (no regular file)"
    changed = datetime.fromtimestamp(entry.status.st_mtime).astimezone()
    return f"{name}  {entry.status.st_size:,} bytes, {changed:%Y-%m-%d %H:%M}"
