"""The progress of an ingest on standard error: files, passages, rate, time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.cli.output import counted, err, foreign

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from knowledge.schema import IngestProgress

    OnProgress = Callable[[IngestProgress], None]

_SECONDS_BETWEEN_LINES = 10.0
_NAMES = {"scanning": "looking", "working": "reading", "saving": "saving"}


@contextmanager
def progress_bar() -> Iterator[OnProgress]:
    """One bar while the context lasts; where standard error is no terminal, a line every ten seconds."""
    if not err().is_terminal:
        yield _lines()
        return
    from rich.progress import Progress

    with Progress(*_columns(), console=err(), transient=True) as progress:
        bar = progress.add_task("looking", total=None, rest="")

        def on_progress(step: IngestProgress) -> None:
            done, total = share_done(step)
            name = _NAMES.get(step.phase, step.phase)
            progress.update(bar, description=name, completed=done, total=total or None, rest=status_line(step))

        yield on_progress


def _lines() -> OnProgress:
    last = time.monotonic()

    def on_progress(step: IngestProgress) -> None:
        nonlocal last
        if step.phase == "working" and time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            err().print(foreign(status_line(step)))

    return on_progress


def share_done(step: IngestProgress) -> tuple[int, int]:
    """How much of how much is done: passages, which take the time, or files while there are none."""
    if step.passages_total:
        return step.passages, step.passages_total
    return step.files, step.files_total


def status_line(step: IngestProgress) -> str:
    """Files, passages, rate and time left, as far as they are known.

    The number of passages is an estimate, and marked as one, until every file has been read.
    """
    if not step.files_total:
        return ""
    if step.phase not in _NAMES:
        return f"{step.files:,} of {step.files_total:,}"
    parts = [f"{step.files:,} of {counted(step.files_total, 'file')}"]
    if step.passages_total:
        about = "" if step.files == step.files_total else "about "
        parts.append(f"{step.passages:,} of {about}{counted(step.passages_total, 'passage')}")
    if step.rate:
        parts.append(f"{step.rate:,.0f}/s")
    if step.seconds_left is not None and step.files < step.files_total:
        parts.append(f"{duration(step.seconds_left)} left")
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """A length of time, as exact as it deserves: "8 s", "3 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _columns() -> list[ProgressColumn]:
    from rich import progress

    return [
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=24),
        progress.TextColumn("{task.fields[rest]}", markup=False),
    ]
