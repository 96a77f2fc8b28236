"""Zip containers, and the XML inside Office and EPUB files, opened with limits on what they unpack to."""

from __future__ import annotations

import io
import lzma
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO
from urllib.parse import unquote
from xml.etree import ElementTree

from knowledge.errors import DocumentError
from knowledge.loaders.extract import MB, Bomb, File, one_line

MAX_MEMBERS = 50_000
MAX_UNPACKED = 512 * MB
# DEFLATE reaches 1032:1 on zeros; what people write stays far below this.
_MAX_RATIO = 250
_RATIO_FROM = 8 * MB
_BLOCK = 1 * MB
_UNPACK = "If you trust it, unpack it and ingest the folder."
_ENTITY = "<!ENTITY"
_ENTITIES = tuple(_ENTITY.encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))
_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"


class Package:
    """An open zip container that keeps count of what was unpacked from it.

    Args:
        file: what to call it in errors.
        archive: the container.
    """

    def __init__(self, file: File, archive: zipfile.ZipFile) -> None:
        self.file = file
        self._archive = archive
        self._members = {info.filename: info for info in archive.infolist()}
        self._unpacked = 0
        if len(archive.infolist()) > MAX_MEMBERS:
            raise Bomb(f"{file.name} holds more than {MAX_MEMBERS:,} files.", fix=_UNPACK)

    @property
    def names(self) -> list[str]:
        """Names of all members, in the container's order."""
        return list(self._members)

    def encrypted(self, name: str) -> bool:
        """Whether a member needs a password."""
        return bool(self._members[name].flag_bits & 1)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str, limit: int = 128 * MB) -> bytes:
        """The bytes of a member.

        Raises:
            DocumentError: it is missing, encrypted, longer than `limit`, or packed as no honest file is.
        """
        info = self._members.get(name)
        if info is None:
            raise DocumentError(f"{self.file.name} is damaged: it lacks its part {name}.")
        if self.encrypted(name):
            raise DocumentError(f"{self.file.name} is encrypted.", fix="Save a copy without the password.")
        try:
            return b"".join(self._blocks(info, limit))
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError) as error:
            raise DocumentError(f"{self.file.name} is damaged at its part {name}: {one_line(error)}.") from error

    def _blocks(self, info: zipfile.ZipInfo, limit: int) -> Iterator[bytes]:
        length = 0
        with self._archive.open(info) as stream:
            while block := stream.read(_BLOCK):
                length += len(block)
                self._unpacked += len(block)
                if length > limit or self._unpacked > MAX_UNPACKED:
                    raise Bomb(
                        f"{self.file.name} unpacks to more than {min(limit, MAX_UNPACKED) // MB} MB.", fix=_UNPACK
                    )
                if length > _RATIO_FROM and length > _MAX_RATIO * max(info.compress_size, 1):
                    raise Bomb(f"{self.file.name} unpacks to more than {_MAX_RATIO} times its size.", fix=_UNPACK)
                yield block

    def tree(self, name: str) -> ElementTree.Element:
        """The root element of an XML member."""
        return parse_xml(self.read(name), self.file.name)

    def elements(self, name: str, tag: str) -> Iterator[ElementTree.Element]:
        """The elements of one name in an XML member, in order; each is gone once the next is asked for."""
        data = _checked(self.read(name), self.file.name)
        above: list[ElementTree.Element] = []
        for event, element in ElementTree.iterparse(io.BytesIO(data), ("start", "end")):  # noqa: S314 - checked
            if event == "start":
                above.append(element)
                continue
            above.pop()
            if element.tag == tag:
                yield element
                if above:
                    above[-1].remove(element)

    def relations(self, name: str) -> dict[str, tuple[str, str]]:
        """Relationships of an Office part: id → (last word of the type, name of the target member).

        Office Open XML, ECMA-376 part 2, section 6.5.
        """
        folder, base = posixpath.split(name)
        listing = posixpath.join(folder, "_rels", f"{base}.rels")
        found: dict[str, tuple[str, str]] = {}
        if listing not in self:
            return found
        for relation in self.tree(listing).iter(_RELATIONS):
            if relation.get("TargetMode") != "External":
                target = inner_path(folder, relation.get("Target", ""))
                found[relation.get("Id", "")] = (relation.get("Type", "").rpartition("/")[2], target)
        return found


@contextmanager
def open_package(file: File, limit: int) -> Iterator[Package]:
    """Open a zip container; see `File.open` for what it raises on the way."""
    with file.open(limit) as stream:
        _refuse_ole(stream, file)
        with zipfile.ZipFile(stream) as archive:
            yield Package(file, archive)


def parse_xml(data: bytes, name: str) -> ElementTree.Element:
    """The root element of a document that declares no entities.

    Without declared entities XML can neither grow while it is parsed nor name other files.

    Raises:
        DocumentError: it declares entities.
        xml.etree.ElementTree.ParseError: it is not well-formed.
    """
    return ElementTree.fromstring(_checked(data, name))  # noqa: S314 - checked


def _checked(data: bytes, name: str) -> bytes:
    if any(mark in data for mark in _ENTITIES):
        raise DocumentError(f"{name} declares XML entities, which no honest document of its kind does.")
    return data


def inner_path(folder: str, target: str) -> str:
    """A target named relative to a folder of the container, as the name of a member."""
    target = unquote(target.partition("#")[0])
    return posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")


def local(element: ElementTree.Element) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _refuse_ole(stream: BinaryIO, file: File) -> None:
    head = stream.read(8)
    stream.seek(0)
    if head == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":  # the container of old and of encrypted Office files
        raise DocumentError(f"{file.name} is encrypted, or in an old format.", fix="Save a copy without the password.")
