"""How a base model's matrices are called and laid out in transformers and in GGUF.

Names: https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/tensor_mapping.py. Llama-type models differ in
one more thing: transformers rotates the two halves of each head (rotary embedding), llama.cpp neighbouring pairs, so
the rows of the query and key matrices stand in another order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ModelFileInvalid
from agent.models.gguf_check import model_context
from finetune.errors import ExportError
from finetune.export.gguf_shapes import read_shapes

if TYPE_CHECKING:
    import numpy as np

_LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_MODULE = re.compile(r"model\.layers\.(\d+)\.(.+)")
_PERMUTED = {"llama": True, "qwen2": False, "qwen3": False}


@dataclass(frozen=True, slots=True)
class BaseLayout:
    """The matrices of one base model.

    Attributes:
        path: its GGUF file.
        architecture: as GGUF calls it.
        heads: attention heads, and those of keys and values.
        shapes: (rows, columns), that is outputs and inputs, by tensor name in GGUF.
    """

    path: Path
    architecture: str
    heads: tuple[int, int]
    shapes: Mapping[str, tuple[int, int]]

    @classmethod
    def read(cls, path: Path) -> BaseLayout:
        """Read it from a GGUF file.

        Raises:
            ModelNotFound, ModelFileInvalid: there is no such file, or it is not a model.
            ExportError: its architecture is not known here.
        """
        model_context(path)
        try:
            values, tensors = read_shapes(path)
            architecture = str(values["general.architecture"])
        except (ValueError, KeyError, OSError) as error:
            raise ModelFileInvalid(f"{path} is damaged: {error}.", fix="Get the file again.") from error
        if architecture not in _PERMUTED:
            raise ExportError(
                f'Adapters of the architecture "{architecture}" cannot be converted here.',
                kept="The adapter stays as it is.",
                fix=f"Merge it with transformers; known are {', '.join(_PERMUTED)}.",
            )
        heads = int(values.get(f"{architecture}.attention.head_count", 1))
        kv_heads = int(values.get(f"{architecture}.attention.head_count_kv", heads))
        shapes = {name: (shape[0], shape[1]) for name, shape in tensors.items() if len(shape) == 2}
        return cls(path, architecture, (heads, kv_heads), shapes)

    def tensor_of(self, module: str) -> str | None:
        """The GGUF name of a linear module's matrix, or None where the model has no such module."""
        found = _MODULE.fullmatch(module)
        kind = _LAYER.get(found[2]) if found else None
        name = f"blk.{found[1]}.{kind}.weight" if found and kind else ""
        return name if name in self.shapes else None

    def module_of(self, tensor: str) -> str | None:
        """The inverse of `tensor_of`."""
        part = tensor.split(".")
        named = {short: long for long, short in _LAYER.items()}
        if len(part) == 4 and part[0] == "blk" and part[2] in named and tensor in self.shapes:
            return f"model.layers.{part[1]}.{named[part[2]]}"
        return None

    def as_gguf(self, tensor: str, rows: np.ndarray) -> np.ndarray:
        """A matrix [outputs, n] of transformers with its rows in llama.cpp's order."""
        heads = self._rotated(tensor)
        if heads is None:
            return rows
        halves = rows.reshape(heads, 2, -1, rows.shape[1])
        swapped: np.ndarray = halves.swapaxes(1, 2).reshape(rows.shape)
        return swapped

    def as_torch(self, tensor: str, rows: np.ndarray) -> np.ndarray:
        """The inverse of `as_gguf`."""
        heads = self._rotated(tensor)
        if heads is None:
            return rows
        pairs = rows.reshape(heads, -1, 2, rows.shape[1])
        swapped: np.ndarray = pairs.swapaxes(1, 2).reshape(rows.shape)
        return swapped

    def _rotated(self, tensor: str) -> int | None:
        if not _PERMUTED[self.architecture]:
            return None
        return {"attn_q": self.heads[0], "attn_k": self.heads[1]}.get(tensor.rpartition(".weight")[0].split(".")[-1])
