"""Where the figures of a run go: always metrics.jsonl; MLflow and TensorBoard where asked for."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.errors import StorageError
from finetune.errors import RecipeError, TrainingPruned

if TYPE_CHECKING:
    from finetune.training.runs import Run

METRICS = "metrics.jsonl"
SAMPLES = "samples.jsonl"
_EXPERIMENT = "ratchet"
_INSTALL = "Install it with `pip install {package}`, or leave it out of tracking."


class Tracker(Protocol):
    """Takes figures by name as a run goes on."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Figures of a step."""
        ...

    def close(self, state: str) -> None:
        """The run has ended: "done", "interrupted" or "failed"."""
        ...


class JsonLines:
    """A file to which one line is added at a time.

    A line that was torn by a kill is closed off, so that the next one stands alone.

    Raises:
        StorageError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("a+b")
            if self._file.tell():
                self._file.seek(-1, 2)
                if self._file.read(1) != b"\n":
                    self._file.write(b"\n")
        except OSError as error:
            raise self._refused(error) from error

    def add(self, line: Mapping[str, Any]) -> None:
        """Write one line, and hand it to the system at once.

        Raises:
            StorageError: the disk refused.
        """
        try:
            self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _refused(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self._path} could not be written: {error.strerror or error}.",
            kept="The run's checkpoints are whole.",
            fix="Make room there, then give the same command again.",
        )


def read_metrics(folder: Path) -> dict[int, dict[str, Any]]:
    """The steps of a run by number, from its metrics.jsonl.

    A step that was repeated after a kill stands there twice; the later line counts. Torn lines are passed over.
    """
    steps: dict[int, dict[str, Any]] = {}
    path = folder / METRICS
    if not path.is_file():
        return steps
    for line in path.read_bytes().splitlines():
        try:
            values = json.loads(line)
            steps[values["step"]] = {**steps.get(values["step"], {}), **values}
        except (ValueError, KeyError, TypeError):
            continue
    return steps


class MlflowTracker:
    """Figures in an MLflow database on this machine; no server is asked.

    Look at them with `mlflow ui --backend-store-uri sqlite:///…/mlflow.db`.

    Args:
        folder: where mlflow.db is kept.
        name: of the run.
        parameters: what the run was told.
        run_id: of a run to go on with.
    """

    def __init__(self, folder: Path, name: str, parameters: Mapping[str, Any], run_id: str = "") -> None:
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        folder.mkdir(parents=True, exist_ok=True)
        with _quiet("mlflow", "alembic"):
            self._client = MlflowClient(tracking_uri=f"sqlite:///{folder.absolute() / 'mlflow.db'}")
            known = self._client.get_experiment_by_name(_EXPERIMENT)
            experiment = known.experiment_id if known else self._client.create_experiment(_EXPERIMENT)
        if run_id:
            self.run_id = run_id
        else:
            self.run_id = self._client.create_run(experiment, run_name=name).info.run_id
            flat = [Param(name, str(value)) for name, value in flattened(parameters).items()]
            self._client.log_batch(self.run_id, params=flat)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Figures of a step."""
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self.run_id, metrics=[Metric(name, value, now, step) for name, value in values.items()])

    def close(self, state: str) -> None:
        """Mark the run as ended."""
        self._client.set_terminated(self.run_id, {"done": "FINISHED", "interrupted": "KILLED"}.get(state, "FAILED"))


class TensorBoardTracker:
    """Figures as TensorBoard's event files: `tensorboard --logdir FOLDER`."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Figures of a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self, state: str) -> None:
        """Write what is left."""
        self._writer.close()


@contextmanager
def tracked(run: Run, names: Sequence[str]) -> Iterator[list[Tracker]]:
    """The trackers of a run, told at the end how it went."""
    trackers: list[Tracker] = []
    if "mlflow" in names:
        from agent.config import load_settings

        folder, record = load_settings().home / "runs", run.record
        parameters = {name: record[name] for name in ("recipe", "base", "data", "parent", "options")}
        mlflow = MlflowTracker(folder, run.folder.name, parameters, record.get("mlflow", ""))
        run.note(mlflow=mlflow.run_id)
        trackers.append(mlflow)
    if "tensorboard" in names:
        trackers.append(TensorBoardTracker(run.folder / "tensorboard"))
    state = "failed"
    try:
        yield trackers
        state = "done"
    except (KeyboardInterrupt, TrainingPruned):
        state = "interrupted"
        raise
    finally:
        for tracker in trackers:
            tracker.close(state)


def check_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that are not installed.

    Raises:
        RecipeError: one is not.
    """
    for name, package in (("mlflow", "mlflow-skinny sqlalchemy alembic"), ("tensorboard", "tensorboard")):
        if name in names and any(importlib.util.find_spec(one.split("-")[0]) is None for one in package.split()):
            raise RecipeError(
                f"{name} is not installed.", kept="Nothing was trained.", fix=_INSTALL.format(package=package)
            )


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested names joined by dots."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flattened(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


@contextmanager
def _quiet(*loggers: str) -> Iterator[None]:
    """Without the chatter of a library that sets up its tables, and the advice to its own developers."""
    found = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in found]
    for logger in found:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        for logger, level in zip(found, levels, strict=True):
            logger.setLevel(level)
