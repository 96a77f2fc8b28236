"""Reads each candidate together with the question, and scores how well it answers: slower, and often right.

A cross-encoder sees both texts at once, where an embedder sees them apart (Nogueira and Cho, "Passage
Re-ranking with BERT", 2019). Off by default: it needs PyTorch, and a fifth of a second or more per question.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from knowledge.errors import RerankerError

_BATCH = 16


class Reranker(Protocol):
    """Scores candidates for a query."""

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query, higher is better; comparable within one call only."""


class CrossEncoderReranker:
    """A cross-encoder of the sentence-transformers library, in this process.

    Loaded by the first call, from a folder or from what was downloaded before: nothing is fetched, no code of
    the model's runs, and only safetensors are read. A text longer than the model takes is scored by its
    beginning; passages of the index are far shorter.

    Args:
        name: as on the model hub, or a folder.

    Raises:
        RerankerError: sentence-transformers is not installed.
    """

    def __init__(self, name: str) -> None:
        if importlib.util.find_spec("sentence_transformers") is None:
            raise RerankerError(
                f"The reranker st:{name} needs the library sentence-transformers.",
                fix="Run `pip install 'ratchet-agent[finetune]'`, or leave knowledge.reranker empty.",
            )
        self._name = name
        self._lock = threading.Lock()
        self._model: Any = None

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query, higher is better.

        Raises:
            RerankerError: the model cannot be loaded, or is no cross-encoder with one score per pair.
        """
        if not texts:
            return []
        with self._lock:
            if self._model is None:
                self._model = self._load()
            try:
                found = self._model.predict(
                    [(query, text) for text in texts], batch_size=_BATCH, show_progress_bar=False
                )
            except (RuntimeError, ValueError, IndexError) as error:
                raise RerankerError(f"The reranker st:{self._name} failed: {error}.") from error
        if found.shape != (len(texts),):
            raise RerankerError(
                f"st:{self._name} gives {found.shape[-1]} scores for a passage, not one.",
                fix="Set knowledge.reranker to a cross-encoder made for ranking.",
            )
        return [float(score) for score in found]

    def _load(self) -> Any:
        # By name: it comes with an extra, and takes seconds to import.
        library = importlib.import_module("sentence_transformers")
        path = Path(self._name).expanduser()
        try:
            return library.CrossEncoder(
                str(path) if path.exists() else self._name,
                device="cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:  # the libraries below have no class in common
            raise RerankerError(
                f"The reranker st:{self._name} cannot be loaded: {' '.join(str(error).split())[:200]}.",
                fix=f"Download it once with `hf download {self._name}`, or name the folder it is in.",
            ) from error


def build_reranker(spec: str) -> Reranker | None:
    """The reranker that `spec` names; None for an empty one.

    Args:
        spec: `st:NAME` or `st:PATH` of a cross-encoder.

    Raises:
        RerankerError: no such kind of reranker, or its library is not installed.
    """
    if not spec:
        return None
    prefix, _, name = spec.partition(":")
    if prefix != "st" or not name:
        raise RerankerError(f'"{spec}" does not name a reranker.', fix="Use st:NAME or st:PATH of a cross-encoder.")
    return CrossEncoderReranker(name)
