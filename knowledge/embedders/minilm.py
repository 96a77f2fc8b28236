"""The bundled embedder, all-MiniLM-L6-v2, run by ONNX Runtime in this process."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.embedders.encoding import encodable
from knowledge.embedders.minilm_file import GRAPH_FILE, KIND, TOKENIZER_FILE, WEIGHTS_SHA256
from knowledge.embedders.minilm_graph import DIMENSION
from knowledge.embedders.protocol import UnitEmbeddings
from knowledge.errors import EmbedderError

if TYPE_CHECKING:
    import numpy as np

MAX_TOKENS = 512
_START, _END = 101, 102  # [CLS] and [SEP] around every text
_MOST_WORKERS = 16
# The tokenizer keeps some hundred bytes for every token, so a very long text reaches it in parts.
_LONGEST_PART = 1 << 18

_engines: weakref.WeakValueDictionary[tuple[Path, int], _Engine] = weakref.WeakValueDictionary()
_loading = threading.Lock()


class MiniLMEmbeddings(UnitEmbeddings):
    """all-MiniLM-L6-v2 in int8.

    The first text loads the model. Texts are worked on one by one, several at a time, each on one thread:
    nothing waits for anything else, so a core that is taken away by another process costs its share and no
    more. May be used from any thread.

    A text of more tokens than the model takes is never cut off: it is halved until its parts fit, and its
    vector is the mean of theirs, weighted by length.

    Args:
        folder: the model's files, as `prepare_minilm` makes them.
        threads: texts worked on at the same time; 0: one for each core.
    """

    dimension = DIMENSION
    fingerprint = f"{KIND}:{WEIGHTS_SHA256[:16]}:{DIMENSION}"

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        self._folder = folder
        self._workers = threads or min(_cores(), _MOST_WORKERS)
        self._lock = threading.Lock()
        self._loaded: _Engine | None = None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts: float32, shape [len(texts), 384].

        Raises:
            EmbedderError: ONNX Runtime cannot load the model or failed.
        """
        import numpy as np

        engine = self._engine()
        vectors = np.empty((len(texts), DIMENSION), dtype=np.float32)
        for row, vector in enumerate(engine.vectors(texts)):
            vectors[row] = vector
        return vectors

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, without the two that are put around it."""
        return len(self._engine().tokens(text))

    def close(self) -> None:
        """Free the model's memory; the next text loads it again."""
        with self._lock:
            self._loaded = None  # its threads end with it, after whatever they still work on

    def _engine(self) -> _Engine:
        with self._lock:
            if self._loaded is None:
                self._loaded = _shared(self._folder, self._workers)
            return self._loaded


@dataclass(frozen=True)
class _Engine:
    """A loaded model; `session` and `tokenizer` may be used by several threads."""

    session: Any
    tokenizer: Any
    pool: ThreadPoolExecutor
    workers: int

    def vectors(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        if len(texts) == 1 or self.workers == 1:
            return map(self.vector, texts)
        return self.pool.map(self.vector, texts)

    def vector(self, text: str) -> np.ndarray:
        import numpy as np

        windows = list(_halved(self.tokens(text), MAX_TOKENS - 2))
        vectors = [self._run(window) for window in windows]
        if len(vectors) == 1:
            return vectors[0]
        mean = np.average(vectors, axis=0, weights=[len(window) for window in windows])
        return mean / max(float(np.linalg.norm(mean)), 1e-12)

    def tokens(self, text: str) -> list[int]:
        return [
            token
            for part in _parts(encodable(text))
            for token in self.tokenizer.encode(part, add_special_tokens=False).ids
        ]

    def _run(self, tokens: list[int]) -> np.ndarray:
        import numpy as np

        try:
            found = self.session.run(None, {"ids": np.array([[_START, *tokens, _END]], dtype=np.int64)})
        except Exception as error:  # ONNX Runtime has no error class of its own above its many
            raise EmbedderError(f"ONNX Runtime failed on a text of {len(tokens)} tokens: {error}.") from error
        vector: np.ndarray = found[0][0]
        return vector


def _shared(folder: Path, workers: int) -> _Engine:
    """One loaded model for all embedders of this process that ask for the same; it lives as long as one of them."""
    with _loading:
        engine = _engines.get((folder, workers))
        if engine is None:
            engine = _engines[folder, workers] = _load(folder, workers)
        return engine


def _load(folder: Path, workers: int) -> _Engine:
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Nothing is left to optimize: the graph is written with fused operators.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(folder / GRAPH_FILE, options, providers=["CPUExecutionProvider"])
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    except Exception as error:  # see above; tokenizers raises Exception itself
        raise EmbedderError(
            f"The embedder in {folder} is damaged: {' '.join(str(error).split())[:200]}.",
            fix="Delete that folder; its files are made again.",
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return _Engine(session, tokenizer, ThreadPoolExecutor(workers, thread_name_prefix="embed"), workers)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _parts(text: str) -> Iterator[str]:
    """A long text in parts that end at a blank where there is one: tokens never span a blank."""
    start = 0
    while len(text) - start > _LONGEST_PART:
        blank = text.rfind(" ", start + 1, start + _LONGEST_PART)
        end = blank if blank > 0 else start + _LONGEST_PART
        yield text[start:end]
        start = end
    yield text[start:]


def _halved(tokens: list[int], limit: int) -> Iterator[list[int]]:
    if len(tokens) <= limit:
        yield tokens
        return
    middle = len(tokens) // 2
    yield from _halved(tokens[:middle], limit)
    yield from _halved(tokens[middle:], limit)
