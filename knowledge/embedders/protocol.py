"""What ingest and search need of an embedder, and the LangChain methods that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from langchain_core.embeddings import Embeddings

if TYPE_CHECKING:
    import numpy as np


@runtime_checkable
class Embedder(Protocol):
    """Text → unit vectors, so that a dot product is a cosine."""

    @property
    def fingerprint(self) -> str:
        """Name, version and dimension: equal fingerprints mean comparable vectors."""

    @property
    def dimension(self) -> int:
        """The length of a vector."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts to be found: float32, shape [len(texts), dimension]."""

    def query_vector(self, text: str) -> np.ndarray:
        """The vector of a text to find others with: float32, shape [dimension]."""

    def embed_query(self, text: str) -> list[float]:
        """`query_vector` as a list, as LangChain wants it."""

    def close(self) -> None:
        """Free memory and connections; the next text gets them again."""


class UnitEmbeddings(Embeddings):
    """A LangChain `Embeddings` over `embed`, which a subclass provides with `fingerprint` and `dimension`.

    Queries are embedded as documents are, unless the subclass knows better.
    """

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts: float32, shape [len(texts), dimension].

        Raises:
            EmbedderError: the texts could not be embedded.
        """
        raise NotImplementedError

    def query_vector(self, text: str) -> np.ndarray:
        """The vector of one query: float32, shape [dimension]."""
        vector: np.ndarray = self.embed([text])[0]
        return vector

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of `embed` as lists."""
        vectors: list[list[float]] = self.embed(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of `query_vector` as a list."""
        vector: list[float] = self.query_vector(text).tolist()
        return vector

    def close(self) -> None:
        """Free memory and connections; the next text gets them again."""
