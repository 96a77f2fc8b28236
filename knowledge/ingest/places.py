"""Which paths lie in which folders, and which of the folders that the user named are not there today.

A drive that is not plugged in leaves nothing, a link to nothing, or an empty folder where it was mounted.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from knowledge.errors import SourceMissing
from knowledge.index import FileEntry


class Places:
    """Files and folders: whether a path is one of them, or lies in one, told however many there are.

    Args:
        paths: absolute, without a slash at the end.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)

    def __contains__(self, path: str) -> bool:
        return next(self.around(path), None) is not None

    def around(self, path: str) -> Iterator[str]:
        """Those that a path is or lies in, from the inside out."""
        if path in self._paths:
            yield path
        if self._paths:
            yield from (folder for folder in _folders_of(path) if folder in self._paths)


class Survey:
    """The roots that an ingest has to do with: those that are there, and those that are away.

    A root that lies within one of the `wanted` is one of them: hidden ones are only found when scanned themselves.

    Args:
        wanted: absolute paths.
        earlier: those of earlier ingests.
        known: what the index holds; a root is not held for away because it never had any content.

    Attributes:
        present: to scan, in the order they were named.
    """

    def __init__(self, wanted: Sequence[str], earlier: Sequence[str], known: Mapping[str, FileEntry]) -> None:
        self._filled = _filled(known)
        within = Places(wanted)
        roots = list(dict.fromkeys((*wanted, *(root for root in earlier if root in within))))
        absent = {root for root in roots if _is_away(root, self._filled)}
        self.present = [root for root in roots if root not in absent]
        followed = Places(self.present)
        away = (root for root in roots if root in absent and not (root in known and _is_deleted(root, followed)))
        self._away = dict.fromkeys(away)
        self._roots = Places((*self.present, *self._away))

    @property
    def away(self) -> list[str]:
        """The roots that are away as far as is known now; what was read from them must stay."""
        return list(self._away)

    def look_again(self) -> None:
        """Note the roots that went away while they were scanned."""
        self._away |= dict.fromkeys(root for root in self.present if _is_away(root, self._filled))
        self.present = [root for root in self.present if root not in self._away]

    def has_taken(self, source: str) -> bool:
        """Whether a file that cannot be found has gone with its root, which is noted then."""
        for root in self._roots.around(source):
            if root in self._away or _is_away(root, self._filled):
                self._away[root] = None
                return True
        return False


def check_existence(path: str) -> None:
    """Refuse a path that the user named and that leads nowhere.

    Raises:
        SourceMissing: there is nothing.
    """
    if os.path.exists(path):
        return
    if os.path.lexists(path):
        fix = "Plug in the drive it leads to, or mend the link."
        raise SourceMissing(f"{path} is a link to something that is not there.", fix=fix)
    raise SourceMissing(f"There is no file or folder {path}.", fix="Check the spelling of its path.")


def _folders_of(path: str) -> Iterator[str]:
    """The folders that a path lies in, from the inside out."""
    folder = os.path.dirname(path)
    while folder and folder != path:
        yield folder
        path, folder = folder, os.path.dirname(folder)


def _filled(known: Mapping[str, FileEntry]) -> set[str]:
    """Folders with files that were read, somewhere below them."""
    filled: set[str] = set()
    for source, entry in known.items():
        if not entry.failure:
            for folder in _folders_of(source):
                if folder in filled:
                    break
                filled.add(folder)
    return filled


def _is_away(root: str, filled: Collection[str]) -> bool:
    if not os.path.exists(root):
        return True
    if root not in filled:
        return False
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        return True
    except OSError:  # no folder, or one that may not be listed; the scan tells
        return False


def _is_deleted(file: str, followed: Places) -> bool:
    """Whether a file named by itself was deleted from a folder that is followed as well, and is there."""
    return file in followed and os.path.isdir(os.path.dirname(file))
