"""Archives (.zip): every member of a type that can be read, one archive within another included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from knowledge.errors import DocumentError
from knowledge.loaders.extract import MB, Bomb, File, Part, not_read
from knowledge.loaders.inside import parts_of_member, readable
from knowledge.loaders.package import Package, open_package

MAX_BYTES = 256 * MB
_MAX_MEMBER_BYTES = 128 * MB
_DRIVE = re.compile(r"[A-Za-z]:")


def load(file: File) -> Iterator[Part]:
    """The parts of its members, each named by the member's path ("notes/talk.pptx, slide 3").

    Raises:
        DocumentError: it is encrypted, damaged, holds nothing that can be read, or has member names that lead
            out of it.
        Bomb: it unpacks to more than an honest archive does.
    """
    failures: list[str] = []
    found = False
    with open_package(file, MAX_BYTES) as package:
        for name in _members(package):
            for part in _parts(package, file, name, failures):
                found = True
                yield part
    if not found:
        reason = failures[0] if failures else "it holds no file of a type that can be read."
        raise DocumentError(f"Nothing in {file.name} can be read: {reason}")
    yield from not_read(failures)


def _parts(package: Package, file: File, name: str, failures: list[str]) -> Iterator[Part]:
    try:
        content = package.read(name, _MAX_MEMBER_BYTES)
    except Bomb:
        raise
    except DocumentError as error:
        failures.append(error.what)
        return
    if content:
        yield from parts_of_member(file.member(name, content), name, failures)


def _members(package: Package) -> list[str]:
    """Names of the members worth reading, in their order."""
    names = []
    for name in package.names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or _DRIVE.match(name) or "\0" in name:
            raise DocumentError(f"{package.file.name} has a member whose name leads out of it: {name[:80]!r}.")
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if not hidden and not name.endswith("/") and readable(name):
            if package.encrypted(name):
                raise DocumentError(f"{package.file.name} is encrypted.", fix="Unpack it and ingest the folder.")
            names.append(name)
    return names
