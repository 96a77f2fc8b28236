"""A base model with an adapter's corrections added to its weights: one model, served without an adapter.

Merged weights are rounded when they are stored in blocks. That can drown small corrections, so it is measured:
`Merged.rounding` above 1 means that more is lost than was learned, and a finer kind is called for.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import StorageError
from finetune.errors import AdapterInvalid, BaseMismatch, ExportError, refusal_of
from finetune.export.base_layout import BaseLayout
from finetune.export.gguf_models import WeightType, rewrite, rounded
from finetune.export.lora_weights import LoraWeights, read_safetensors

if TYPE_CHECKING:
    import numpy as np

_MODEL = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_BESIDE = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
)


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of a merge.

    Attributes:
        path: the file or folder.
        modules: how many matrices were corrected.
        change: length of all corrections relative to that of the weights they correct (Frobenius norm).
        rounding: length of what rounding does to the corrected weights, relative to that of the corrections.
    """

    path: Path
    modules: int
    change: float
    rounding: float = 0.0


def merge_to_gguf(base: Path, adapter: Path, target: Path, kind: WeightType = "Q8_0") -> Merged:
    """Write base and adapter as one GGUF model, in one step.

    Args:
        base: the GGUF file of the base model.
        adapter: folder with PEFT's files; DoRA too, but no saved embeddings.
        target: what to write.
        kind: how to store its matrices.

    Raises:
        AdapterInvalid, BaseMismatch: the adapter is damaged, or another model's.
        ExportError: it brings embeddings or other whole tensors; or nothing would change.
        StorageError: it cannot be written.
    """
    layout = BaseLayout.read(base)
    weights = _weights(adapter, layout)
    tally = _Tally()

    def change(name: str, matrix: np.ndarray) -> np.ndarray:
        module = weights.modules.get(layout.module_of(name) or "")
        if module is None:
            return matrix
        merged = layout.as_gguf(name, module.added_to(layout.as_torch(name, matrix)))
        return tally.count(matrix, merged, rounded(name, merged, kind))

    rewrite(base, target, kind, change)
    return tally.merged(target)


def merge_to_checkpoint(base: Path, checkpoint: Path, adapter: Path, folder: Path) -> Merged:
    """Write base and adapter as a checkpoint that transformers and vLLM load, in one step.

    Args:
        base: the GGUF file of the base model, by which the adapter is checked.
        checkpoint: the base as transformers reads it (`base_model.dequantized`), in one safetensors file.
        adapter: folder with PEFT's files; saved embeddings replace the base's.
        folder: what to write; must not exist, or be empty.

    Raises:
        AdapterInvalid, BaseMismatch: the adapter is damaged, or another model's.
        ExportError: the checkpoint is incomplete or sharded, `folder` is in use, or nothing would change.
        StorageError: it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder} is not empty.", kept="It stays as it is.", fix="Name a new folder.")
    if not (checkpoint / _MODEL).is_file() or not (checkpoint / "config.json").is_file():
        reason = "is stored in several files" if (checkpoint / _INDEX).is_file() else "is incomplete"
        raise ExportError(f"The checkpoint {checkpoint} {reason}.", fix="Save it as one safetensors file.")
    weights = LoraWeights.read(adapter, BaseLayout.read(base))
    tensors, tally = _checkpoint_weights(checkpoint / _MODEL), _Tally()
    for name, module in weights.modules.items():
        key = f"{name}.weight"
        if key not in tensors:
            raise BaseMismatch(f"The checkpoint {checkpoint} has no {key}.", fix="Name the base's own checkpoint.")
        tensors[key] = tally.count(tensors[key], module.added_to(tensors[key]))
    for name, saved in weights.saved.items():
        key = name.replace(".modules_to_save.default", "").replace(".modules_to_save", "")
        if key not in tensors or tensors[key].shape != saved.shape:
            raise BaseMismatch(f"{adapter} brings {key}, which {checkpoint} does not have in that shape.")
        tensors[key] = tally.count(tensors[key], saved)
    _write_checkpoint(tensors, checkpoint, folder)
    return tally.merged(folder)


def _write_checkpoint(tensors: dict[str, np.ndarray], beside: Path, folder: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as made:
            work = Path(made) / folder.name
            work.mkdir()
            for name in _BESIDE:
                if (beside / name).is_file():
                    shutil.copyfile(beside / name, work / name)
            _say_float32(work / "config.json")
            save_file(tensors, work / _MODEL, metadata={"format": "pt"})
            with (work / _MODEL).open("rb") as file:
                os.fsync(file.fileno())
            if folder.exists():
                folder.rmdir()
            work.rename(folder)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"The merged model could not be written to {folder}: {refusal_of(error)}.",
            kept="Base and adapter are untouched.",
            fix="Free some space (four bytes for each parameter) or name another place.",
        ) from error


class _Tally:
    """How much was changed."""

    def __init__(self) -> None:
        self._modules, self._change, self._whole, self._lost = 0, 0.0, 0.0, 0.0

    def count(self, before: np.ndarray, after: np.ndarray, stored: np.ndarray | None = None) -> np.ndarray:
        self._modules += 1
        self._change += _squares(after - before)
        self._whole += _squares(before)
        self._lost += _squares(stored - after) if stored is not None else 0.0
        return after

    def merged(self, path: Path) -> Merged:
        if not self._change:
            raise ExportError(
                "The adapter changes nothing: all of its corrections are zero.",
                kept="The merged model equals its base.",
                fix="Check that the training ran.",
            )
        change, rounding = self._change / self._whole, self._lost / self._change
        return Merged(path, self._modules, change**0.5, rounding**0.5)


def _squares(matrix: np.ndarray) -> float:
    import numpy as np

    return float(np.square(matrix, dtype=np.float64).sum())


def _weights(adapter: Path, layout: BaseLayout) -> LoraWeights:
    weights = LoraWeights.read(adapter, layout)
    if weights.saved:
        raise ExportError(
            f"{adapter} brings whole tensors ({sorted(weights.saved)[0]}), which are merged into checkpoints only.",
            fix="Merge it to a checkpoint and name that as hf:FOLDER, which converts it.",
        )
    return weights


def _checkpoint_weights(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_safetensors(path)
    except AdapterInvalid as error:
        raise ExportError(f"The checkpoint cannot be read: {error.what}", fix="Make it again.") from error


def _say_float32(path: Path) -> None:
    """The weights are written in 32 bits; whoever loads them may say otherwise."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("torch_dtype", None)
    path.write_text(json.dumps(config | {"dtype": "float32"}, indent=1), encoding="utf-8")
