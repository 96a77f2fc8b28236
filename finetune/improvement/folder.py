"""What a run has done so far, kept in its folder; and that one runs at a time.

home/runs/NAME/improve.json     options, stage, facts
test.jsonl …     of the stages, see `finetune.improve`
home/datasets/NAME/             what it learned from
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from agent.errors import RatchetError, StorageError
from finetune.errors import (
    AdapterInvalid,
    AdapterMissing,
    BaseMismatch,
    DatasetError,
    EvaluationError,
    ExportError,
    ImproveBusy,
    RecipeError,
    TrainingDiverged,
)
from finetune.improvement.options import ImproveOptions
from finetune.training.runs import write_json

STATE = "improve.json"
_FORMAT = 1
# A run that met one of them would meet it again; what is missing, busy or full may be there the next time.
_LASTING = (AdapterInvalid, AdapterMissing, BaseMismatch, DatasetError, EvaluationError, ExportError, TrainingDiverged)
State = Literal["running", "waiting", "served", "refused", "given up", "failed"]


class RunFolder:
    """One run; what it notes is on the disk before the next stage begins."""

    def __init__(self, path: Path, state: dict[str, Any]) -> None:
        self.path = path
        self.facts = state

    @property
    def name(self) -> str:
        """Of the run, its data set and its adapter."""
        return self.path.name

    @property
    def state(self) -> State:
        """How it stands."""
        found: State = self.facts["state"]
        return found

    @property
    def dataset(self) -> Path:
        """Where its data set is."""
        return self.path.parents[1] / "datasets" / self.name

    @property
    def verdict(self) -> Path:
        """Where the gate's verdict is."""
        return self.path / "verdict"

    def has(self, stage: str) -> bool:
        """Whether a stage is behind it."""
        return stage in self.facts["done"]

    def note(self, stage: str = "", **facts: Any) -> None:
        """Keep what came of a stage.

        Raises:
            StorageError: the disk refused.
        """
        done = [*self.facts["done"], stage] if stage and not self.has(stage) else self.facts["done"]
        self.facts = {**self.facts, **facts, "done": done, "changed": _now()}
        write_json(self.path / STATE, self.facts)


def begin(home: Path, name: str, options: ImproveOptions, signals: tuple[str, ...]) -> RunFolder:
    """A new run.

    Raises:
        RecipeError: there is one of that name.
        StorageError: the folder cannot be made.
    """
    folder = home / "runs" / name
    if folder.exists() or (home / "datasets" / name).exists():
        raise RecipeError(f'There is a run "{name}" already.', kept="It stays.", fix="Take another --name.")
    made = folder.with_name(f".{name}.new")  # appears with its state in it, or not at all
    run = RunFolder(made, {"format": _FORMAT, "state": "running", "done": [], "began": _now()})
    try:
        made.mkdir(parents=True, exist_ok=True)
        made.chmod(0o700)  # questions and answers of private conversations lie here
        run.note(options=options.to_json(), signals=list(signals))
        made.rename(folder)
    except OSError as error:
        raise StorageError(f"The folder {folder} cannot be made: {error.strerror or error}.") from error
    return RunFolder(folder, run.facts)


def is_at_work(home: Path) -> bool:
    """Whether a run goes on at this moment."""
    if not (home / "runs").is_dir():
        return False
    try:
        with alone(home, patience=0):
            return False
    except ImproveBusy:
        return True


def discard(run: RunFolder) -> None:
    """Forget a run that ended before it did anything."""
    if not run.facts["done"]:
        shutil.rmtree(run.path, ignore_errors=True)


def give_up(run: RunFolder, error: RatchetError) -> None:
    """Note what stopped a run: one that would meet the same again is not gone on with; one without results is gone."""
    if not run.facts["done"]:
        discard(run)
    elif isinstance(error, _LASTING):
        run.note(state="failed", failure=error.what)


def runs(home: Path) -> list[RunFolder]:
    """All runs of the loop, oldest first; what cannot be read is none."""
    found = []
    for path in (home / "runs").glob(f"[!.]*/{STATE}"):
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            if state["format"] == _FORMAT and {"state", "done", "options", "signals", "began"} <= state.keys():
                found.append(RunFolder(path.parent, state))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda run: (run.facts["began"], run.name))


def run_named(home: Path, name: str) -> RunFolder:
    """A run by its name.

    Raises:
        AdapterMissing: there is none.
    """
    for run in runs(home):
        if run.name == name:
            return run
    raise AdapterMissing(f'No run of `ratchet improve` is called "{name}".', fix="`ratchet improve list` names them.")


def unfinished(home: Path) -> RunFolder | None:
    """The run that was interrupted, if there is one."""
    return next((run for run in reversed(runs(home)) if run.state == "running"), None)


def latest(home: Path) -> RunFolder | None:
    """The last run that came to a verdict."""
    return next((run for run in reversed(runs(home)) if run.state not in ("running", "given up", "failed")), None)


@contextmanager
def alone(home: Path, patience: float = 1.0) -> Iterator[None]:
    """While no other run goes on; the lock ends with the process that holds it, however that ends.

    Args:
        home: whose runs.
        patience: seconds to wait, as whoever asks `is_at_work` holds the lock for a moment.

    Raises:
        ImproveBusy: another one does.
        StorageError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    path = home / "runs" / ".improve.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(timeout=patience)
    except Timeout as error:
        raise ImproveBusy(
            "Another `ratchet improve` is at work.",
            kept="It goes on undisturbed.",
            fix="Wait for it to end; `ratchet improve status` shows how it stands.",
        ) from error
    except OSError as error:
        raise StorageError(f"{path} cannot be used: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()


def _now() -> str:
    return datetime.now(UTC).isoformat()
