"""Low-rank corrections on the linear layers of a base model, fresh or continued."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from finetune.errors import RecipeError
from finetune.training.adapter_files import CONFIG, adapted, check_parent, configuration, load_weights

if TYPE_CHECKING:
    from finetune.training.base_model import BaseModel

ALL_LINEAR = ("all-linear",)
# Options that an adapter is made with once and for all, as PEFT calls them, and what holds where a file leaves one out.
SHAPE: Mapping[str, tuple[str, Any]] = {
    "rank": ("r", 8),
    "alpha": ("lora_alpha", 8),
    "rslora": ("use_rslora", False),
    "dora": ("use_dora", False),
    "targets": ("target_modules", ALL_LINEAR),
}
Options = TypeVar("Options")


def continued(options: Options, parent: Path | None, said: Collection[str] = ()) -> Options:
    """A recipe's options with the shape of the adapter that training goes on from.

    Args:
        options: of a recipe that trains a LoRA; what they leave at its default, the adapter settles.
        parent: folder of the adapter; None for a fresh one, whose shape the options say.
        said: names of options that were asked for even where that is the default.

    Raises:
        RecipeError: an option asks for another shape than the adapter has.
        AdapterInvalid: its configuration cannot be read.
    """
    if parent is None or not (parent / CONFIG).is_file():  # who loads it tells what is missing
        return options
    config, defaults = configuration(parent), cast(Any, type(options)())
    own: dict[str, Any] = {}
    for name in [field.name for field in fields(defaults) if field.name in SHAPE]:
        asked, own[name] = getattr(options, name), _had(config, name)
        asked = tuple(sorted(asked)) if name == "targets" else asked
        if asked != own[name] and (name in said or asked != getattr(defaults, name)):
            raise RecipeError(
                f"The option {name} cannot be {asked}: the adapter that training goes on from has {own[name]}.",
                kept="Nothing was trained.",
                fix=f"Leave {name} out, or train from the bare model, where the shape is free.",
            )
    return replace(options, **own)  # type: ignore[type-var]


def _had(config: Mapping[str, Any], name: str) -> Any:
    """An option by which an adapter was made; of its layers the last parts of their names."""
    key, otherwise = SHAPE[name]
    value = config.get(key)
    value = otherwise if value is None else value
    if name != "targets":
        return value
    names = (value,) if isinstance(value, str) else value
    return tuple(sorted({str(one).rpartition(".")[2] for one in names}))


def put_lora(
    base: BaseModel, parent: Path | None, seed: int, shape: Mapping[str, Any], targets: Sequence[str] = ALL_LINEAR
) -> Any:
    """The base model with LoRA on it (PEFT); fresh corrections change nothing yet.

    Args:
        base: is changed: its layers are wrapped.
        parent: folder of an adapter to go on with, whose own shape then holds (`continued`), but for the dropout.
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
    config.lora_dropout = shape.get("lora_dropout", 0.0)
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
