"""Adapters as PEFT keeps them: adapter_config.json and adapter_model.safetensors, nothing that could run code."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.errors import AdapterInvalid, AdapterMissing, BaseMismatch
from finetune.training.runs import read_record, whole_folder

if TYPE_CHECKING:
    from finetune.training.base_model import BaseModel

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def adapter_digest(folder: Path | None) -> str:
    """SHA-256 of an adapter's weights; empty for None.

    Raises:
        AdapterMissing: the folder holds none.
    """
    if folder is None:
        return ""
    _require(folder)
    with (folder / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_parent(folder: Path, base: BaseModel, kind: str) -> dict[str, Any]:
    """What an adapter's configuration says, after checking that it may be continued on this base.

    Args:
        folder: of the adapter.
        base: the model it is to be put on.
        kind: PEFT's name of the method, such as "LORA".

    Raises:
        AdapterMissing, AdapterInvalid: there is none, or one of another kind.
        BaseMismatch: it was trained on another model.
    """
    _require(folder)
    record = read_record(folder)
    if record is not None and record.get("base") != base.fingerprint:
        raise BaseMismatch(
            f"The adapter in {folder} was trained on another base model ({str(record.get('base'))[:12]}…).",
            kept="Nothing was trained.",
            fix=f"Name that model with --base; this one is {base.path.name} ({base.fingerprint[:12]}…).",
        )
    config = configuration(folder)
    if "peft_type" not in config:
        raise _invalid(folder, f"its {CONFIG} cannot be read ('peft_type')")
    if config["peft_type"] != kind:
        raise _invalid(folder, f"it is of type {config['peft_type']}, and this recipe continues {kind}")
    return config


def configuration(folder: Path) -> dict[str, Any]:
    """What an adapter's configuration says.

    Raises:
        AdapterInvalid: it cannot be read.
    """
    try:
        return dict(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise _invalid(folder, f"its {CONFIG} cannot be read ({error})") from error


def adapted(model: Any, config: Any) -> Any:
    """A base model with a fresh adapter on it (PEFT); the model itself is changed."""
    from peft import get_peft_model

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # what PEFT asks it is old
        return get_peft_model(model, config)


def load_weights(model: Any, folder: Path) -> None:
    """Put an adapter's weights into a PEFT model of the same configuration.

    Raises:
        AdapterInvalid: they do not fit.
    """
    from peft import set_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        result: Any = set_peft_model_state_dict(model, load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise _invalid(folder, f"its weights do not fit this model ({error})") from error
    if result.unexpected_keys:
        raise _invalid(folder, f"it has weights that this model does not ({result.unexpected_keys[0]})")


def write_adapter(model: Any, target: Path, base: BaseModel) -> Path:
    """Save what a PEFT model has learned; the folder is there whole or not at all.

    Raises:
        StorageError: the disk refused.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    config = model.peft_config["default"]
    config.base_model_name_or_path, config.inference_mode = base.path.stem, True
    if getattr(config, "target_modules", None):
        config.target_modules = sorted(config.target_modules)  # a set has another order in each process
    with whole_folder(target, "adapter") as work:
        save_file({name: one.detach().cpu().contiguous() for name, one in weights.items()}, work / WEIGHTS)
        config.save_pretrained(str(work))
    return target


def _require(folder: Path) -> None:
    if (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file():
        return
    if (folder / "adapter_model.bin").exists():
        raise _invalid(folder, "it is pickled, and pickled files can run code")
    raise AdapterMissing(f"There is no adapter in {folder}.", fix=f"Name a folder that holds {CONFIG} and {WEIGHTS}.")


def _invalid(folder: Path, why: str) -> AdapterInvalid:
    return AdapterInvalid(
        f"The adapter in {folder} cannot be used: {why}.", kept="Nothing was trained.", fix="Name another adapter."
    )
