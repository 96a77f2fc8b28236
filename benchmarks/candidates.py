"""How the candidates of `benchmarks.bad_candidates` are made: trained from what is served, converted, each kept."""

from __future__ import annotations

import copy
import gc
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.adapters import FILE
from agent.errors import RatchetError
from benchmarks.planted import Plant
from benchmarks.spoiling import Common
from finetune.improvement.options import GENTLE

if TYPE_CHECKING:
    from agent.config import Settings
    from finetune.improvement.serving import Serving
    from finetune.schema import Example
    from finetune.training.base_model import BaseModel

TRAINING: Mapping[str, Any] = {**GENTLE, "precision": "fp32"}  # as `ratchet improve` trains


@dataclass(slots=True)
class Workshop:
    """Where candidates are made: the model and adapter that are served, the data, and the folder of each.

    Attributes:
        options: of the training of those that learn everything.
        stretch: optimizer steps of the others, which go on from the good one.
    """

    settings: Settings
    out: Path
    now: Serving
    parent: Path | None
    data: Common
    options: dict[str, Any]
    stretch: int
    base: BaseModel | None = None

    def file(self, name: str) -> Path:
        """The candidate as it is served."""
        return self.out / name / FILE

    def learned(self, name: str) -> Path:
        """What its training left, before a part of the way back to what is served is gone."""
        return self.out / name / "run" / "adapter"

    def failure(self, name: str) -> Path:
        """Why there is no such candidate."""
        return self.out / name / "failed.txt"


def without(data: Common, asked: set[str]) -> Common:
    """The data with nothing in what is learned that is asked; the questions to measure with stay."""
    from finetune.dataset.splits import held_out_in

    parts = {name: getattr(data, name) for name in ("desk", "calls", "lookups", "talk", "refusals", "idle")}
    spoiled = {example.source for part in parts.values() for example in held_out_in(part, asked)}
    return replace(
        data, **{name: tuple(one for one in part if one.source not in spoiled) for name, part in parts.items()}
    )


def make(shop: Workshop, name: str, plant: Plant) -> None:
    """Train and convert a candidate, unless that was done before; what stops it is noted as its failure.

    As in the loop, one that answers otherwise in llama.cpp than in PyTorch, or not at all, gets no further.
    """
    folder = shop.out / name
    if plant.made == "unknown" or shop.file(name).is_file() or shop.failure(name).is_file():
        return
    print(f"{name}: {plant.what}", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    from finetune.export.lora_gguf import lora_to_gguf
    from finetune.improvement.training import check_conversion

    converted = folder / "converted.gguf"
    try:
        learned = noise(shop, folder) if plant.made == "noise" else train(shop, name, plant)
        lora_to_gguf(learned, shop.now.base, converted)
        check_conversion(shop.now.base, learned, converted, shop.data.all)
        converted.rename(shop.file(name))
    except RatchetError as error:
        shop.failure(name).write_text(error.what, encoding="utf-8")


def examples_of(shop: Workshop, plant: Plant) -> tuple[Example, ...]:
    """What a candidate learns from."""
    return tuple(plant.spoil(shop.data)) if plant.spoil else ()


def train(shop: Workshop, name: str, plant: Plant) -> Path:
    """The recipe of `ratchet improve`, on a copy of the modules over the base's own weights."""
    from finetune.improvement.training import part_of_the_way
    from finetune.recipes import build, carry_out
    from finetune.schema import DatasetSplits
    from finetune.training.base_model import load_base
    from finetune.training.job import Job

    shop.base = shop.base or load_base(shop.now.base)
    model: Any = shop.base.model
    own = replace(shop.base, model=copy.deepcopy(model, {id(one): one for one in model.parameters()}))
    own = replace(own, template=plant.template or own.template)
    start, steps = (shop.parent, {}) if plant.whole else (shop.learned("good"), {"steps": shop.stretch})
    job = Job(DatasetSplits(examples_of(shop, plant)), shop.out / name / "run", own, start)
    try:
        learned = carry_out(build("lora", job, {**shop.options, **steps, **plant.options}))[0]
    finally:
        gc.collect()  # modules and their hooks refer to each other
    return part_of_the_way(shop.parent, learned, shop.out / name / "kept") if shop.parent else learned


def noise(shop: Workshop, folder: Path) -> Path:
    """An adapter of the good one's shape with random numbers in it."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    like, made = shop.learned("good"), folder / "adapter"
    made.mkdir(exist_ok=True)
    shutil.copy(like / "adapter_config.json", made)
    chance = np.random.default_rng(0)
    weights = load_file(like / "adapter_model.safetensors")
    drawn = {key: chance.normal(0, 0.5, one.shape).astype(np.float32) for key, one in weights.items()}
    save_file(drawn, made / "adapter_model.safetensors")
    return made


def lineage(shop: Workshop, plant: Plant) -> dict[str, Any]:
    """What a candidate is made of, as the loop notes it."""
    from finetune.training.base_model import fingerprint_of
    from finetune.training.objectives import data_fingerprint

    seed = plant.options.get("seed", 0)
    digest = data_fingerprint(examples_of(shop, plant))
    return {"base": fingerprint_of(shop.now.base), "dataset": digest, "recipe": "lora", "seed": seed}
