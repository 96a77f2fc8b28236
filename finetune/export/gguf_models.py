"""A GGUF model written again with other weights or in other blocks: what merging and quantizing share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent.errors import ModelFileInvalid, StorageError
from agent.models.gguf_check import model_context
from finetune.export.lora_gguf import finish

if TYPE_CHECKING:
    import numpy as np

WeightType = Literal["F32", "F16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"]
# llama.cpp's numbers for what most of a file's weights are stored as (`general.file_type`).
_FILE_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9}
_BLOCK = 32


def rewrite(
    source: Path,
    target: Path,
    kind: WeightType,
    change: Callable[[str, np.ndarray], np.ndarray] | None = None,
) -> Path:
    """Write a model again, in one step.

    Matrices are stored as `kind`; but token embeddings, which are also the output matrix of a model that ties them, at
    no less than Q8_0, and rows that do not fill blocks of 32 as F16. Everything else stays F32.

    Args:
        source: a GGUF model.
        target: what to write; may be the same.
        kind: how to store matrices.
        change: what becomes of a matrix, float32 [rows, columns], by its name; default: nothing.

    Raises:
        ModelNotFound, ModelFileInvalid: `source` is no model.
        StorageError: `target` cannot be written.
    """
    from gguf import GGUFReader, GGUFWriter, quants

    model_context(source)
    partial = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        reader = GGUFReader(source)
        writer = GGUFWriter(partial, str(reader.fields["general.architecture"].contents()))
        _copy_fields(reader, writer, kind)
        for tensor in reader.tensors:
            weights = quants.dequantize(tensor.data, tensor.tensor_type)
            if change is not None and weights.ndim == 2:
                weights = change(tensor.name, weights)
            _add(writer, tensor.name, weights, kind)
        finish(writer, partial, target)
    except (ValueError, KeyError, IndexError, NotImplementedError) as error:
        raise ModelFileInvalid(f"{source} cannot be read: {error}.", fix="Get the file again.") from error
    except OSError as error:
        raise StorageError(
            f"The model could not be written to {target}: {(error.strerror or str(error)).lower()}.",
            kept=f"{source.name} is untouched.",
            fix="Free some space (the size of the model) or name another place.",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def _copy_fields(reader: Any, writer: Any, kind: WeightType) -> None:
    from gguf import GGUFValueType

    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    writer.add_file_type(_FILE_TYPES[kind])


def _add(writer: Any, name: str, weights: np.ndarray, kind: WeightType) -> None:
    import numpy as np
    from gguf import GGMLQuantizationType, quants

    weights = np.ascontiguousarray(weights, dtype=np.float32)
    blocks = GGMLQuantizationType[_stored_as(name, weights, kind)]
    if blocks == GGMLQuantizationType.F32:
        writer.add_tensor(name, weights)
    elif blocks == GGMLQuantizationType.F16:
        writer.add_tensor(name, weights.astype(np.float16))
    else:
        writer.add_tensor(name, quants.quantize(weights, blocks), raw_dtype=blocks)


def rounded(name: str, weights: np.ndarray, kind: WeightType) -> np.ndarray:
    """What is left of a matrix once it is stored: float32 of the same shape."""
    import numpy as np
    from gguf import GGMLQuantizationType, quants

    blocks = GGMLQuantizationType[_stored_as(name, weights, kind)]
    stored: np.ndarray = quants.dequantize(quants.quantize(np.ascontiguousarray(weights, np.float32), blocks), blocks)
    return stored


def _stored_as(name: str, weights: np.ndarray, kind: WeightType) -> WeightType:
    if weights.ndim < 2:
        return "F32"
    if not kind.startswith("Q"):
        return kind
    if weights.shape[-1] % _BLOCK:
        return "F16"
    return "Q8_0" if name in ("token_embd.weight", "output.weight") else kind
