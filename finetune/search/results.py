"""What a search found: the best options, the command that trains with them, and all trials as a table and a picture."""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli.output import foreign
from agent.cli.progress import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

RESULT = "result.json"
PICTURE = "trials.png"


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """A trial that is over.

    Attributes:
        number: counted from 0.
        state: "complete", "pruned" (ended early, for it was worse than most) or "failed" (it was not possible).
        values: of the options that are searched.
        dev_loss: nats per target (for preferences, the loss of the recipe), as last measured; None for a failed one.
        seconds: that it took.
        points: the loss at the points of the run at which it was measured.
        reason: why it did not complete.
    """

    number: int
    state: str
    values: dict[str, Any]
    dev_loss: float | None
    seconds: float
    points: dict[int, float]
    reason: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """How a search stands.

    Attributes:
        recipe: its name.
        fixed: options that all trials had.
        trials: in the order in which they began.
        importances: by option, the share of the differences that it explains; empty while too few have completed.
        ended: by "time", "trials" or "space" (everything was tried); empty while it goes on.
    """

    recipe: str
    fixed: dict[str, Any]
    trials: Sequence[TrialRecord]
    importances: dict[str, float]
    ended: str = ""

    @property
    def best(self) -> TrialRecord | None:
        """The complete trial with the lowest loss; None before there is one."""
        complete = [one for one in self.trials if one.state == "complete" and one.dev_loss is not None]
        return min(complete, key=lambda one: one.dev_loss or 0.0, default=None)

    @property
    def options(self) -> dict[str, Any]:
        """The best options, with those that were fixed."""
        return self.fixed | (self.best.values if self.best else {})

    def to_json(self, command: Sequence[str] = ()) -> dict[str, Any]:
        """Plain values; `command` is the command up to the options."""
        best = self.best
        return {
            "recipe": self.recipe,
            "best": None
            if best is None
            else {"trial": best.number, "dev_loss": best.dev_loss, "options": self.options},
            "command": full_command(command, self.options) if best and command else "",
            "importances": self.importances,
            "seconds": round(sum(one.seconds for one in self.trials), 1),
            "ended": self.ended,
            "trials": [asdict(one) for one in self.trials],
        }


def full_command(command: Sequence[str], options: Mapping[str, Any]) -> str:
    """A command with options, for a shell."""
    words = list(command)
    for name, value in options.items():
        words += ["--set", f"{name}={_text(value)}"]
    return shlex.join(words)


def in_words(values: Mapping[str, Any]) -> str:
    """Options in one line."""
    return " ".join(f"{name}={_text(value)}" for name, value in values.items())


def trial_line(one: TrialRecord, best: TrialRecord | None) -> str:
    """How a trial went, in one line."""
    if one.state == "failed":
        return f"Trial {one.number} was not possible: {one.reason} {in_words(one.values)}"
    words = f"Trial {one.number}: {in_words(one.values)} → {_loss(one)}"
    if one.state == "pruned":
        return f"{words}, ended early after {duration(one.seconds)}"
    return f"{words} after {duration(one.seconds)}" + (" (best so far)" if best is one else "")


def table(result: SearchResult) -> Table:
    """All trials, the best first, those that were not possible last."""
    from rich.table import Table

    names = list(dict.fromkeys(name for one in result.trials for name in one.values))
    shown = Table("trial", "dev loss", *names, "time", "", box=None, pad_edge=False)
    for one in sorted(result.trials, key=_rank):
        cells = [str(one.number), _loss(one), *(_text(one.values.get(name, "")) for name in names)]
        note = "" if one.state == "complete" else "ended early" if one.state == "pruned" else one.reason
        shown.add_row(*map(foreign, (*cells, duration(one.seconds), note)))
    return shown


def plot(result: SearchResult, folder: Path) -> Path | None:
    """Draw losses by trial and over each trial's time; None where matplotlib is not installed or nothing was measured.

    Returns:
        The picture's path.
    """
    measured = [one for one in result.trials if one.dev_loss is not None]
    if not measured or importlib.util.find_spec("matplotlib") is None:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_trials(left, measured)
    _draw_curves(right, measured, result.best)
    target = folder / PICTURE
    figure.savefig(target, dpi=120)
    return target


def _draw_trials(axes: Axes, trials: Sequence[TrialRecord]) -> None:
    for state, marker in (("complete", "o"), ("pruned", "x")):
        chosen = [one for one in trials if one.state == state]
        axes.plot([one.number for one in chosen], [one.dev_loss or 0.0 for one in chosen], marker, label=state)
    lowest: list[float] = []
    complete = [one for one in trials if one.state == "complete" and one.dev_loss is not None]
    for one in complete:
        lowest.append(min(one.dev_loss or 0.0, *lowest[-1:]) if lowest else one.dev_loss or 0.0)
    axes.step([one.number for one in complete], lowest, where="post", label="best so far")
    axes.set(xlabel="trial", ylabel="loss on development data")
    axes.legend()


def _draw_curves(axes: Axes, trials: Sequence[TrialRecord], best: TrialRecord | None) -> None:
    for one in trials:
        places = sorted(one.points)
        strong = best is not None and one.number == best.number
        style: dict[str, Any] = {"linewidth": 2.5, "label": "best"} if strong else {"alpha": 0.4, "linewidth": 1}
        axes.plot(places, [one.points[place] for place in places], "k" if strong else "", **style)
    axes.set(xlabel="point of the trial", ylabel="loss on development data")
    if best is not None:
        axes.legend()


def _rank(one: TrialRecord) -> tuple[int, float]:
    order = {"complete": 0, "pruned": 1}.get(one.state, 2)
    return order, one.number if one.dev_loss is None else one.dev_loss


def _loss(one: TrialRecord) -> str:
    return "–" if one.dev_loss is None else f"{one.dev_loss:.4f}"


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
