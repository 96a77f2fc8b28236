"""What a person sees of a run: the stage, notes, and a bar with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finetune.training.progress import Progress

Count = Callable[[int, int], None]  # done, total
_SECONDS_BETWEEN_LINES = 30.0


class Watcher:
    """Sees nothing; the terminal's is `ConsoleWatcher`."""

    def stage(self, number: int, total: int, words: str) -> None:
        """A stage begins."""

    def note(self, text: str) -> None:
        """Something that people should know."""

    def training(self) -> AbstractContextManager[Callable[[Progress], None]]:
        """A bar for training."""
        return nullcontext(lambda progress: None)

    def counting(self, words: str) -> AbstractContextManager[Count]:
        """A bar for so many of so many."""
        return nullcontext(lambda done, total: None)


class ConsoleWatcher(Watcher):
    """Writes to standard error: bars on a terminal, a line now and then elsewhere."""

    def stage(self, number: int, total: int, words: str) -> None:
        """As a line of its own."""
        from agent.cli.output import err, foreign

        err().print(foreign(f"{number}/{total}  {words}", "bold"))

    def note(self, text: str) -> None:
        """Below the stage."""
        from agent.cli.output import err, foreign

        err().print(foreign(f"     {text}"))

    def training(self) -> AbstractContextManager[Callable[[Progress], None]]:
        """Loss, speed and time left."""
        from finetune.training.progress import progress_bar

        return progress_bar()

    @contextmanager
    def counting(self, words: str) -> Iterator[Count]:
        """How many, and the time left by the speed so far."""
        from agent.cli.output import err, foreign

        line = _TimeLeft()
        if not err().is_terminal:
            last = time.monotonic()

            def tell(done: int, total: int) -> None:
                nonlocal last
                text = line(done, total)
                if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
                    last = time.monotonic()
                    err().print(foreign(f"     {words}: {text}"))

            yield tell
            return
        from rich import progress

        columns = progress.BarColumn(bar_width=24), progress.TextColumn("{task.fields[rest]}", markup=False)
        with progress.Progress(*columns, console=err(), transient=True) as bars:
            bar = bars.add_task(words, total=None, rest=words)
            yield lambda done, total: bars.update(bar, completed=done, total=total, rest=f"{words} {line(done, total)}")


class _TimeLeft:
    """The count with the time left; what was done before an interruption comes at once and is no measure of speed."""

    def __init__(self) -> None:
        self._begun: tuple[float, int] | None = None
        self._before = time.monotonic()

    def __call__(self, done: int, total: int) -> str:
        from agent.cli.progress import duration

        now = time.monotonic()
        if self._begun is None or now - self._before < 0.005:  # read from the disk, not asked
            self._begun = (now, done)
        self._before = now
        since, counted = now - self._begun[0], done - self._begun[1]
        left = f" · {duration(since / counted * (total - done))} left" if counted > 2 and done < total else ""
        return f"{done:,} of {total:,}{left}"
