"""Texts of many files to the embedder in even batches, and back to their files as vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from knowledge.chunking import embedded_text
from knowledge.index import FileEntry
from knowledge.schema import Passage

if TYPE_CHECKING:
    import numpy as np

    from knowledge.embedders import Embedder

_BATCH = 64  # texts given to the embedder at once; between two batches Ctrl-C is heard


@dataclass(slots=True)
class File:
    """A file with its passages and their vectors, float32 [n, d]; `missing` are those without one so far."""

    entry: FileEntry
    passages: Sequence[Passage]
    vectors: np.ndarray
    missing: list[int]


class Batches:
    """Files wait here until there are enough texts to embed.

    Args:
        embeddings: what embeds them.
        told: called with the number of passages that got their vectors, and the file at hand.
        stopped: asked before each batch; True lets the files that wait go unembedded.
    """

    def __init__(
        self, embeddings: Embedder, told: Callable[[int, str], None], stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._embeddings = embeddings
        self._told = told
        self._stopped = stopped
        self._files: list[File] = []
        self._texts = 0
        self._given = 0
        self._misses = _misses(embeddings)

    def __bool__(self) -> bool:
        """Whether any files wait."""
        return bool(self._files)

    @property
    def full(self) -> bool:
        """Whether it is time to `flush`."""
        return self._texts >= _BATCH

    @property
    def embedded(self) -> int:
        """How many texts have really been embedded; those that a cache knew are not among them."""
        before, now = self._misses, _misses(self._embeddings)
        return self._given if before is None or now is None else now - before

    def add(
        self, entry: FileEntry, passages: Sequence[Passage], old: tuple[Sequence[Passage], np.ndarray] | None = None
    ) -> None:
        """Let a file wait.

        Args:
            entry: of the file.
            passages: its content.
            old: passages whose vectors are known, and these; the same text gets the same vector.
        """
        import numpy as np

        vectors = np.empty((len(passages), self._embeddings.dimension), dtype=np.float32)
        known = {embedded_text(passage): row for row, passage in enumerate(old[0])} if old else {}
        missing: list[int] = []
        for at, passage in enumerate(passages):
            row = known.get(embedded_text(passage))
            if row is None or old is None:
                missing.append(at)
            else:
                vectors[at] = old[1][row]
        self._files.append(File(entry, passages, vectors, missing))
        self._texts += len(missing)
        self._told(len(passages) - len(missing), entry.source)

    def flush(self) -> Iterator[File]:
        """Embed what waits, each text once; the files, finished."""
        files, self._files, self._texts = self._files, [], 0
        places: dict[str, list[tuple[np.ndarray, int]]] = {}
        for file in files:
            for at in file.missing:
                places.setdefault(embedded_text(file.passages[at]), []).append((file.vectors, at))
        texts = list(places)
        for start in range(0, len(texts), _BATCH):
            if self._stopped():
                return
            batch = texts[start : start + _BATCH]
            for text, vector in zip(batch, self._embeddings.embed(batch), strict=True):
                for vectors, at in places[text]:
                    vectors[at] = vector
            self._given += len(batch)
            self._told(sum(len(places[text]) for text in batch), files[0].entry.source)
        yield from files


def _misses(embeddings: Embedder) -> int | None:
    """How many texts a cached embedder has had to embed so far; None for one that keeps no count."""
    from knowledge.embedders import CachedEmbeddings

    return embeddings.misses if isinstance(embeddings, CachedEmbeddings) else None
