"""Text → unit vectors, by a GGUF embedder that llama.cpp runs in this process."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from langchain_core.embeddings import Embeddings

from knowledge.errors import EmbedderError
from knowledge.header import read_header
from knowledge.llama import CpuClock, free_threads, is_gguf, start_server

if TYPE_CHECKING:
    import numpy as np

_BATCH = 16
_LONGEST_WINDOW = 2048
_SECONDS_BETWEEN_CHECKS = 5.0


@runtime_checkable
class Embedder(Protocol):
    """What ingest and search need of an embedder; `LlamaEmbeddings` has it."""

    fingerprint: str
    dimension: int

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts: float32, shape [len(texts), dimension]."""


class LlamaEmbeddings(Embeddings):
    """A LangChain `Embeddings` whose vectors have unit length, so that a dot product is a cosine.

    The constructor reads only the file's header; the model is loaded by the first text, once, and calls
    from several threads take turns. A text longer than `max_tokens` is never cut off: it is halved until
    its parts fit, and its vector is the mean of theirs, weighted by length.

    Args:
        path: an embedding model in GGUF format.
        name: what to call it; part of the fingerprint.
        digest: SHA-256 of what decides the vectors; default: of the file, which is read for it.
        threads: worker threads; 0 uses the cores that are free, measured now and then during long work.
        decompose: give texts to the model in Unicode's form NFD. BERT's uncased vocabulary spells Korean in
            single letters, into which its own tokenizer takes syllables apart but llama.cpp's does not.

    Raises:
        EmbedderError: the file is missing, not a GGUF, or not an embedding model.
    """

    def __init__(self, path: Path, name: str, *, digest: str = "", threads: int = 0, decompose: bool = False) -> None:
        if not is_gguf(path):
            raise EmbedderError(f"{path} is not a GGUF model.", fix="Name an embedding model in GGUF format.")
        self._path = path
        self._name = name
        self._requested = threads
        self._decompose = decompose
        self._threads = 0
        self._clock = CpuClock()
        self._worked = 0.0
        self._lock = threading.RLock()
        self._server: Any = None
        self.dimension, self.max_tokens = _shape(path)
        self.fingerprint = f"{name}:{(digest or _digest(path))[:16]}:{self.dimension}"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts: float32, shape [len(texts), dimension].

        Raises:
            EmbedderError: llama.cpp did not load the model or did not answer.
        """
        import numpy as np

        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            batch = [self._spelled(text) for text in texts[start : start + _BATCH]]
            vectors[start : start + len(batch)] = self._embed_batch(batch)
        return vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of `embed` as lists."""
        vectors: list[list[float]] = self.embed(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text as a list; queries and documents are embedded alike."""
        return self.embed_documents([text])[0]

    def close(self) -> None:
        """Free the model's memory; the next text loads it again."""
        with self._lock:
            self._server = None

    def _spelled(self, text: str) -> str:
        if not text.strip():
            return "."  # the model has no vector for nothing
        return unicodedata.normalize("NFD", text) if self._decompose else text

    def _embed_batch(self, texts: list[str]) -> np.ndarray:
        import numpy as np

        answer = self._request(texts)
        if "error" not in answer:
            return np.stack([_unit(_vector(row)) for row in answer["data"]])
        if len(texts) > 1:  # one text too long fails the whole request
            return np.concatenate([self._embed_batch([text]) for text in texts])
        text = texts[0]
        if len(text.encode()) <= self.max_tokens // 2:  # cannot be too long, so something else is wrong
            reason = answer["error"].get("message")
            raise EmbedderError(f"The embedder {self._name} did not answer: {reason}.")
        halves = list(_halves(text))
        parts = np.concatenate([self._embed_batch([half]) for half in halves])
        weights = np.array([len(half) for half in halves], dtype=np.float32)
        return _unit(weights @ parts)[np.newaxis]

    def _request(self, texts: list[str]) -> dict[str, Any]:
        with self._lock:
            if self._server is None or self._worked > _SECONDS_BETWEEN_CHECKS:
                self._load()
            started = time.monotonic()
            answer = self._server.handle_embeddings({"input": texts, "encoding_format": "base64"})
            self._worked += time.monotonic() - started
        return answer if isinstance(answer, dict) else {"error": {"message": str(answer)}}

    def _load(self) -> None:
        """Load the model, again when other cores are free than before: that takes 0.1 s and halves hours."""
        threads = free_threads(self._clock, self._requested)
        self._clock, self._worked = CpuClock(), 0.0
        if self._server is not None and threads == self._threads:
            return
        try:
            self._server = start_server(self._path, context=self.max_tokens, threads=threads, embedding=True)
            self._threads = threads
        except RuntimeError as error:
            raise EmbedderError(
                f"llama.cpp cannot load the embedder {self._path}.", fix="Check that the file is complete."
            ) from error


def _vector(row: dict[str, Any]) -> np.ndarray:
    import numpy as np

    return np.frombuffer(base64.b64decode(row["embedding"]), dtype="<f4")


def _unit(vector: np.ndarray) -> np.ndarray:
    import numpy as np

    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _halves(text: str) -> Iterator[str]:
    """Two parts of a text, parted at the blank nearest before the middle where there is one."""
    middle = len(text) // 2
    blank = text.rfind(" ", middle // 2, middle)
    cut = blank if blank > 0 else middle
    yield from (part for part in (text[:cut].strip(), text[cut:].strip()) if part)


def _shape(path: Path) -> tuple[int, int]:
    """Dimension and token limit, from the file's header."""
    try:
        header = read_header(path, ("embedding_length", "context_length"))
        architecture = header["general.architecture"]
        dimension = int(header[f"{architecture}.embedding_length"])
        limit = int(header[f"{architecture}.context_length"])
    except (KeyError, ValueError, OSError) as error:
        raise EmbedderError(f"The header of {path} is damaged.", fix="Download the model again.") from error
    return dimension, min(limit, _LONGEST_WINDOW)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _build_local(name: str, models_folder: Path, threads: int) -> LlamaEmbeddings:
    from knowledge import minilm

    if name == minilm.NAME:
        path = minilm.prepare_minilm(models_folder)
        # The conversion is fixed, so the weights decide; they were verified when they were converted.
        return LlamaEmbeddings(path, name, digest=minilm.WEIGHTS_SHA256, threads=threads, decompose=True)
    path = Path(name).expanduser()
    if not path.is_file():
        raise EmbedderError(
            f"There is no embedder {name}.",
            fix=f"Set knowledge.embedder to local:{minilm.NAME} or local:PATH of a GGUF file.",
        )
    return LlamaEmbeddings(path, path.stem, threads=threads)


EMBEDDERS: dict[str, Callable[[str, Path, int], LlamaEmbeddings]] = {"local": _build_local}


def build_embeddings(spec: str, models_folder: Path, *, threads: int = 0) -> LlamaEmbeddings:
    """The embedder that `spec` names.

    Args:
        spec: `local:all-MiniLM-L6-v2` (bundled) or `local:PATH` of a GGUF file.
        models_folder: where the bundled embedder is prepared on first use.
        threads: worker threads; 0 measures how many cores are free.

    Raises:
        EmbedderError: no embedder of that name, or its file cannot be used.
        StorageError: the bundled embedder cannot be written to `models_folder`.
    """
    prefix, _, name = spec.partition(":")
    if prefix not in EMBEDDERS or not name:
        known = ", ".join(f"{known}:" for known in EMBEDDERS)
        raise EmbedderError(
            f'"{spec}" does not name an embedder.',
            fix=f"Use local:all-MiniLM-L6-v2 or local:PATH of a GGUF file (known prefixes: {known}).",
        )
    return EMBEDDERS[prefix](name, models_folder, threads)
