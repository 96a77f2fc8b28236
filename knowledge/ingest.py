"""Files → passages → vectors → index: the only way into the index, and only for what has changed.

A file of unchanged size and modification time is taken as it stands; else its SHA-256 decides. Of a
changed file only text that the index does not hold yet is embedded. Files that left a folder named
before leave the index. Nothing is visible to readers until everything is written.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge import generations
from knowledge.chunking import embedded_text, split
from knowledge.contents import Contents, FileEntry, save_index
from knowledge.errors import DocumentError, IndexMissing, RatchetError, SourceMissing
from knowledge.index import KnowledgeIndex
from knowledge.loaders import LOADERS, MAX_PDF_BYTES, find_files, lazy_load
from knowledge.schema import FileFailure, IngestProgress, IngestReport, Passage

if TYPE_CHECKING:
    import numpy as np

    from knowledge.embeddings import Embedder

_BATCH = 16
OnProgress = Callable[[IngestProgress], None]


def ingest(
    paths: Sequence[Path],
    index_folder: Path,
    embeddings: Embedder,
    *,
    on_progress: OnProgress | None = None,
    rebuild: bool = False,
) -> IngestReport:
    """Bring the index up to date with the files at and below `paths`.

    What was ingested from elsewhere before stays. Files that cannot be read are listed in the report,
    with the reason, and tried again when they change.

    Args:
        paths: files and folders; together with those of earlier calls they form the collection.
        index_folder: where the collection's index stands or shall stand.
        embeddings: what turns text into vectors.
        on_progress: called after every file and every batch.
        rebuild: make everything anew, with this embedder, from `paths` and the folders named before.

    Raises:
        SourceMissing: one of the paths does not exist.
        IndexBusy: another process is writing to the index.
        IndexCorrupt, EmbedderMismatch: the present index cannot be extended; see `rebuild`.
        StorageError: the disk refused; the index stands as it was.
    """
    started = time.perf_counter()
    roots = [Path(os.path.abspath(path.expanduser())) for path in paths]
    for root in roots:
        if not root.exists():
            raise SourceMissing(f"There is no file or folder {root}.", fix="Check the spelling of its path.")
    report = on_progress or (lambda progress: None)
    with generations.writer_lock(index_folder):
        if rebuild:
            roots += [root for root in map(Path, _earlier_roots(index_folder)) if root.exists()]
        before = _empty(embeddings) if rebuild else _present(index_folder, embeddings)
        state = _State(before, roots)
        state.read(report)
        embedded = state.embed(embeddings, report)
        if rebuild or state.changed:
            report(IngestProgress("saving", 0, 1))
            save_index(index_folder, state.contents(), embeddings.fingerprint)
            report(IngestProgress("saving", 1, 1))
    return state.report(embedded, time.perf_counter() - started)


def _empty(embeddings: Embedder) -> Contents:
    import numpy as np

    return Contents([], np.empty((0, embeddings.dimension), dtype=np.float32), {}, ())


def _present(folder: Path, embeddings: Embedder) -> Contents:
    try:
        index = KnowledgeIndex.open(folder, embeddings.fingerprint)
    except IndexMissing:
        return _empty(embeddings)
    try:
        return index.contents()
    finally:
        index.close()


def _earlier_roots(folder: Path) -> list[str]:
    try:
        return list(generations.current(folder).notes["roots"])
    except RatchetError:
        return []  # nothing there, or too damaged to tell


@dataclass(slots=True)
class _State:
    """An ingest under way: what was there before, what was found now."""

    before: Contents
    roots: list[Path]
    files: dict[str, FileEntry] = field(default_factory=dict)
    fresh: list[Passage] = field(default_factory=list)
    fresh_vectors: np.ndarray | None = None
    kept: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("added", "updated", "skipped"), 0))

    def read(self, report: OnProgress) -> None:
        """Look at every file below the roots; load and split those that changed."""
        found = self._found()
        for done, path in enumerate(found, start=1):
            self._read_file(path)
            report(IngestProgress("reading", done, len(found), str(path)))
        for source, entry in self.before.files.items():
            if source not in self.files and not self._below_roots(source):
                self._keep(entry)

    def _found(self) -> list[Path]:
        found: dict[Path, None] = {}
        for root in self.roots:
            for path in find_files(root):
                if path.suffix.lower() in LOADERS or path == root:
                    found[path] = None
                else:
                    self.counts["skipped"] += 1
        return list(found)

    def _below_roots(self, source: str) -> bool:
        return any(Path(source).is_relative_to(root) for root in self.roots)

    def _keep(self, entry: FileEntry) -> None:
        self.files[entry.source] = entry
        self.kept.add(entry.source)

    def _read_file(self, path: Path) -> None:
        source = str(path)
        known = self.before.files.get(source)
        entry = FileEntry(source, "", 0, 0, 0)
        try:
            status = path.stat()
            entry = replace(entry, size=status.st_size, mtime_ns=status.st_mtime_ns)
            if known and known.sha256 and (known.size, known.mtime_ns) == (entry.size, entry.mtime_ns):
                return self._keep(known)
            entry = replace(entry, sha256=_digest(path))
            if known and known.sha256 == entry.sha256:
                return self._keep(replace(known, size=entry.size, mtime_ns=entry.mtime_ns))
            passages = list(split(lazy_load(path), source))
        except DocumentError as error:
            self.files[source] = replace(entry, failure=str(error))
        except OSError as error:
            reason = f"{path.name} cannot be read: {(error.strerror or str(error)).lower()}."
            self.files[source] = replace(entry, sha256="", failure=reason)
        else:
            self.files[source] = replace(entry, passages=len(passages))
            self.fresh += passages
            self.counts["updated" if known and not known.failure else "added"] += 1
        return None

    def embed(self, embeddings: Embedder, report: OnProgress) -> int:
        """Vectors for the new passages: the old one where the text is the same, else a new one.

        Returns:
            How many texts were embedded.
        """
        import numpy as np

        known = {embedded_text(passage): row for row, passage in enumerate(self.before.passages)}
        self.fresh_vectors = np.empty((len(self.fresh), embeddings.dimension), dtype=np.float32)
        new: list[int] = []
        for position, passage in enumerate(self.fresh):
            row = known.get(embedded_text(passage))
            if row is None:
                new.append(position)
            else:
                self.fresh_vectors[position] = self.before.vectors[row]
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            self.fresh_vectors[batch] = embeddings.embed([embedded_text(self.fresh[at]) for at in batch])
            report(IngestProgress("embedding", start + len(batch), len(new)))
        return len(new)

    @property
    def changed(self) -> bool:
        """Whether the index on disk differs from what was found."""
        return self.files != self.before.files or self._all_roots() != self.before.roots

    def _all_roots(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.before.roots, *map(str, self.roots))))

    def contents(self) -> Contents:
        """What the new generation shall hold."""
        import numpy as np

        rows = [row for row, passage in enumerate(self.before.passages) if passage.source in self.kept]
        passages = [self.before.passages[row] for row in rows] + self.fresh
        vectors = np.concatenate([self.before.vectors[rows], self.fresh_vectors])
        return Contents(passages, vectors, self.files, self._all_roots())

    def report(self, embedded: int, seconds: float) -> IngestReport:
        """The outcome, for people and scripts."""
        failed = [FileFailure(entry.source, entry.failure) for entry in self.files.values() if entry.failure]
        seen = [entry for entry in self.files.values() if self._below_roots(entry.source)]
        return IngestReport(
            added=self.counts["added"],
            updated=self.counts["updated"],
            unchanged=sum(entry.source in self.kept and not entry.failure for entry in seen),
            removed=len(self.before.files.keys() - self.files.keys()),
            failed=tuple(failed),
            passages=sum(entry.passages for entry in self.files.values()),
            embedded=embedded,
            seconds=seconds,
            skipped=self.counts["skipped"],
        )


def _digest(path: Path) -> str:
    """SHA-256 of a file; of a pipe or device, which has no content to hash, of nothing."""
    if not path.is_file() or path.stat().st_size > MAX_PDF_BYTES:
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
