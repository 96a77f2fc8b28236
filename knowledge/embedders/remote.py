"""What embedders behind a network share: batches, overlong texts, and a dimension that has to be asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from knowledge.embedders.encoding import presentable
from knowledge.embedders.overlong import TooLong, embedded_in_parts
from knowledge.embedders.protocol import UnitEmbeddings

if TYPE_CHECKING:
    import numpy as np

    from knowledge.embedders.service import Service

_MOST_TEXTS, _MOST_CHARACTERS = 64, 100_000


class RemoteEmbeddings(UnitEmbeddings):
    """Vectors from a service.

    Nothing is asked before it is needed: the dimension by a first, short text. A subclass provides
    `_request`, and `_version` where the service tells which weights it runs.

    Args:
        name: the model's name there.
        service: where to ask.
    """

    def __init__(self, name: str, service: Service) -> None:
        self._name = name
        self._service = service
        self._lock = threading.Lock()
        self._dimension = 0
        self._fingerprint = ""

    @property
    def dimension(self) -> int:
        """Length of a vector; the service is asked once.

        Raises:
            EmbedderError: it did not answer.
        """
        if not self._dimension:
            self.embed(["dimension"])
        return self._dimension

    @property
    def fingerprint(self) -> str:
        """Provider, model, version where there is one, and dimension; the service is asked once."""
        if not self._fingerprint:
            version = self._version()
            self._fingerprint = f"{self._service.spec}:{version or 'served'}:{self.dimension}"
        return self._fingerprint

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts: float32, shape [len(texts), dimension].

        Raises:
            EmbedderError: the service cannot be reached or refuses.
        """
        import numpy as np

        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        try:
            found = [embedded_in_parts(batch, self._answered) for batch in _batches(texts)]
        except TooLong as error:
            raise self._service.refused(error.reason) from None
        return np.concatenate(found)

    def close(self) -> None:
        """Close the connections; the next text opens one again."""
        self._service.close()

    def _request(self, texts: list[str]) -> Any:
        """One vector for each text, in order, as the service answered them."""
        raise NotImplementedError

    def _version(self) -> str:
        """What tells one set of weights from another under the same name; empty when it cannot be known."""
        return ""

    def _answered(self, texts: Sequence[str]) -> np.ndarray:
        import numpy as np

        answered = self._request(list(texts))
        try:
            vectors = np.asarray(answered, dtype=np.float32)
        except (TypeError, ValueError):
            raise self._service.unreadable() from None
        if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.size or not np.isfinite(vectors).all():
            raise self._service.unreadable()
        with self._lock:
            self._dimension = self._dimension or vectors.shape[1]
        if vectors.shape[1] != self._dimension or not np.abs(vectors).max(axis=1).all():
            raise self._service.unreadable()
        return vectors


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Texts in order, grouped into requests of moderate size."""
    batch: list[str] = []
    characters = 0
    for text in map(presentable, texts):
        if batch and (len(batch) == _MOST_TEXTS or characters + len(text) > _MOST_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(text)
        characters += len(text)
    yield batch
