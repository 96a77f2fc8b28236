"""Adapters as PEFT's files: from GGUF (`lora_gguf` turned round), between two others, or for other programs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import StorageError
from finetune.errors import AdapterInvalid, refusal_of
from finetune.export.base_layout import BaseLayout
from finetune.export.hub_names import hub_name
from finetune.export.lora_gguf import check_gguf_adapter
from finetune.export.lora_weights import CONFIG, WEIGHTS, read_config, read_safetensors

if TYPE_CHECKING:
    import numpy as np


_SCALES = ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora")  # what says how much weights count


def gguf_to_peft(adapter: Path, base: Path, folder: Path) -> Path:
    """Write `adapter_config.json` and `adapter_model.safetensors`; the folder is there whole or not at all.

    Args:
        adapter: the GGUF adapter.
        base: the GGUF file of its base model.
        folder: what to write; one that is there is replaced.

    Returns:
        `folder`.

    Raises:
        AdapterInvalid, BaseMismatch: it is no adapter, or not one of this base, or corrects what is no linear layer.
        StorageError: it cannot be written.
    """
    check_gguf_adapter(adapter, base)
    return _write(folder, *_converted(adapter, BaseLayout.read(base)))


def between(one: Path, other: Path, share: float, folder: Path) -> Path:
    """Write an adapter on the straight line from one to another that was trained on from it.

    What a last piece of training gains and what it costs are often not on the same part of the way (WiSE-FT, Wortsman
    et al. 2022, https://arxiv.org/abs/2109.01903).

    Args:
        one: folder with PEFT's files.
        other: another one, of the same shape.
        share: of the way; 0 is `one`, 1 is `other`.
        folder: what to write; one that is there is replaced.

    Returns:
        `folder`.

    Raises:
        AdapterInvalid: one of them is none, or they differ in more than values.
        StorageError: it cannot be written.
    """
    begun, ended = (read_safetensors(path / WEIGHTS) for path in (one, other))
    config, earlier = read_config(other), read_config(one)
    shapes, others = ({name: rows.shape for name, rows in weights.items()} for weights in (begun, ended))
    # What is left out, empty or false is the same: files from elsewhere say less than PEFT writes.
    if shapes != others or any((config.get(scale) or None) != (earlier.get(scale) or None) for scale in _SCALES):
        raise AdapterInvalid(
            f"{one} and {other} are not of the same shape.", fix="Take one that goes on from the other."
        )
    return _write(folder, {name: (1 - share) * rows + share * ended[name] for name, rows in begun.items()}, config)


def copy_peft(adapter: Path, folder: Path, base: str = "", card: str = "") -> str:
    """Write an adapter for programs that read PEFT's files, such as transformers and vLLM.

    Args:
        adapter: folder with PEFT's files, whose weights are copied byte for byte.
        folder: what to write; one that is there is replaced.
        base: by what name those programs find the base model: its name on the hub, or a path; "" for what the adapter
            says.
        card: Markdown for people, written as `README.md`.

    Returns:
        The name of the base that the files say.

    Raises:
        AdapterInvalid: the configuration cannot be read.
        StorageError: it cannot be written.
    """
    config = read_config(adapter)
    base = base or str(config.get("base_model_name_or_path") or "")
    # What the hub shows a model by: https://huggingface.co/docs/hub/model-cards
    head = ["---", *([f"base_model: {base}"] if hub_name(base) else []), "library_name: peft", "---", ""]
    with _new_folder(folder) as work:
        shutil.copyfile(adapter / WEIGHTS, work / WEIGHTS)
        named = config | {"base_model_name_or_path": base or None}
        (work / CONFIG).write_text(json.dumps(named, indent=1), encoding="utf-8")
        (work / "README.md").write_text("\n".join([*head, card]), encoding="utf-8")
    return base


def _write(folder: Path, weights: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> Path:
    from safetensors.numpy import save_file

    with _new_folder(folder) as work:
        save_file(dict(weights), work / WEIGHTS, metadata={"format": "pt"})
        (work / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
    return folder


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into that becomes `folder` at the end."""
    from safetensors import SafetensorError

    work = folder.with_name(f".{folder.name}.new")
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        yield work
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"{folder} could not be written: {refusal_of(error)}.", fix="Make room.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _converted(adapter: Path, layout: BaseLayout) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The weights by PEFT's names, and its configuration."""
    import numpy as np
    from gguf import GGUFReader, Keys, quants

    reader = GGUFReader(adapter)
    field = reader.fields.get(Keys.Adapter.LORA_ALPHA)
    alpha = float(field.contents()) if field else 0.0
    weights: dict[str, np.ndarray] = {}
    ranks: dict[str, int] = {}
    for tensor in reader.tensors:
        name, half = tensor.name[: -len(".lora_a")], tensor.name[-1]
        module = layout.module_of(name)
        if module is None:
            raise AdapterInvalid(f"{adapter} corrects {name}, which is no linear layer.", fix="Train from another one.")
        rows = quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        rows = layout.as_torch(name, rows) if half == "b" else rows
        weights[f"base_model.model.{module}.lora_{half.upper()}.weight"] = np.ascontiguousarray(rows)
        if half == "a":
            ranks[module] = int(rows.shape[0])
    return weights, _config(ranks, alpha, layout.path.stem)


def _config(ranks: Mapping[str, int], alpha: float, base: str) -> dict[str, Any]:
    rank = max(ranks.values())
    others = {module: own for module, own in sorted(ranks.items()) if own != rank}
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha or rank,  # llama.cpp adds B A unscaled where there is no alpha
        "rank_pattern": others,
        "alpha_pattern": {} if alpha else others,
        "target_modules": sorted(ranks),
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
    }
