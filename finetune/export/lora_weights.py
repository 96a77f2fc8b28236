"""A LoRA adapter as PEFT writes it, read without PEFT or PyTorch and checked before anything is done with it.

An adapter may come from anywhere. Only safetensors are read, which hold numbers and nothing that could run; every name,
shape and number is compared with the base model.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.errors import AdapterInvalid, BaseMismatch, ExportError

if TYPE_CHECKING:
    import numpy as np

    from finetune.export.base_layout import BaseLayout

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
MOST_BYTES = 2**31
MOST_RANK = 1024
MOST_SCALE = 1024.0
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt")
_NAME = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.default)?\.weight")
_PLAIN = re.compile(r"[\w.]+")
_MERGE = "Merge it into its base model instead (`merge`), which takes any of them."


@dataclass(frozen=True, slots=True)
class LoraModule:
    """The correction of one matrix: scale · B A.

    Attributes:
        a: float32 [rank, inputs].
        b: float32 [outputs, rank].
        scale: alpha / rank, or alpha / √rank with rsLoRA (Kalajdzievski 2023).
        magnitude: with DoRA (Liu et al. 2024), the length of each row of the corrected matrix, float32 [outputs].
    """

    a: np.ndarray
    b: np.ndarray
    scale: float
    magnitude: np.ndarray | None = None

    @property
    def rank(self) -> int:
        """Inner dimension."""
        return int(self.a.shape[0])

    def added_to(self, weight: np.ndarray) -> np.ndarray:
        """The corrected matrix, float32 [outputs, inputs], of a base matrix of that shape."""
        import numpy as np

        whole: np.ndarray = weight + np.float32(self.scale) * (self.b @ self.a)
        if self.magnitude is not None:
            whole *= (self.magnitude / np.linalg.norm(whole, axis=1))[:, None]
        return whole


@dataclass(frozen=True, slots=True)
class LoraWeights:
    """A whole adapter.

    Attributes:
        modules: by name in transformers, such as "model.layers.0.self_attn.q_proj".
        config: what `adapter_config.json` says.
        saved: other tensors it brings, such as embeddings; float32.
    """

    modules: Mapping[str, LoraModule]
    config: Mapping[str, Any]
    saved: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def servable(self) -> bool:
        """Whether a GGUF adapter can hold all of it: no magnitudes (DoRA), no saved tensors."""
        return not self.saved and all(module.magnitude is None for module in self.modules.values())

    @classmethod
    def read(cls, folder: Path, layout: BaseLayout) -> LoraWeights:
        """Read and check an adapter.

        Args:
            folder: with `adapter_config.json` and `adapter_model.safetensors`.
            layout: of the base model.

        Raises:
            AdapterInvalid: a file is missing, damaged or of a format that can run code; a number is not finite; rank or
                alpha make no sense.
            BaseMismatch: it corrects matrices that the base does not have, or of other shapes.
        """
        config = read_config(folder)
        path = folder / WEIGHTS
        if not path.is_file():
            pickled = sorted(one.name for pattern in _PICKLED for one in folder.glob(pattern))
            reason = f"only {pickled[0]}, a format that can run code when opened" if pickled else f"no {WEIGHTS}"
            raise AdapterInvalid(f"{folder} holds {reason}.", fix="Save it with `save_pretrained`, as safetensors.")
        return _assemble(folder, config, read_safetensors(path), layout)


def read_config(folder: Path) -> dict[str, Any]:
    """What `adapter_config.json` says, if it describes a LoRA whose numbers make sense.

    Raises:
        AdapterInvalid: it does not.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it is no object")
        ranks = [config["r"], *(config.get("rank_pattern") or {}).values()]
        alphas = [config["lora_alpha"], *(config.get("alpha_pattern") or {}).values()]
    except FileNotFoundError as error:
        raise AdapterInvalid(f"{folder} holds no adapter (no {CONFIG}).", fix="Name an adapter's folder.") from error
    except (OSError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise AdapterInvalid(f"{path} cannot be read as an adapter's configuration: {error}.") from error
    if config.get("peft_type", "LORA") != "LORA":
        raise AdapterInvalid(f"{folder} is a {config['peft_type']} adapter; llama.cpp knows LoRA only.")
    if not all(isinstance(rank, int) and 0 < rank <= MOST_RANK for rank in ranks):
        raise AdapterInvalid(f"{path} names a rank out of range: {ranks}.", fix=f"Ranks go from 1 to {MOST_RANK}.")
    if not all(isinstance(alpha, int | float) and math.isfinite(alpha) and alpha > 0 for alpha in alphas):
        raise AdapterInvalid(f"{path} names a lora_alpha that is no positive number: {alphas}.")
    for pattern in (*(config.get("rank_pattern") or ()), *(config.get("alpha_pattern") or ())):
        if not _PLAIN.fullmatch(_plain(pattern)):
            raise AdapterInvalid(
                f"{path} names modules by an expression ({pattern}), which is not known here.",
                fix="Name each of them in rank_pattern and alpha_pattern.",
            )
    for key in ("fan_in_fan_out", "layer_replication", "lora_bias"):
        if config.get(key):
            raise AdapterInvalid(f"{path} asks for {key}, which is not known here.", fix="Train it without.")
    return config


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a safetensors file as float32; half and bfloat16 are widened.

    Raises:
        AdapterInvalid: damaged, too large, or with numbers of another kind.
    """
    from safetensors import SafetensorError, deserialize

    try:
        if path.stat().st_size > MOST_BYTES:
            raise AdapterInvalid(f"{path} has {path.stat().st_size:,} bytes, which no adapter needs.")
        return {name: _floats(name, view) for name, view in deserialize(path.read_bytes())}  # type: ignore[no-untyped-call]
    except (OSError, SafetensorError, ValueError) as error:
        raise AdapterInvalid(f"{path} is damaged: {error}.", fix="Get or save it again.") from error


def _floats(name: str, view: Mapping[str, Any]) -> np.ndarray:
    import numpy as np

    data, kind = view["data"], view["dtype"]
    if kind == "BF16":
        values = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    elif kind in ("F16", "F32"):
        values = np.frombuffer(data, "<f2" if kind == "F16" else "<f4").astype(np.float32)
    else:
        raise ValueError(f"{name} has numbers of the kind {kind}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    return values.reshape(view["shape"])


def _assemble(
    folder: Path, config: dict[str, Any], tensors: Mapping[str, np.ndarray], layout: BaseLayout
) -> LoraWeights:
    halves: dict[str, dict[str, np.ndarray]] = {}
    saved: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        if found := _NAME.fullmatch(name):
            halves.setdefault(found[1], {})[found[2]] = tensor
        elif ".lora_magnitude_vector" in name:
            module = name.removeprefix("base_model.model.").partition(".lora_magnitude_vector")[0]
            halves.setdefault(module, {})["M"] = tensor
        else:
            saved[name.removeprefix("base_model.model.")] = tensor
    if not halves:
        raise AdapterInvalid(f"{folder} holds no LoRA matrices.", fix="Name the folder of a trained adapter.")
    modules = {name: _module(folder, name, parts, config, layout) for name, parts in sorted(halves.items())}
    return LoraWeights(modules, config, saved)


def _module(
    folder: Path, name: str, parts: Mapping[str, np.ndarray], config: Mapping[str, Any], layout: BaseLayout
) -> LoraModule:
    tensor = layout.tensor_of(name)
    if tensor is None:
        raise BaseMismatch(
            f"{folder} corrects {name}, which {layout.path.name} does not have as a linear layer.",
            fix="Name the adapter's own base model.",
        )
    if not {"A", "B"} <= set(parts):
        raise AdapterInvalid(f"{folder} has only one half of the correction of {name}.", fix="Get or save it again.")
    a, b, outputs, inputs = parts["A"], parts["B"], *layout.shapes[tensor]
    rank = int(_of(config.get("rank_pattern"), name, config["r"]))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != inputs or b.shape[0] != outputs:
        raise BaseMismatch(
            f"{folder} corrects {name} as {list(b.shape)} · {list(a.shape)}; in {layout.path.name} it has "
            f"{outputs} outputs and {inputs} inputs.",
            fix="Name the adapter's own base model.",
        )
    if a.shape[0] != rank or b.shape[1] != rank:
        raise AdapterInvalid(f"The rank of {name} in {folder} is not the {rank} of its configuration.")
    alpha = float(_of(config.get("alpha_pattern"), name, config["lora_alpha"]))
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    if scale > MOST_SCALE:
        raise AdapterInvalid(f"{folder} scales its correction by {scale:g}, which is no sane alpha.")
    magnitude = parts.get("M")
    if bool(config.get("use_dora")) != (magnitude is not None) or (magnitude is not None and magnitude.size != outputs):
        raise AdapterInvalid(f"The magnitudes (DoRA) of {name} in {folder} do not fit its configuration.")
    return LoraModule(a, b, scale, None if magnitude is None else magnitude.reshape(outputs))


def _of(patterns: Any, name: str, default: Any) -> Any:
    """A module's own rank or alpha: PEFT matches the end of its name."""
    for pattern, value in (patterns or {}).items():
        if f".{name}".endswith(f".{_plain(pattern)}"):
            return value
    return default


def _plain(pattern: str) -> str:
    """The name in a pattern; PEFT's are regular expressions, which come with the adapter and could run for ever."""
    return pattern.removeprefix("^").removesuffix("$").replace("\\.", ".")


def refuse_unservable(weights: LoraWeights, folder: Path) -> None:
    """Refuse what a GGUF adapter cannot hold.

    Raises:
        ExportError: magnitudes (DoRA), or saved embeddings and other whole tensors.
    """
    if weights.saved:
        first = sorted(weights.saved)[0]
        raise ExportError(f"{folder} brings whole tensors ({first}), which a GGUF adapter cannot hold.", fix=_MERGE)
    if not weights.servable:
        raise ExportError(f"{folder} uses DoRA, which a GGUF adapter cannot express.", fix=_MERGE)
