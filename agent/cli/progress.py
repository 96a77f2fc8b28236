"""The progress of an ingest on standard error: phase, rate, time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.cli.output import err

if TYPE_CHECKING:
    from rich.progress import ProgressColumn, TaskID

    from knowledge.schema import IngestProgress


@contextmanager
def progress_bar() -> Iterator[Callable[[IngestProgress], None] | None]:
    """One bar per phase while the context lasts; None when standard error is not a terminal."""
    if not err().is_terminal:
        yield None
        return
    from rich.progress import Progress

    with Progress(*_columns(), console=err(), transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def on_progress(step: IngestProgress) -> None:
            if step.phase not in bars:
                bars[step.phase] = progress.add_task(step.phase)
            progress.update(bars[step.phase], completed=step.done, total=step.total)

        yield on_progress


def _columns() -> list[ProgressColumn]:
    from rich import progress
    from rich.text import Text

    class Rate(progress.ProgressColumn):
        """Steps per second."""

        def render(self, task: progress.Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="dim")

    return [
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        Rate(),
        progress.TimeRemainingColumn(),
    ]
