"""The loop that every recipe runs: units of work in, smaller loss out, and nothing lost on the way.

Plain Accelerate: the same loop runs on a CPU, a GPU, or several under `accelerate launch` with its own configuration.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import broadcast_object_list

from finetune.errors import RecipeError, TrainingDiverged, TrainingInterrupted
from finetune.training.checkpoints import latest, read_tensors, write_checkpoint, write_tensors
from finetune.training.hardware import accelerator, memory_used, save_memory
from finetune.training.options import TrainingOptions
from finetune.training.progress import Progress
from finetune.training.runs import Run, check_space
from finetune.training.samples import sample
from finetune.training.schedule import Clock, factor, plan
from finetune.training.sharding import check_kind, is_sharded, make_whole, part, parts_of_state, rest, whole
from finetune.training.stopping import Stop, stopping
from finetune.training.tracking import METRICS, SAMPLES, JsonLines, Tracker, read_metrics

if TYPE_CHECKING:
    from finetune.training.objectives import Objective
    from finetune.training.progress import OnProgress

_SMOOTHING = 0.9  # of the loss that is shown, from step to step


@dataclass(frozen=True, slots=True)
class Trainee:
    """What is trained, on what.

    Attributes:
        model: the live model; what is to be learned requires a gradient.
        objective: what it learns from.
        dev: what it is measured on.
        rates: shares of the learning rate by a part of a parameter's name; others have 1 (LoRA+).
        prompts: token numbers that samples go on from.
        tokenizer: turns them into text.
    """

    model: Any
    objective: Objective
    dev: Objective | None = None
    rates: dict[str, float] = field(default_factory=dict)
    prompts: Sequence[Sequence[int]] = ()
    tokenizer: Any = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went: optimizer steps, losses in nats per target, seconds, tokens; `ended` by "data" or "time"."""

    steps: int
    loss: float
    dev_loss_before: float | None
    dev_loss: float | None
    seconds: float
    tokens: int
    targets: int
    ended: str


class _Step(torch.nn.Module):
    """The model and its loss as one module, so that wrappers for several devices see every forward pass."""

    def __init__(self, trainee: Trainee) -> None:
        super().__init__()
        self.model = trainee.model
        self._loss = trainee.objective.loss
        self._no_split_modules = getattr(trainee.model, "_no_split_modules", None)  # layers that FSDP cuts by default

    def forward(self, unit: Any, device: torch.device) -> torch.Tensor:
        """The summed loss of a unit."""
        return self._loss(self.model, unit, device)


def fit(
    trainee: Trainee,
    options: TrainingOptions,
    run: Run,
    *,
    trackers: Sequence[Tracker] = (),
    on_progress: OnProgress | None = None,
    began: float | None = None,
) -> Outcome:
    """Train, from the beginning or from the run's last checkpoint.

    Args:
        trainee: the model and what it learns from; the model is changed in place.
        options: how.
        run: where checkpoints and figures go.
        trackers: where figures go besides.
        on_progress: told after each step; what it raises (see `TrainingPruned`) ends the run.
        began: `time.monotonic()` when preparation began, which counts into the time that the run may take.

    Raises:
        TrainingDiverged: the loss or its gradient is not a finite number.
        TrainingInterrupted: Ctrl-C or SIGTERM; a checkpoint was written.
        RecipeError: the run was finished before.
        StorageError: the disk is full.
    """
    if run.result is not None:
        raise RecipeError(
            f"The run in {run.folder} is finished.", kept=f"Its result is in {run.result}.", fix="Name a new folder."
        )
    loop = _Loop(trainee, options, run, trackers, on_progress or (lambda progress: None))
    with stopping() as stop:
        return loop.run_through(stop, began if began is not None else time.monotonic())


class _Loop:
    def __init__(
        self, trainee: Trainee, options: TrainingOptions, run: Run, trackers: Sequence[Tracker], on_progress: OnProgress
    ) -> None:
        self.trainee, self.options, self.run = trainee, options, run
        self.trackers, self.on_progress = trackers, on_progress
        self.accelerator = accelerator(run.record["precision"])
        check_kind(self.accelerator)
        self.is_main = self.accelerator.is_main_process
        torch.manual_seed(options.seed)
        if options.gradient_checkpointing:
            save_memory(trainee.model)
        parameters = [one for one in trainee.model.parameters() if one.requires_grad]
        size = sum(one.numel() for one in parameters)
        check_space(run.folder, size)
        if self.is_main:
            run.note(parameters=size)
        optimizer = torch.optim.AdamW(
            _groups(trainee, options), lr=options.learning_rate, betas=(0.9, options.beta2), weight_decay=0.0
        )
        self.module, self.optimizer = self.accelerator.prepare(_Step(trainee), optimizer)
        # In the module's order, by which Accelerate knows them where each process holds a part.
        self.parameters = [one for one in self.module.parameters() if one.requires_grad]
        self.steps = plan(trainee.objective.counts, options)
        self.clock = Clock(len(self.steps), options.minutes)
        self.dev = trainee.dev.limited(options.dev_tokens) if trainee.dev and options.dev_tokens else None
        self.step = self.tokens = self.targets = 0
        self.loss = math.nan
        self.dev_before: float | None = None
        self.dev_loss: float | None = None
        self.dev_points = 0  # of `dev_times`, how many are behind
        self.measured_at = -1  # step of the last measurement
        self.recorded: dict[int, dict[str, Any]] = {}

    def run_through(self, stop: Stop, began: float) -> Outcome:
        """All steps, with what happens between them."""
        self._restore()
        self.clock.waited(time.monotonic() - began)
        log, samples = JsonLines(self.run.folder / METRICS), JsonLines(self.run.folder / SAMPLES)
        try:
            if self.step == 0 and (self.options.dev_every or self.options.dev_times):
                self._measure(log)
                self.dev_before = self.dev_loss
            saved = time.monotonic()
            while not self._agreed(self.clock.is_over(self.step)):
                self._advance(log)
                if self._dev_due():
                    self._measure(log)
                if self._is_due(self.options.sample_every):
                    self._sample(samples)
                if self._agreed(stop.requested or self._checkpoint_due(saved)):
                    self._checkpoint()
                    saved = time.monotonic()
                if self._agreed(stop.requested):
                    raise self._interrupted()
            if self.measured_at != self.step:
                self._measure(log)
            if self.options.sample_every:
                self._sample(samples)
            self._checkpoint()
            if self._is_sharded:
                make_whole(self.module)
        finally:
            log.close()
            samples.close()
        ended = "data" if self.step == len(self.steps) else "time"
        figures = self.loss, self.dev_before, self.dev_loss, self.clock.spent, self.tokens, self.targets
        return Outcome(self.step, *figures, ended)

    def _advance(self, log: JsonLines) -> None:
        """One optimizer step."""
        begun = time.monotonic()
        progress = self._progress()
        rate = self.options.learning_rate * factor(progress, self.options)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        units = self.steps[self.step]
        count = sum(self.trainee.objective.counts[unit] for unit in units)
        loss = self._backward(units, count) / count
        norm = float(whole(self.accelerator.clip_grad_norm_(self.parameters, self.options.clip or math.inf)))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise self._diverged(loss)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        self.targets += count
        tokens = sum(self.trainee.objective.tokens[unit] for unit in units)
        self.tokens += tokens
        self.loss = loss if math.isnan(self.loss) else _SMOOTHING * self.loss + (1 - _SMOOTHING) * loss
        seconds = time.monotonic() - begun
        self.clock.stepped(seconds)
        figures = {"loss": loss, "learning_rate": rate, "gradient_norm": norm, "progress": progress}
        self._log(log, figures | {"tokens": tokens, "targets": count, "seconds": round(seconds, 3)})
        self._show(tokens / seconds, count / seconds)

    def _backward(self, units: Sequence[int], count: int) -> float:
        """Gradients of the mean over all targets of the step; returns the summed loss."""
        objective, world, device = self.trainee.objective, self.accelerator.num_processes, self.accelerator.device
        turns = self._turns(units)
        self.module.train()
        total = torch.zeros((), device=device)
        for turn, (unit, weight) in enumerate(turns):
            self.accelerator.sync_gradients = turn == len(turns) - 1
            with nullcontext() if self.accelerator.sync_gradients else self.accelerator.no_sync(self.module):
                loss = self.module(objective.units[unit], device)
                # Gradients of several processes are averaged; times their number, they are summed.
                self.accelerator.backward(loss * (weight * world / count))
            total += loss.detach() * weight
        return float(self.accelerator.reduce(total, "sum"))

    def _progress(self) -> float:
        """How far the run is; where a step is repeated after a kill, what was noted at its first time."""
        recorded = self.recorded.get(self.step + 1)
        progress = recorded["progress"] if recorded else self.clock.progress(self.step)
        return float(self._from_main(progress))

    def _measure(self, log: JsonLines) -> None:
        if self.dev is None:
            return
        begun = time.monotonic()
        self.module.eval()
        total = torch.zeros((), device=self.accelerator.device)
        with torch.no_grad():
            for unit, weight in self._turns(self.dev.units):
                total += self.module(unit, self.accelerator.device) * weight
        self.dev_loss = float(self.accelerator.reduce(total, "sum")) / sum(self.dev.counts)
        seconds = time.monotonic() - begun
        self.clock.waited(seconds)
        self.clock.reserve = seconds
        self.measured_at = self.step
        self._log(log, {"dev_loss": self.dev_loss})

    def _turns(self, units: Sequence[Any]) -> list[tuple[Any, float]]:
        """Which units this process takes, of those that several take turns with, and their weights.

        One that runs out repeats a unit with no weight, since all must take part in each exchange of gradients or of
        parts of the weights.
        """
        world = self.accelerator.num_processes
        mine = [(unit, 1.0) for unit in units[self.accelerator.process_index :: world]]
        return mine + [(units[0], 0.0)] * (math.ceil(len(units) / world) - len(mine))

    def _sample(self, samples: JsonLines) -> None:
        if not self.is_main or not self.trainee.prompts:
            return
        begun = time.monotonic()
        self.module.eval()
        for prompt in self.trainee.prompts:
            pair = sample(self.trainee.model, self.trainee.tokenizer, prompt, self.options.sample_tokens)
            samples.add({"step": self.step, "prompt": pair[0], "reply": pair[1]})
        self.clock.waited(time.monotonic() - begun)

    def _checkpoint(self) -> None:
        begun = time.monotonic()
        state = {
            "clock": self.clock.state(),
            "tokens": self.tokens,
            "targets": self.targets,
            "loss": self.loss,
            "dev_before": self.dev_before,
            "dev_loss": self.dev_loss,
            "dev_points": self.dev_points,
            "measured_at": self.measured_at,
        }
        if self._is_sharded:
            rest(self.module)
        weights, optimizer = whole(self._trained()), whole(self.optimizer.state_dict())
        if self.is_main:
            write_checkpoint(
                self.run.checkpoints, self.step, state, lambda folder: write_tensors(folder, weights, optimizer)
            )
        self.accelerator.wait_for_everyone()
        self.clock.waited(time.monotonic() - begun)

    def _restore(self) -> None:
        found = latest(self.run.checkpoints)
        self.recorded = read_metrics(self.run.folder) if found or self.run.resumed else {}
        if found is None:
            return
        folder, state = found
        weights, optimizer = read_tensors(folder)
        with torch.no_grad():
            for name, parameter in self._trained().items():
                parameter.copy_(part(weights[name], parameter))
        self.optimizer.load_state_dict(parts_of_state(optimizer, self.optimizer))
        self.step, self.tokens, self.targets = state["step"], state["tokens"], state["targets"]
        self.loss, self.dev_before, self.dev_loss = state["loss"], state["dev_before"], state["dev_loss"]
        self.dev_points, self.measured_at = state["dev_points"], state["measured_at"]
        self.clock.restore(state["clock"])

    def _trained(self) -> dict[str, torch.Tensor]:
        """What is learned, by name; a parameter with two names (tied embeddings) stands there once."""
        model = self.trainee.model
        return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}

    @property
    def _is_sharded(self) -> bool:
        return is_sharded(self.accelerator)

    def _is_due(self, every: int) -> bool:
        return bool(every) and self.step % every == 0

    def _dev_due(self) -> bool:
        if not self.options.dev_times:
            return self._is_due(self.options.dev_every)
        behind, self.dev_points = self.dev_points, int(self.clock.progress(self.step) * self.options.dev_times)
        return self._agreed(self.dev_points > behind)

    def _checkpoint_due(self, saved: float) -> bool:
        return self._is_due(self.options.checkpoint_steps) or time.monotonic() - saved > self.options.checkpoint_seconds

    def _agreed(self, decision: bool) -> bool:
        """The main process's decision, for clocks and signals differ from process to process."""
        return bool(self._from_main(decision))

    def _from_main(self, value: Any) -> Any:
        if self.accelerator.num_processes == 1:
            return value
        box = [value]
        broadcast_object_list(box)
        return box[0]

    def _log(self, log: JsonLines, figures: dict[str, float]) -> None:
        if not self.is_main:
            return
        log.add({"step": self.step, **figures})
        for tracker in self.trackers:
            tracker.log(self.step, figures)

    def _show(self, tokens_per_second: float, targets_per_second: float) -> None:
        if self.is_main:
            share, left = self.clock.progress(self.step), self.clock.left(self.step)
            speed = tokens_per_second, targets_per_second
            losses = self.loss, self.dev_loss
            self.on_progress(Progress(share, self.step, len(self.steps), *losses, *speed, left, memory_used()))

    def _kept(self) -> str:
        found = latest(self.run.checkpoints)
        return f"Everything up to step {found[1]['step']:,} is kept in {self.run.folder}." if found else ""

    def _diverged(self, loss: float) -> TrainingDiverged:
        return TrainingDiverged(
            f"The loss is no longer a number after step {self.step:,} ({loss}).",
            kept=self._kept() or "Nothing was kept: no checkpoint had been written yet.",
            fix=f"Train into a new folder with a lower learning_rate (now {self.options.learning_rate:g}) or clip.",
        )

    def _interrupted(self) -> TrainingInterrupted:
        return TrainingInterrupted(
            f"Stopped after step {self.step:,} of {len(self.steps):,}, as asked.",
            kept=self._kept(),
            fix="Give the same command again to go on from there.",
        )


def _groups(trainee: Trainee, options: TrainingOptions) -> list[dict[str, Any]]:
    """Parameters by their share of the learning rate and by whether they decay (matrices do, vectors do not)."""
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in trainee.model.named_parameters():
        if parameter.requires_grad:
            scale = next((share for part, share in trainee.rates.items() if part in name), 1.0)
            decay = options.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((scale, decay), []).append(parameter)
    return [{"params": members, "scale": scale, "weight_decay": decay} for (scale, decay), members in groups.items()]
