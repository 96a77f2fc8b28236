"""What a configured database is: a SQLite file, CSV, TSV or Parquet files, or a PostgreSQL server."""

from __future__ import annotations

import re
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tools.sql.rows import QueryFailed

MAX_FILES = 200
_TABLES = (".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz")
_SQLITE = b"SQLite format 3\0"
_SERVERS = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows come from.

    Attributes:
        kind: which engine reads it.
        location: path, or address with the password.
        files: table name → path, for "files".
    """

    kind: Literal["sqlite", "files", "postgresql"]
    location: str = field(repr=False)
    files: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        return asdict(self)


def source_of(location: str) -> Source:
    """What stands at a path or address.

    Raises:
        QueryFailed: nothing that can be queried; the address is not repeated.
    """
    if location.startswith(_SERVERS):
        return Source("postgresql", location)
    if "://" in location:
        raise QueryFailed("its address is of a kind that is not supported; use a file or a postgresql:// URL")
    path = Path(location).expanduser().absolute()
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return Source("files", str(path), _tables(_folder(path)))
        if not stat.S_ISREG(status.st_mode):
            raise QueryFailed(f"{path.name} is not a regular file")
        if path.name.lower().endswith(_TABLES):
            return Source("files", str(path), _tables([path]))
        with path.open("rb") as file:
            beginning = file.read(len(_SQLITE))
    except FileNotFoundError:
        raise QueryFailed(f"there is no file {path.name}") from None
    except OSError as error:
        raise QueryFailed(f"{path.name} cannot be opened: {error.strerror}") from None
    if beginning != _SQLITE:
        raise QueryFailed(f"{path.name} is neither a SQLite database nor a CSV, TSV or Parquet file")
    return Source("sqlite", str(path))


def _folder(path: Path) -> list[Path]:
    """The tables in a folder; links may lead out of it, so they are none."""
    found = [file for file in sorted(path.iterdir()) if file.name.lower().endswith(_TABLES)]
    found = [file for file in found if file.is_file() and not file.is_symlink()]
    if not found:
        raise QueryFailed(f"the folder {path.name} holds no CSV, TSV or Parquet files")
    if len(found) > MAX_FILES:
        raise QueryFailed(f"the folder {path.name} holds more than {MAX_FILES} tables")
    return found


def _tables(files: list[Path]) -> dict[str, str]:
    """Table names that need no quotes: "Sales 2024.csv" is sales_2024."""
    named: dict[str, str] = {}
    for file in files:
        stem = file.name.lower()
        for suffix in sorted(_TABLES, key=len, reverse=True):
            stem = stem.removesuffix(suffix)
        plain = re.sub(r"\W+", "_", stem).strip("_") or "table"
        plain = f"t_{plain}" if plain[0].isdigit() else plain
        name, number = plain, 1
        while name in named:
            number += 1
            name = f"{plain}_{number}"
        named[name] = str(file)
    return named
