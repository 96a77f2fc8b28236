"""st:NAME or st:PATH: any sentence-transformers model, in this process. Needs the extra `finetune`.

The one module of these rooms that imports PyTorch, and only once such a model is used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.embedders.encoding import encodable
from knowledge.embedders.overlong import TooLong, embedded_in_parts
from knowledge.embedders.protocol import UnitEmbeddings
from knowledge.embedders.registry import Surroundings
from knowledge.errors import EmbedderError
from knowledge.llama import threads_ended

if TYPE_CHECKING:
    import numpy as np
    from sentence_transformers import SentenceTransformer

_BATCH = 32
_AROUND = 4  # tokens that tokenizers put around a text, at most
_BFLOAT16 = ("avx512_bf16", "amx_bf16")
_HASHED = (".safetensors", ".json", ".txt", ".model")


class SentenceTransformerEmbeddings(UnitEmbeddings):
    """A model of the sentence-transformers library, with the prompts it declares for queries and documents.

    Loaded by the first use of anything but the constructor, from a folder or from what was downloaded
    before: nothing is fetched, no code of the model's runs, and only safetensors are read. It computes in
    bfloat16 where the processor has instructions for it: there what else is in a batch moves a vector by some
    thousandths. A text longer than the model takes is halved until
    its parts fit.

    Args:
        name: as on the model hub, or a folder.
        threads: PyTorch's threads; 0 leaves them as they are.

    Raises:
        EmbedderError: sentence-transformers is not installed.
    """

    def __init__(self, name: str, *, threads: int = 0) -> None:
        if importlib.util.find_spec("sentence_transformers") is None:
            raise EmbedderError(
                f"st:{name} needs the library sentence-transformers.",
                fix="Run `pip install 'ratchet-agent[finetune]'`.",
            )
        self._name, self._threads = name, threads
        self._lock = threading.RLock()
        self._loaded: SentenceTransformer | None = None
        self._fingerprint = ""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._model().get_embedding_dimension() or 0)

    @property
    def fingerprint(self) -> str:
        """Name, digest of the model's files, dimension."""
        if not self._fingerprint:
            name = Path(self._name).name or self._name
            self._fingerprint = f"st:{name}:{_digest(self._folder())}:{self.dimension}"
        return self._fingerprint

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of documents: float32, shape [len(texts), dimension].

        Raises:
            EmbedderError: the model cannot be loaded, or failed.
        """
        return self._embedded(texts, "document")

    def query_vector(self, text: str) -> np.ndarray:
        """The vector of a query: float32, shape [dimension]."""
        vector: np.ndarray = self._embedded([text], "query")[0]
        return vector

    def close(self) -> None:
        """Free the model's memory; the next text loads it again."""
        with self._lock:
            self._loaded = None

    def _embedded(self, texts: Sequence[str], role: str) -> np.ndarray:
        import numpy as np

        model = self._model()
        clean = [encodable(text) for text in texts]
        vectors = np.empty((len(clean), self.dimension), dtype=np.float32)
        fitting = [row for row, text in enumerate(clean) if not _is_overlong(model, text)]
        if fitting:
            found = self._encoded([clean[row] for row in fitting], role)
            vectors[fitting] = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        for row in set(range(len(clean))) - set(fitting):
            vectors[row] = embedded_in_parts([clean[row]], lambda parts: self._encoded(parts, role))[0]
        return vectors

    def _encoded(self, texts: Sequence[str], role: str) -> np.ndarray:
        import numpy as np

        model = self._model()
        if any(_is_overlong(model, text) for text in texts):
            raise TooLong("too many tokens")
        encode = model.encode_query if role == "query" else model.encode_document
        with self._lock, threads_ended():
            try:
                return np.asarray(encode(list(texts), batch_size=_BATCH, show_progress_bar=False), dtype=np.float32)
            except RuntimeError as error:
                raise EmbedderError(f"The embedder st:{self._name} failed: {error}.") from error

    def _model(self) -> SentenceTransformer:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load(self._folder())
            return self._loaded

    def _folder(self) -> Path:
        """Where the model's files are; a name of the hub stands for what was downloaded before."""
        from huggingface_hub import snapshot_download

        path = Path(self._name).expanduser()
        if path.is_dir():
            return path
        name = self._name if "/" in self._name else f"sentence-transformers/{self._name}"
        try:
            return Path(snapshot_download(name, local_files_only=True))
        except (OSError, ValueError) as error:
            raise EmbedderError(
                f"There is no folder {self._name}, and no model of that name has been downloaded.",
                fix=f"Download it once with `hf download {name}`, or name the folder it is in.",
            ) from error

    @threads_ended()
    def _load(self, folder: Path) -> SentenceTransformer:
        import torch
        from sentence_transformers import SentenceTransformer

        if self._threads:
            torch.set_num_threads(self._threads)
        options: dict[str, Any] = {"use_safetensors": True}
        if _has_bfloat16():
            options["dtype"] = torch.bfloat16
        try:
            return SentenceTransformer(
                str(folder), device="cpu", local_files_only=True, trust_remote_code=False, model_kwargs=options
            )
        except Exception as error:  # the libraries below have no class in common
            raise EmbedderError(
                f"The embedder st:{self._name} cannot be loaded: {' '.join(str(error).split())[:200]}.",
                fix=f"Check that {folder} holds a whole sentence-transformers model with safetensors.",
            ) from error


def _digest(folder: Path) -> str:
    """SHA-256 over what decides the vectors: weights, configuration and vocabulary."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _HASHED):
        with path.open("rb") as file:
            digest.update(path.relative_to(folder).as_posix().encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def build(name: str, given: Surroundings) -> SentenceTransformerEmbeddings:
    """The model `name`, loaded when it is first used."""
    return SentenceTransformerEmbeddings(name, threads=given.threads)


def _is_overlong(model: SentenceTransformer, text: str) -> bool:
    limit: int | None = model.max_seq_length
    prompt = max((prompt or "" for prompt in model.prompts.values()), key=len, default="")
    if not limit or len((prompt + text).encode()) < limit - _AROUND:  # no tokenizer makes more tokens than bytes
        return False
    return len(model.tokenizer(prompt + text, truncation=False, verbose=False)["input_ids"]) > limit


def _has_bfloat16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\nflags")[2].partition("\n")[0].split()
    except OSError:
        return False
    return any(flag in flags for flag in _BFLOAT16)
