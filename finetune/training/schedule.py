"""When a run is how far, and how quickly it learns there: pure arithmetic, no PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from finetune.training.options import TrainingOptions

_DECAY = 0.2  # share of a warmup-stable-decay run that decays (Hägele et al. 2024 found 10-20 % to be enough)


def factor(progress: float, options: TrainingOptions) -> float:
    """The share of the highest learning rate that is used at a point of the run, in [0, 1].

    Args:
        progress: how much of the run is done, in [0, 1].
        options: schedule and warm-up.
    """
    if progress < options.warmup:
        return progress / options.warmup
    rest = (progress - options.warmup) / (1 - options.warmup)
    if options.schedule == "constant":
        return 1.0
    if options.schedule == "linear":
        return 1 - rest
    if options.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * rest))
    decayed = (progress - (1 - _DECAY)) / _DECAY
    return 1 - math.sqrt(decayed) if decayed > 0 else 1.0


def plan(counts: Sequence[int], options: TrainingOptions) -> list[list[int]]:
    """Which units make up each optimizer step, for the whole run.

    Every epoch has an order of its own, which depends on the seed and the epoch alone; a step takes units until it has
    `step_targets` to learn from. What is left at the end of an epoch goes on into the next.

    Args:
        counts: targets of each unit.
        options: seed, epochs, step_targets and steps.
    """
    steps: list[list[int]] = []
    current: list[int] = []
    gathered = 0
    for unit in _order(len(counts), options):
        current.append(unit)
        gathered += counts[unit]
        if gathered >= options.step_targets:
            steps.append(current)
            current, gathered = [], 0
    if current and (not steps or gathered >= options.step_targets // 2):
        steps.append(current)
    elif current:  # too little for a step of its own, which would weigh these few as much as all others
        steps[-1] = steps[-1] + current
    return steps[: options.steps]


def _order(units: int, options: TrainingOptions) -> list[int]:
    wanted = max(1, math.ceil(units * options.epochs))
    order: list[int] = []
    for epoch in range(math.ceil(options.epochs)):
        order.extend(int(unit) for unit in np.random.default_rng([options.seed, epoch]).permutation(units))
    return order[:wanted]


class Clock:
    """How far a run is, by steps and by time, whichever is further.

    With a budget of minutes the learning rate falls with the time that has passed, so that it reaches its end when the
    time does, at whatever speed the machine runs.

    Args:
        total: steps planned.
        minutes: the budget; None for none.
        spent: seconds used before.
    """

    def __init__(self, total: int, minutes: float | None, spent: float = 0.0) -> None:
        self.total = total
        self.budget = minutes * 60 if minutes else math.inf
        self.spent = spent
        self.reserve = 0.0  # seconds that the end of the run will take
        self._mean = 0.0  # seconds that a step takes, lately

    def stepped(self, seconds: float) -> None:
        """A step has ended."""
        self._mean = seconds if not self._mean else 0.8 * self._mean + 0.2 * seconds
        self.spent += seconds

    def waited(self, seconds: float) -> None:
        """Something else took time: a measurement, a checkpoint."""
        self.spent += seconds

    def state(self) -> dict[str, float]:
        """What a run needs to go on as if it had not been interrupted; seconds."""
        return {"spent": self.spent, "reserve": self.reserve, "mean": self._mean}

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from what `state` gave; what was spent since this clock was made is added."""
        self.spent += state["spent"]
        self.reserve, self._mean = state["reserve"], state["mean"]

    def progress(self, step: int) -> float:
        """How far the run is in the middle of step number `step`, counted from 0; in (0, 1]."""
        by_time = (self.spent + self._mean / 2) / max(self.budget - self.reserve, 1e-9)
        return min(1.0, max((step + 0.5) / self.total, by_time))

    def is_over(self, step: int) -> bool:
        """Whether there is no time for another step. The first step is always taken."""
        return step >= self.total or (step > 0 and self.spent + self._mean + self.reserve > self.budget)

    def left(self, step: int) -> float:
        """Seconds until the end, as far as can be told."""
        return max(0.0, min((self.total - step) * self._mean, self.budget - self.spent))
