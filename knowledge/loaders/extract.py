"""What passes between a loader and the rest: a `File` to read from, and `Part`s of its text."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from knowledge.errors import DocumentError

MB = 2**20


class Bomb(DocumentError):
    """A packed file that would grow past what an honest one holds."""


@dataclass(frozen=True, slots=True)
class File:
    """A file on disk, or a member of an archive or message that is held in memory.

    Attributes:
        path: the file on disk.
        name: what to call it in an error, and what its suffix is taken from.
        content: the bytes of a member; None for the file on disk.
        depth: how many archives or messages it lies in.
    """

    path: Path
    name: str
    content: bytes | None = None
    depth: int = 0

    @property
    def suffix(self) -> str:
        """Ending of the name, lower case, with the dot."""
        return PurePath(self.name).suffix.lower()

    def member(self, name: str, content: bytes) -> File:
        """A file found inside this one."""
        return File(self.path, PurePath(name).name or name, content, self.depth + 1)

    def open(self, limit: int) -> BinaryIO:
        """A seekable stream of its bytes.

        Raises:
            DocumentError: it is empty, not a regular file, or longer than `limit` bytes.
            OSError: it cannot be opened.
        """
        if self.content is None:
            status = self.path.stat()
            if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
                raise DocumentError(f"{self.name} is not a regular file.")
        size = status.st_size if self.content is None else len(self.content)
        if size > limit:
            what = f"{self.name} is {size / MB:,.0f} MB long; the limit for {self.suffix} files is {limit // MB} MB."
            raise DocumentError(what, fix="Split it into smaller files.")
        if size == 0:
            raise DocumentError(f"{self.name} is empty.")
        return self.path.open("rb") if self.content is None else io.BytesIO(self.content)

    def read(self, limit: int) -> bytes:
        """All its bytes; see `open` for what it raises."""
        with self.open(limit) as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise DocumentError(f"{self.name} grew past the limit of {limit // MB} MB while it was read.")
        return data


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text whose lines are counted together.

    Attributes:
        text: the lines; for a table the header, then one line a row.
        page: 1-based page number, None where there are no pages.
        part: the name of this part of the file; with `page` unique within the file.
        unit: what the lines are called in a locator, "line" or "row".
        first: the number of the first line.
        markup: "plain", "markdown" (`#` lines are headings), "table" or "code".
        outline: symbols or headings, in order: (line within the text from 1, level from 1, title).
    """

    text: str
    page: int | None = None
    part: str = ""
    unit: str = "line"
    first: int = 1
    markup: str = "plain"
    outline: tuple[tuple[int, int, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        return asdict(self) | {"outline": [list(entry) for entry in self.outline]}

    def metadata(self, source: Path) -> dict[str, Any]:
        """The metadata of a LangChain `Document` that carries this text."""
        values = self.to_json()
        del values["text"]
        if not self.outline:
            del values["outline"]
        return {"source": str(source), **values}


Loader = Callable[[File], Iterator[Part]]


def not_read(failures: list[str]) -> Iterator[Part]:
    """A part that lists what of a file could not be read, so that nothing is missing unsaid."""
    if failures:
        yield Part("\n".join(["Not read:", *failures]), part="not read")


def fenced(text: str, language: str = "") -> str:
    """Text as a fenced block of Markdown, the fence longer than any in it."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.strip(chr(10))}\n{fence}"


def one_line(error: BaseException, longest: int = 200) -> str:
    """What a library said, fit for the middle of a sentence."""
    return (" ".join(str(error).split()) or type(error).__name__)[:longest].rstrip(".:")
