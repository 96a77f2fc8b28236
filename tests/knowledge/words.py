"""An embedder that needs no model: each word adds to one of 64 dimensions. For tests about storage."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np


class WordEmbedder:
    """Texts that share words get similar vectors; `texts` lists what was embedded."""

    def __init__(self, name: str = "words") -> None:
        self.dimension = 64
        self.fingerprint = f"{name}:0:64"
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()) or ["."]:
                vectors[row, hashlib.sha256(word.encode()).digest()[0] % self.dimension] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def query_vector(self, text: str) -> np.ndarray:
        return self.embed([text])[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.query_vector(text).tolist()

    def close(self) -> None:
        pass
