"""Low-rank corrections on the linear layers of a base model, fresh or continued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.training.adapter_files import adapted, check_parent, load_weights

if TYPE_CHECKING:
    from finetune.training.base_model import BaseModel

ALL_LINEAR = ("all-linear",)


def put_lora(
    base: BaseModel, parent: Path | None, seed: int, shape: Mapping[str, Any], targets: Sequence[str] = ALL_LINEAR
) -> Any:
    """The base model with LoRA on it (PEFT); fresh corrections change nothing yet.

    Args:
        base: is changed: its layers are wrapped.
        parent: folder of an adapter to go on with, whose own shape then holds.
        seed: of the fresh weights.
        shape: rank and the like, as `peft.LoraConfig` calls them.
        targets: names of layers, or `ALL_LINEAR` for all but the head.

    Raises:
        AdapterMissing, AdapterInvalid, BaseMismatch: the parent cannot be continued on this base.
    """
    import torch
    from peft import LoraConfig

    torch.manual_seed(seed)
    if parent is None:
        names = _linear(base.model) if tuple(targets) == ALL_LINEAR else list(targets)
        return adapted(base.model, LoraConfig(target_modules=names, task_type="CAUSAL_LM", **shape))
    check_parent(parent, base, "LORA")
    config = LoraConfig.from_pretrained(str(parent))
    config.inference_mode, config.base_model_name_or_path = False, None
    model = adapted(base.model, config)
    load_weights(model, parent)
    return model


def _linear(model: Any) -> list[str]:
    """The last parts of the names of all linear layers but the one that makes logits."""
    import torch

    head = model.get_output_embeddings()
    found = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    return sorted(found)
