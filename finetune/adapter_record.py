"""One adapter in the store: what is known of it, and which files make it up."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.adapters import FILE
from finetune.errors import AdapterMissing, BaseMismatch


@dataclass(frozen=True, slots=True)
class Provenance:
    """How an adapter came to be.

    Attributes:
        dataset: SHA-256 of the data set.
        recipe: its name; "imported" for an adapter from elsewhere.
        options: of the recipe.
        seed: of the training.
        metrics: name → value.
        parent: the adapter that training went on from; "" for the base model itself.
        stated_base: the base that an adapter from elsewhere names, where that is another and was taken on purpose.
        compared: what came of asking PyTorch and llama.cpp the same after the conversion, or why they were not asked.
    """

    dataset: str = ""
    recipe: str = "imported"
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    parent: str = ""
    stated_base: str = ""
    compared: str = ""


@dataclass(frozen=True, slots=True)
class AdapterRecord:
    """An adapter in the store.

    Attributes:
        name: its folder.
        base: SHA-256 of the base model's GGUF file.
        base_name: that file's name.
        provenance: how it came to be.
        created_at: UTC, ISO 8601.
        files: name → SHA-256.
    """

    name: str
    base: str
    base_name: str
    provenance: Provenance
    created_at: str
    files: Mapping[str, str]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> AdapterRecord:
        """The inverse of `dataclasses.asdict`."""
        return cls(**{**value, "provenance": Provenance(**value["provenance"])})


def other_base(source: Path, base: Path, fingerprint: str) -> str:
    """The base model that an adapter names, where that is another one.

    A run and a store record the SHA-256 of the model file; PEFT and llama.cpp's converter record a name, which is
    compared where both models' names on the hub are known.

    Args:
        source: a folder with what PEFT saved, or a GGUF adapter.
        base: the GGUF file of the model that it is to be put on.
        fingerprint: SHA-256 of that file.

    Returns:
        A SHA-256, or a name on the hub; "" where it is the same, or nothing is known.
    """
    from finetune.export.hub_names import base_hub_name, same_model, stated_hub_name

    recorded = ""
    for record in ("run.json", "adapter.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            recorded = str(json.loads((source / record).read_text(encoding="utf-8"))["base"])
            if recorded != fingerprint:
                return recorded
    stated, known = stated_hub_name(source), base_hub_name(base)
    return stated if stated and known and not recorded and not same_model(stated, known) else ""


def check_stated_base(source: Path, base: Path, fingerprint: str, accepted: str = "") -> None:
    """Compare the base model that an adapter names with the one it is to be put on.

    Args:
        source: a folder with what PEFT saved, or a GGUF adapter.
        base: the GGUF file of the model that it is to be put on.
        fingerprint: SHA-256 of that file.
        accepted: another base that is taken all the same.

    Raises:
        BaseMismatch: it is another one.
    """
    stated = other_base(source, base, fingerprint)
    if stated and stated != accepted:
        name = stated if "/" in stated else f"{stated[:12]}…"
        raise BaseMismatch(
            f"The adapter in {source} is of another base model ({name}) than {base.name}.",
            kept="It was not taken in.",
            fix="Choose that model (model.name) first; `--other-base` puts the adapter on this one all the same.",
        )


def collect_files(source: Path, base: Path, work: Path) -> None:
    """Put the files of an adapter into `work`, checked; the GGUF is made here wherever PEFT's files are there.

    Args:
        source: a folder with what PEFT saved, or a GGUF adapter.
        base: the GGUF file of its base model.
        work: a folder.

    Raises:
        AdapterInvalid, BaseMismatch, AdapterMissing: as for `AdapterRegistry.add`.
        OSError: the disk refuses.
    """
    from finetune.export.base_layout import BaseLayout
    from finetune.export.lora_gguf import check_gguf_adapter, lora_to_gguf
    from finetune.export.lora_weights import CONFIG, WEIGHTS, LoraWeights

    gguf = source if source.is_file() else source / FILE
    if gguf.is_file() and not (source / CONFIG).is_file():
        check_gguf_adapter(gguf, base)
        shutil.copyfile(gguf, work / FILE)
        return
    if not source.is_dir():
        raise AdapterMissing(f"There is no adapter in {source}.", fix="Name a GGUF adapter or the folder PEFT wrote.")
    weights = LoraWeights.read(source, BaseLayout.read(base))
    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(source / name, work / name)
    if weights.servable:
        lora_to_gguf(work, base, work / FILE)


def card_of(record: AdapterRecord) -> str:
    """What is known of an adapter, in Markdown, for people."""
    about = record.provenance
    facts = {
        "Base": f"{record.base_name} (SHA-256 {record.base})",
        "Parent": about.parent or "the base model",
        "Recipe": about.recipe,
        "Options": ", ".join(f"{key} = {value}" for key, value in about.options.items()),
        "Seed": about.seed,
        "Data set": about.dataset,
        "Made for": about.stated_base and f"{about.stated_base}; put on another base on purpose",
        "Compared": about.compared,
        "Made": record.created_at,
    }
    lines = [f"- {name}: {value}" for name, value in facts.items() if value not in ("", None)]
    scores = [f"| {name} | {value:g} |" for name, value in about.metrics.items()]
    table = ["", "| metric | value |", "|---|---|", *scores] if scores else []
    return "\n".join([f"# Adapter {record.name}", "", *lines, *table, ""])
