"""What an index holds, and how it is written: vectors for FAISS, words and passages for SQLite.

Row n of one file is row n of the other. No pickle anywhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge import generations
from knowledge.lexical import TOKENIZER
from knowledge.schema import Passage

if TYPE_CHECKING:
    import numpy as np

FORMAT = 1
DENSE = "dense.faiss"
PASSAGES = "passages.sqlite"
_SCHEMA = f"""
CREATE TABLE passages (
    row INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, source TEXT NOT NULL, text TEXT NOT NULL,
    start_line INTEGER NOT NULL, end_line INTEGER NOT NULL, page INTEGER, heading TEXT NOT NULL
) STRICT;
CREATE TABLE files (
    source TEXT PRIMARY KEY, sha256 TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    passages INTEGER NOT NULL, failure TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE words USING fts5 (heading, name, text, content='', tokenize='{TOKENIZER}');
"""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What the index knows of one file.

    Attributes:
        source: absolute path.
        sha256: of the file's bytes when last read; empty when it could not be opened.
        size: in bytes.
        mtime_ns: time of last modification, nanoseconds since the epoch.
        passages: how many it gave.
        failure: why it gave none, in one sentence; empty otherwise.
    """

    source: str
    sha256: str
    size: int
    mtime_ns: int
    passages: int
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """All that an index holds.

    Attributes:
        passages: in any order.
        vectors: unit vectors of the passages, float32 [len(passages), d].
        files: by source.
        roots: folders and files the user named, absolute.
    """

    passages: Sequence[Passage]
    vectors: np.ndarray
    files: Mapping[str, FileEntry]
    roots: tuple[str, ...]


def save_index(folder: Path, contents: Contents, fingerprint: str) -> None:
    """Make `contents` the current generation of `folder`; call it under `generations.writer_lock`.

    Raises:
        StorageError: the disk refused; the current generation is untouched.
    """
    import faiss

    dense = faiss.IndexFlatIP(contents.vectors.shape[1])
    dense.add(contents.vectors)
    notes = {
        "format": FORMAT,
        "embedder": fingerprint,
        "dimension": int(contents.vectors.shape[1]),
        "passages": len(contents.passages),
        "files": len(contents.files),
        "roots": list(contents.roots),
    }
    files = {DENSE: faiss.serialize_index(dense).tobytes(), PASSAGES: _database(contents)}
    generations.publish(folder, files, notes)


def _database(contents: Contents) -> bytes:
    rows = list(enumerate(contents.passages))
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(_SCHEMA)
        with connection:
            connection.executemany(
                "INSERT INTO passages VALUES (?,?,?,?,?,?,?,?)",
                ((row, p.id, p.source, p.text, p.start_line, p.end_line, p.page, p.heading) for row, p in rows),
            )
            connection.executemany(
                "INSERT INTO words (rowid, heading, name, text) VALUES (?,?,?,?)",
                ((row, p.heading, Path(p.source).name, p.text) for row, p in rows),
            )
            connection.executemany("INSERT INTO files VALUES (?,?,?,?,?,?)", map(astuple, contents.files.values()))
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        return connection.serialize()
    finally:
        connection.close()
