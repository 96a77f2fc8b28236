"""A GGUF embedder that llama.cpp runs in this process."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.embedders.encoding import presentable
from knowledge.embedders.overlong import TooLong, embedded_in_parts
from knowledge.embedders.protocol import UnitEmbeddings
from knowledge.errors import EmbedderError
from knowledge.header import read_header
from knowledge.llama import CpuClock, free_threads, is_gguf, start_server

if TYPE_CHECKING:
    import numpy as np

_BATCH = 16
_LONGEST_WINDOW = 2048
_SECONDS_BETWEEN_CHECKS = 5.0
_LITTLE = 8_000  # characters that one thread is quick enough for


class LlamaEmbeddings(UnitEmbeddings):
    """An embedding model in GGUF format.

    The constructor reads only the file's header and digest; the model is loaded by the first text, once, and calls
    from several threads take turns. A text longer than `max_tokens` is halved until its parts fit.

    A question is embedded on one thread. Others that are kept for the next one would slow down a chat model in the same
    process (see `threads_ended`), by more than they save.

    Args:
        path: the model file.
        threads: worker threads for many texts; 0 uses the cores that are free, measured now and then.

    Raises:
        EmbedderError: the file is missing, not a GGUF, or not an embedding model.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        if not is_gguf(path):
            raise EmbedderError(f"{path} is not a GGUF model.", fix="Name an embedding model in GGUF format.")
        self._path = path
        self._requested = threads
        self._threads = 0
        self._for_little = False
        self._clock = CpuClock()
        self._worked = 0.0
        self._lock = threading.RLock()
        self._server: Any = None
        self.dimension, self.max_tokens = _shape(path)
        self.fingerprint = f"{path.stem}:{_digest(path)[:16]}:{self.dimension}"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts: float32, shape [len(texts), dimension].

        Raises:
            EmbedderError: llama.cpp did not load the model or did not answer.
        """
        import numpy as np

        answered = partial(self._answered, little=sum(map(len, texts)) <= _LITTLE)
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            batch = [presentable(text) for text in texts[start : start + _BATCH]]
            try:
                vectors[start : start + len(batch)] = embedded_in_parts(batch, answered)
            except TooLong as error:
                raise EmbedderError(f"The embedder {self._path.name} did not answer: {error.reason}.") from error
        return vectors

    def close(self) -> None:
        """Free the model's memory; the next text loads it again."""
        with self._lock:
            self._server = None

    def _answered(self, texts: Sequence[str], *, little: bool) -> np.ndarray:
        import numpy as np

        with self._lock:
            if self._server is None or little != self._for_little or self._worked > _SECONDS_BETWEEN_CHECKS:
                self._load(little)
            started = time.monotonic()
            answer = self._server.handle_embeddings({"input": list(texts), "encoding_format": "base64"})
            self._worked += time.monotonic() - started
        if not isinstance(answer, dict) or "error" in answer:
            # The one thing a loaded embedder refuses is length.
            raise TooLong(str(answer["error"].get("message") if isinstance(answer, dict) else answer))
        return np.stack([np.frombuffer(base64.b64decode(row["embedding"]), dtype="<f4") for row in answer["data"]])

    def _load(self, little: bool) -> None:
        """Load the model, again when it is to have other threads than before: a small one takes 0.1 s.

        Where that fails, as when memory is short, the one that is loaded goes on.
        """
        threads = 1 if little else free_threads(self._clock, self._requested)
        if self._server is None or threads != self._threads:
            try:
                self._server = start_server(self._path, context=self.max_tokens, threads=threads, embedding=True)
                self._threads = threads
            except RuntimeError as error:
                if self._server is None:
                    raise EmbedderError(
                        f"llama.cpp cannot load the embedder {self._path}.", fix="Check that the file is complete."
                    ) from error
        self._clock, self._worked, self._for_little = CpuClock(), 0.0, little


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
