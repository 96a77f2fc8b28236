"""Homes in which training has run, made by training's own writers in a second or two, without PyTorch."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.config import Settings
from finetune.improvement import measuring, promotion
from finetune.training.installed import NEEDED
from finetune.training.tracking import METRICS, JsonLines
from tests.finetune.improvement import loop

needs_training = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED),
    reason="a run starts only where PyTorch is installed",
)


@contextmanager
def wide_margins() -> Iterator[None]:
    """While it lasts, a handful of items is enough for the gate."""
    before = measuring.GUARDS
    loop.widen_margins()
    try:
        yield
    finally:
        measuring.GUARDS = before


def improved_home(home: Path) -> Settings:
    """A home with two runs: mine-1 passed and is served, mine-2 was trained from it and refused."""
    with wide_margins():
        settings = loop.home_with_feedback(home)
        first = loop.improvement(settings)
        first.go()
        promotion.promote(settings, "mine-1", reason="a test")
        write_metrics(first.run.path / "training" / "learn")
        loop.add_feedback(home, range(60, 90))
        loop.improvement(settings, "mine-2", open_model=loop.ignorant_model, seed=1).go()
    return settings


def waiting_home(home: Path) -> Settings:
    """A home in which mine-1 passed the gate and waits."""
    with wide_margins():
        settings = loop.home_with_feedback(home)
        loop.improvement(settings).go()
    return settings


def paused_home(home: Path) -> Settings:
    """A home in which the run mine-1 was interrupted in the middle of its training."""

    def interrupted(task: object) -> None:
        raise KeyboardInterrupt

    settings = loop.home_with_feedback(home)
    run = loop.improvement(settings, trainer=interrupted)
    try:
        run.go()
    except KeyboardInterrupt:
        write_metrics(run.run.path / "training" / "learn", steps=20)
    return settings


def write_metrics(folder: Path, steps: int = 40, of: int = 40) -> None:
    """Steps as a run writes them: the loss falls, and every tenth is measured on development data, too."""
    folder.mkdir(parents=True, exist_ok=True)
    log = JsonLines(folder / METRICS)
    for step in range(1, steps + 1):
        figures = {"loss": 2.0 / step, "learning_rate": 5e-4, "gradient_norm": 1.0, "progress": step / of}
        log.add({"step": step, **figures, "tokens": 500, "targets": 100, "seconds": 0.5})
        if step % 10 == 0:
            log.add({"step": step, "dev_loss": 1.0 / step})
    log.close()
