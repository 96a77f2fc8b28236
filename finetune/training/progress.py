"""A run as one sees it: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.cli.output import err, foreign
from agent.cli.progress import duration

if TYPE_CHECKING:
    OnProgress = Callable[["Progress"], None]

_SECONDS_BETWEEN_LINES = 30.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run stands.

    Attributes:
        share: of the run that is done, in [0, 1].
        step: optimizer steps done, of `total`.
        loss: nats per target, a running mean; `dev_loss` as it was last measured, None before.
        tokens_per_second: tokens of the data, what packing saves counted in; `targets_per_second`: those learned.
        seconds_left: estimated.
        memory: bytes, of the process or of the accelerator.
    """

    share: float
    step: int
    total: int
    loss: float
    dev_loss: float | None
    tokens_per_second: float
    targets_per_second: float
    seconds_left: float
    memory: int


def status_line(now: Progress) -> str:
    """The figures in one line."""
    parts = [f"step {now.step:,} of {now.total:,}", f"loss {now.loss:.3f}"]
    if now.dev_loss is not None:
        parts.append(f"dev {now.dev_loss:.3f}")
    parts.append(f"{now.tokens_per_second:,.0f} tokens/s ({now.targets_per_second:,.0f} learned)")
    parts.append(f"{duration(now.seconds_left)} left")
    parts.append(f"{now.memory / 2**30:.1f} GiB")
    return " · ".join(parts)


@contextmanager
def progress_bar() -> Iterator[OnProgress]:
    """A bar while the context lasts; where standard error is no terminal, a line every half minute."""
    if not err().is_terminal:
        yield _lines()
        return
    from rich import progress

    columns = progress.BarColumn(bar_width=24), progress.TextColumn("{task.fields[rest]}", markup=False)
    with progress.Progress(*columns, console=err(), transient=True) as bars:
        bar = bars.add_task("", total=1.0, rest="preparing")
        yield lambda now: bars.update(bar, completed=now.share, rest=status_line(now))


def _lines() -> OnProgress:
    last = -_SECONDS_BETWEEN_LINES

    def on_progress(now: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            err().print(foreign(status_line(now)))

    return on_progress
