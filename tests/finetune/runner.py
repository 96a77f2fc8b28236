"""A training run in a process of its own, which a test can kill."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Imports PyTorch once; each child is forked from there and starts at once.
CONTEXT = multiprocessing.get_context("forkserver")
OPTIONS: dict[str, Any] = {
    "threads": 1,
    "precision": "fp32",
    "learning_rate": 0.02,
    "epochs": 3,
    "step_targets": 30,
    "pack_tokens": 256,
    "checkpoint_steps": 3,
    "dev_every": 0,
}


def options_for(recipe: str) -> dict[str, Any]:
    """Options with which a run on the small data set takes a dozen steps or more; dpo and kto count examples."""
    return OPTIONS | ({"step_targets": 4} if recipe in ("dpo", "kto") else {})


def start(out: Path, recipe: str = "lora", **options: Any) -> Any:
    """The child process, started."""
    CONTEXT.set_forkserver_preload(
        ["finetune.training.loop", "finetune.training.objectives", "finetune.recipes.lora", "peft"]
    )
    child = CONTEXT.Process(target=train, args=(out, recipe, {**options_for(recipe), **options}))
    child.start()
    return child


def train(out: Path, recipe: str, options: Mapping[str, Any]) -> None:
    """One run from beginning to end on the tiny base; exits with 130 where it was asked to stop."""
    from finetune.errors import TrainingInterrupted
    from finetune.recipes import build, carry_out
    from tests.finetune.tiny_base import job, splits_for

    try:
        carry_out(build(recipe, job(out, splits=splits_for(recipe)), options))
    except TrainingInterrupted as stop:
        (out / "message.txt").write_text(str(stop), encoding="utf-8")
        raise SystemExit(130) from stop
