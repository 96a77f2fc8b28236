"""Vectors kept by the hash of their text, so that nothing is embedded twice, not even after a kill."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from knowledge.embedders.protocol import Embedder, UnitEmbeddings

if TYPE_CHECKING:
    import numpy as np

FILE_NAME = "embeddings.db"
_MOST_BYTES = 256 * 2**20
_SECONDS_BETWEEN_WRITES = 1.0
_AT_ONCE = 500
_PATIENCE = 5.0  # seconds for another process to finish its write
_MOST_UNWRITTEN = 50_000  # vectors that wait while other processes write
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}  # reasons to try again later
_PASSING = {  # reasons to do without a file that is whole
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}
_T = TypeVar("_T")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum INTEGER NOT NULL, run INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS vectors_by_run ON vectors (run);
"""


class CachedEmbeddings(UnitEmbeddings):
    """An embedder that remembers the vectors of documents; queries go straight through.

    The cache is one SQLite file in `folder`. Several processes may use it; what a killed one had embedded
    is there up to its last second. When it outgrows `most_bytes`, the texts not seen for the most runs go first.
    A damaged file is set aside and one that cannot be used is done without: the cache is never a reason to fail.

    Args:
        embedder: what embeds the texts not yet known; closed with the cache.
        folder: made when missing.
        most_bytes: of the file.

    Attributes:
        hits: texts whose vector was known.
        misses: texts that were embedded.
    """

    def __init__(self, embedder: Embedder, folder: Path, *, most_bytes: int = _MOST_BYTES) -> None:
        self.hits = self.misses = 0
        self._embedder = embedder
        self._lock = threading.Lock()
        self._vectors = _Vectors(folder / FILE_NAME, most_bytes)

    @property
    def fingerprint(self) -> str:
        """That of the embedder: vectors do not change by being remembered."""
        return self._embedder.fingerprint

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._embedder.dimension

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts: float32, shape [len(texts), dimension].

        Raises:
            EmbedderError: texts that were not known could not be embedded.
        """
        import numpy as np

        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        keys = [self._key(text) for text in texts]
        with self._lock:
            known = self._vectors.read(keys, self.dimension * 4)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            vectors = np.ascontiguousarray(self._embedder.embed(list(missing.values())), dtype="<f4")
            fresh = {key: vector.tobytes() for key, vector in zip(missing, vectors, strict=True)}
            known |= fresh
            with self._lock:
                self._vectors.write(fresh)
        with self._lock:
            self.hits += len(texts) - len(missing)
            self.misses += len(missing)
        return np.frombuffer(b"".join(known[key] for key in keys), dtype="<f4").reshape(len(texts), -1).copy()

    def query_vector(self, text: str) -> np.ndarray:
        """The vector of a query: float32, shape [dimension]; never remembered."""
        return self._embedder.query_vector(text)

    def close(self) -> None:
        """Write what is not yet written, close the file and the embedder."""
        with self._lock:
            self._vectors.close()
        self._embedder.close()

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.fingerprint}\0{text}".encode("utf-8", "surrogatepass")).digest()


class _Vectors:
    """The file: key → bytes of a vector. Not thread-safe; its failures stay inside."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path, self._most_bytes = path, most_bytes
        self._connection: sqlite3.Connection | None = None
        self._unusable = False
        self._run = 0
        self._unwritten: dict[bytes, bytes] = {}
        self._written_at = 0.0

    def read(self, keys: Sequence[bytes], size: int) -> dict[bytes, bytes]:
        """The vectors of `size` bytes known of `keys`; one that is damaged is not known."""
        found = {key: self._unwritten[key] for key in keys if key in self._unwritten}
        wanted = [key for key in dict.fromkeys(keys) if key not in found]
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            found |= self._attempt(partial(self._read, some, size)) or {}
        return found

    def write(self, vectors: Mapping[bytes, bytes]) -> None:
        """Keep vectors, on disk within about a second as long as more are written."""
        self._unwritten |= vectors
        if time.monotonic() - self._written_at >= _SECONDS_BETWEEN_WRITES:
            self._flush()

    def close(self) -> None:
        """Write the rest and close; the next use opens the file again."""
        self._flush()
        if self._connection is not None:
            self._connection.close()
        self._connection, self._unusable = None, False

    def _attempt(self, work: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """What `work` returns, or None when the file cannot be used; a damaged one is replaced first."""
        for _ in range(2):
            if self._unusable:
                break
            try:
                return work(self._opened())
            except OSError:
                self._unusable = True
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if code in _BUSY:
                    return None
                if code in _PASSING:
                    self._unusable = True
                else:
                    self._set_aside()
            except (ValueError, TypeError, ArithmeticError):  # damage shows in values and even in messages
                self._set_aside()
        self._unusable = True
        return None

    def _flush(self) -> None:
        written = not self._unwritten or self._attempt(self._write)
        if written or self._unusable or len(self._unwritten) > _MOST_UNWRITTEN:
            self._unwritten.clear()
        self._written_at = time.monotonic()

    def _read(self, keys: list[bytes], size: int, connection: sqlite3.Connection) -> dict[bytes, bytes]:
        marks = ",".join("?" * len(keys))
        query = f"SELECT key, vector, checksum, run FROM vectors WHERE key IN ({marks})"  # noqa: S608
        rows = connection.execute(query, keys).fetchall()
        whole = [row for row in rows if len(row[1]) == size and zlib.crc32(row[0] + row[1]) == row[2]]
        old = [(self._run, row[0]) for row in whole if row[3] != self._run]
        if old:
            with connection:
                connection.executemany("UPDATE vectors SET run = ? WHERE key = ?", old)
        return {row[0]: row[1] for row in whole}

    def _write(self, connection: sqlite3.Connection) -> bool:
        rows = [(key, vector, zlib.crc32(key + vector), self._run) for key, vector in self._unwritten.items()]
        with connection:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)
        # A tenth at a time, those of the oldest runs first, until the rest is small enough.
        while _bytes_used(connection) > self._most_bytes:
            count = connection.execute("SELECT COUNT(*) FROM vectors").fetchone()[0]
            if not count:
                break
            oldest = "SELECT rowid FROM vectors ORDER BY run, rowid LIMIT ?"
            with connection:
                connection.execute(f"DELETE FROM vectors WHERE rowid IN ({oldest})", (count // 10 + 1,))  # noqa: S608
        return True

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Vectors tell something about their texts, so nobody else may read them.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(self._path, timeout=_PATIENCE, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(f"PRAGMA journal_size_limit = {2**22}")
                connection.executescript(_SCHEMA)
                newest = connection.execute("SELECT MAX(run) FROM vectors").fetchone()[0]
            except BaseException:
                connection.close()
                raise
            self._connection, self._run = connection, (newest or 0) + 1
        return self._connection

    def _set_aside(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        try:
            self._path.replace(self._path.with_name(f"{FILE_NAME}.damaged"))
            for suffix in ("-wal", "-shm"):
                self._path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
        except OSError:
            self._unusable = True


def _bytes_used(connection: sqlite3.Connection) -> int:
    pages, unused, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - unused) * size
