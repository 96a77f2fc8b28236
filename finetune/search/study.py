"""Hyper-parameter search: short runs of a recipe with different options, the hopeless ones ended early.

Options are proposed by TPE (Bergstra et al. 2011; Watanabe 2023, arXiv:2304.11127), as Optuna implements it. A run that
is worse than the median of the others at the same share of its time is ended (Golovin et al. 2017). The search lives in
a folder (see `finetune.search.folder`) and survives being killed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli.output import counted
from finetune.errors import RecipeError, TrainingDiverged, TrainingInterrupted, TrainingPruned
from finetune.search.folder import Plan, open_study
from finetune.search.results import RESULT, SearchResult, TrialRecord
from finetune.search.space import Choice, Range, starting_point
from finetune.training.checkpoints import remove_checkpoints
from finetune.training.runs import write_json

if TYPE_CHECKING:
    import optuna

    Clock = Callable[[], float]

POINTS = 5  # measurements in a trial, evenly over its time
_TRIALS = "trials"
_ATTEMPTS = 3  # at a trial during which the program ended
_REFUSALS = 3  # in a row, before any trial went well, show that none will
_LOST = "the program ended during it"


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of the recipe.

    Attributes:
        number: counted from 0.
        folder: of the run; it may hold checkpoints of an attempt that was killed.
        values: of the options that are searched.
        report: takes the loss on development data and the point of the run, from 0 to `POINTS`, at which it was
            measured; raises `TrainingPruned` where going on is not worth it.
    """

    number: int
    folder: Path
    values: dict[str, Any]
    report: Callable[[float, int], None]


@contextmanager
def open_search(folder: Path, plan: Plan, clock: Clock = time.monotonic) -> Iterator[Search]:
    """Begin a search in a folder, or go on with the one that is there.

    Args:
        folder: of the search.
        plan: what is searched.
        clock: seconds, of which only differences count.

    Raises:
        RecipeError: the folder holds another search, or files that are none of one, or is in use.
        StorageError: it cannot be written, or its database is damaged.
    """
    with open_study(folder, plan) as study:
        yield Search(folder, plan, study, clock)


class Search:
    """A search in its folder; opened by `open_search`."""

    def __init__(self, folder: Path, plan: Plan, study: optuna.Study, clock: Clock) -> None:
        self.folder, self.plan, self.clock = folder, plan, clock
        self._study = study
        self._distributions = {name: _distribution(part) for name, part in plan.space.parts.items()}
        self._adopt()

    def run(
        self,
        objective: Callable[[Trial], float],
        minutes: float,
        most: int | None = None,
        on_trial: Callable[[SearchResult], None] = lambda result: None,
    ) -> SearchResult:
        """Try options until the time is up.

        Args:
            objective: runs a trial and returns its loss on development data.
            minutes: time of the whole search, that of earlier sessions counted in. A trial begins only if it can end
                in time; the first always begins.
            most: trials to make; None for as many as there is time for.
            on_trial: told after each trial how the search stands.

        Raises:
            TrainingInterrupted: Ctrl-C; the trial is tried again when the search goes on.
            RecipeError: no options that were tried were possible.
        """
        while True:
            ended = self._ended(minutes, most)
            trial = None if ended else self._ask()
            if trial is None:
                return self.result(ended or "space")
            self._try(trial, objective)
            result = self.result()
            self.keep(result)
            on_trial(result)

    def result(self, ended: str = "") -> SearchResult:
        """How the search stands."""
        trials = [self._record(one) for one in self._over()]
        return SearchResult(self.plan.recipe, dict(self.plan.fixed), trials, self._importances(), ended)

    def keep(self, result: SearchResult) -> None:
        """Write result.json, atomically.

        Raises:
            StorageError: it cannot be written.
        """
        write_json(self.folder / RESULT, result.to_json(self.plan.command))

    def _ended(self, minutes: float, most: int | None) -> str:
        every = self._study.get_trials(deepcopy=False)
        done = [one for one in every if _is_over(one)]
        if most is not None and len(done) >= most:
            return "trials"
        times = [one.user_attrs.get("seconds", 0.0) for one in done]
        spent = sum(one.user_attrs.get("seconds", 0.0) for one in every)
        expected = min(self.plan.trial_minutes * 60, max(times, default=0.0))
        return "time" if done and spent + expected > minutes * 60 else ""

    def _ask(self) -> optuna.Trial | None:
        """The next trial; None where all combinations of a small space were tried."""
        trial = self._study.ask(self._distributions)
        space, tried = self.plan.space, [one.params for one in self._over()]
        if trial.params not in tried or not space.is_finite:
            return trial
        self._tell(trial.number, "FAIL")  # tried before; the same run would give the same loss
        left = space.untried(tried, self.plan.seed + len(tried))
        if left is None:
            return None
        self._study.enqueue_trial(left)
        return self._study.ask(self._distributions)

    def _over(self) -> list[optuna.trial.FrozenTrial]:
        """The trials that came to their own end."""
        return [one for one in self._study.get_trials(deepcopy=False) if _is_over(one)]

    def _try(self, trial: optuna.Trial, objective: Callable[[Trial], float]) -> None:
        name = trial.user_attrs.get("folder", f"{trial.number:04d}")
        folder = self.folder / _TRIALS / name
        trial.set_user_attr("folder", name)
        trial.set_user_attr("reason", _LOST)
        begun = self.clock()

        def note(reason: str = _LOST) -> None:
            trial.set_user_attr("seconds", round(self.clock() - begun, 3))
            if reason != _LOST:
                trial.set_user_attr("reason", reason)

        def report(dev_loss: float, point: int) -> None:
            note()
            trial.report(dev_loss, point)
            if point < POINTS and trial.should_prune():
                raise TrainingPruned(f"worse than most at {point} of {POINTS}")

        one = Trial(trial.number, folder, self.plan.space.rounded(trial.params), report)
        try:
            dev_loss = objective(one)
            if not math.isfinite(dev_loss):
                raise TrainingDiverged(f"The loss on development data is not a number ({dev_loss}).")
        except (TrainingPruned, TrainingDiverged, RecipeError) as error:
            # A trial that was not possible counts as a bad one, so that others like it are proposed less.
            note(str(error) if isinstance(error, TrainingPruned) else error.what)
            self._tell(trial.number, "PRUNED")
            if isinstance(error, RecipeError):
                self._check_possible(error)
        except KeyboardInterrupt as error:
            note()
            raise self._interrupted(trial.number) from error
        else:
            note("")
            self._tell(trial.number, "COMPLETE", dev_loss)
        remove_checkpoints(folder / "checkpoints")

    def _tell(self, number: int, state: str, value: float | None = None) -> None:
        from optuna.trial import TrialState

        self._study.tell(number, value, state=TrialState[state])

    def _adopt(self) -> None:
        """Take up what an earlier session left: a trial it was killed in is tried again, from its last checkpoint."""
        from optuna.trial import TrialState

        trials = self._study.trials
        if not trials and (start := starting_point(self.plan.recipe, self.plan.space)):
            self._study.enqueue_trial(start)
        for one in trials:
            if one.state != TrialState.RUNNING:
                continue
            attempt = one.user_attrs.get("attempt", 1)
            if attempt < _ATTEMPTS and len(one.params) == len(self._distributions):
                kept = {"attempt": attempt + 1, "folder": one.user_attrs.get("folder", f"{one.number:04d}")}
                self._study.enqueue_trial(one.params, user_attrs=kept)
                self._tell(one.number, "FAIL")
            else:
                self._tell(one.number, "PRUNED" if attempt >= _ATTEMPTS else "FAIL")

    def _check_possible(self, error: RecipeError) -> None:
        """Give up where nothing but refusals came."""
        done = self._over()
        if len(done) >= _REFUSALS and not any(one.values for one in done):
            raise error

    def _record(self, one: optuna.trial.FrozenTrial) -> TrialRecord:
        reason = str(one.user_attrs.get("reason", ""))
        state = one.state.name.lower()
        if state == "pruned" and not reason.startswith("worse than"):
            state = "failed"
        value = one.value if state != "failed" else None
        seconds = float(one.user_attrs.get("seconds", 0.0))
        points = {int(point): loss for point, loss in one.intermediate_values.items()}
        return TrialRecord(one.number, state, self.plan.space.rounded(one.params), value, seconds, points, reason)

    def _importances(self) -> dict[str, float]:
        """How much of the difference between trials each option explains (PED-ANOVA); empty where too few ended."""
        import optuna

        done = [one for one in self._over() if one.state.name == "COMPLETE"]
        if len(done) < 4 or len({one.value for one in done}) < 2:
            return {}
        try:
            found = optuna.importance.get_param_importances(self._study)
        except (ValueError, RuntimeError, ZeroDivisionError):
            return {}
        return {name: round(float(share), 4) for name, share in found.items() if math.isfinite(share)}

    def _interrupted(self, number: int) -> TrainingInterrupted:
        return TrainingInterrupted(
            f"Stopped during trial {number}, as asked.",
            kept=f"{counted(len(self._over()), 'finished trial')} kept in {self.folder}.",
            fix="Give the same command again to go on; the trial is tried again.",
        )


def _is_over(one: optuna.trial.FrozenTrial) -> bool:
    """Whether a trial came to its own end."""
    return one.state.name in ("COMPLETE", "PRUNED")


def _distribution(part: Range | Choice) -> optuna.distributions.BaseDistribution:
    from optuna import distributions

    if isinstance(part, Choice):
        return distributions.CategoricalDistribution(part.options)
    if part.whole:
        return distributions.IntDistribution(int(part.low), int(part.high), log=part.log)
    return distributions.FloatDistribution(part.low, part.high, log=part.log)
