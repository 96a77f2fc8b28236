"""A LoRA adapter as GGUF, which llama.cpp adds to its base model while it runs.

llama.cpp multiplies B A by alpha / rank, with one alpha for the whole file and each matrix's own rank. PEFT may scale
otherwise (rsLoRA: alpha / √rank; an alpha per module), so the file says the alpha that gives the first matrix its
scale, and the B of any other that needs another scale carries the rest. Llama-type models want the rows of q and k in
another order; as (P B) A = P (B A), it is enough to reorder B.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent.errors import StorageError
from finetune.errors import AdapterInvalid, BaseMismatch
from finetune.export.base_layout import BaseLayout
from finetune.export.lora_weights import MOST_RANK, LoraWeights, refuse_unservable

if TYPE_CHECKING:
    import numpy as np

LoraType = Literal["f32", "f16", "q8_0"]
_BLOCK = 32  # weights of a row that Q8_0 stores together


def lora_to_gguf(folder: Path, base: Path, target: Path, kind: LoraType = "f16") -> Path:
    """Write a PEFT adapter as a GGUF adapter, in one step.

    Args:
        folder: with `adapter_config.json` and `adapter_model.safetensors`.
        base: the GGUF file of its base model.
        target: what to write.
        kind: how numbers are stored. "q8_0" stores A so, and B, whose rows have only as many numbers as the rank, where
            that is a multiple of 32; F16 elsewhere. What does not fit F16 is stored as F32.

    Returns:
        `target`.

    Raises:
        AdapterInvalid, BaseMismatch: it is no adapter, or not one of this base.
        ExportError: DoRA or saved embeddings, which such a file cannot hold.
        StorageError: it cannot be written.
    """
    from gguf import GGUFType, Keys

    layout = BaseLayout.read(base)
    weights = LoraWeights.read(folder, layout)
    refuse_unservable(weights, folder)
    alpha = _alpha(weights)
    partial = target.with_name(f".{target.name}.new")
    try:
        writer = _writer(partial, layout.architecture)
        writer.add_type(GGUFType.ADAPTER)
        writer.add_string(Keys.Adapter.TYPE, "lora")
        writer.add_float32(Keys.Adapter.LORA_ALPHA, alpha)
        for name, module in weights.modules.items():
            tensor = str(layout.tensor_of(name))
            rest = module.scale * module.rank / alpha
            b = layout.as_gguf(tensor, module.b)
            _add(writer, f"{tensor}.lora_a", module.a, kind)
            _add(writer, f"{tensor}.lora_b", b if abs(rest - 1) < 1e-6 else b * type(b.flat[0])(rest), kind)
        finish(writer, partial, target)
    except OSError as error:
        raise StorageError(
            f"The adapter could not be written to {target}: {(error.strerror or str(error)).lower()}.",
            kept="The trained adapter is untouched.",
            fix="Free some space or name another place.",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def check_gguf_adapter(path: Path, base: Path) -> None:
    """Check a GGUF adapter from elsewhere, number by number, before llama.cpp is given it.

    Raises:
        ModelNotFound, ModelFileInvalid: it is no GGUF adapter, or of another architecture.
        AdapterInvalid: damaged; a number is not finite; a half is missing; rank or alpha make no sense.
        BaseMismatch: it corrects what the base does not have.
    """
    import numpy as np
    from gguf import GGUFReader, Keys, quants

    from agent.models.gguf_check import adapter_for

    adapter_for(path, base)
    layout = BaseLayout.read(base)
    try:
        reader = GGUFReader(path)
        field = reader.fields.get(Keys.Adapter.LORA_ALPHA)
        alpha = float(field.contents()) if field else 0.0
        tensors = {one.name: quants.dequantize(one.data, one.tensor_type) for one in reader.tensors}
    except (ValueError, KeyError, IndexError, TypeError, NotImplementedError, OSError) as error:
        raise AdapterInvalid(f"{path} is damaged: {error}.", fix="Get it again.") from error
    names = {name.removesuffix(half) for name in tensors for half in (".lora_a", ".lora_b")} - tensors.keys()
    if not names or not np.isfinite(alpha) or alpha < 0:
        raise AdapterInvalid(f"{path} corrects nothing, or its alpha ({alpha:g}) is no number.")
    for name in sorted(names):
        a, b = tensors.get(f"{name}.lora_a"), tensors.get(f"{name}.lora_b")
        if a is None or b is None:
            raise AdapterInvalid(f"{path} has only one half of the correction of {name}.", fix="Get it again.")
        if layout.shapes.get(name) != (b.shape[0], a.shape[-1]):
            raise BaseMismatch(
                f"{path} corrects {name} as {list(b.shape)} · {list(a.shape)}, which {base.name} does not have so.",
                fix="Name the adapter's own base model.",
            )
        if a.shape[0] != b.shape[1] or not 0 < a.shape[0] <= MOST_RANK:
            raise AdapterInvalid(f"The two halves of {name} in {path} do not fit each other.")
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise AdapterInvalid(f"{path} holds numbers that are not finite ({name}).")


def finish(writer: Any, partial: Path, target: Path) -> None:
    """Write out what a `GGUFWriter` was given, see it onto the disk, and give it its name."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(target)


def _writer(path: Path, architecture: str) -> Any:
    from gguf import GGUFWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    return GGUFWriter(path, architecture)


def _alpha(weights: LoraWeights) -> float:
    first = next(iter(weights.modules.values()))
    return first.scale * first.rank


def _add(writer: Any, name: str, matrix: np.ndarray, kind: LoraType) -> None:
    import numpy as np
    from gguf import GGMLQuantizationType, quants

    matrix = np.ascontiguousarray(matrix, dtype=np.float32)
    if kind == "q8_0" and matrix.shape[1] % _BLOCK == 0:
        blocks = quants.quantize(matrix, GGMLQuantizationType.Q8_0)
        writer.add_tensor(name, blocks, raw_dtype=GGMLQuantizationType.Q8_0)
    elif kind == "f32" or np.abs(matrix).max(initial=0) > np.finfo(np.float16).max:
        writer.add_tensor(name, matrix)
    else:
        writer.add_tensor(name, matrix.astype(np.float16))
