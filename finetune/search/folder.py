"""The folder of a search: what is searched in it, its database, and that nobody else is at it.

OUT/search.json    what is searched: recipe, base, data, space, fixed options
    trials.db      every trial and what was measured in it (SQLite)
    trials/0007/   the run of one trial: metrics.jsonl, run.json
    result.json    the best options so far, the command that trains with them, all trials
"""

from __future__ import annotations

import importlib.util
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from agent.errors import StorageError
from finetune.errors import RecipeError
from finetune.search.results import RESULT
from finetune.search.space import Space
from finetune.training.runs import write_json

if TYPE_CHECKING:
    import optuna

RECORD = "search.json"
_DATABASE = "trials.db"
_STARTUP = 6  # trials before proposals learn from them
_BEFORE_PRUNING = 3  # trials that must have gone to their end


@dataclass(frozen=True, slots=True)
class Plan:
    """What is searched; a folder holds one.

    Attributes:
        recipe: its name.
        space: the options to choose.
        fixed: options with one value for all trials.
        trial_minutes: time that one trial may take.
        seed: of the proposals.
        subject: SHA-256 of base, data and parent adapter, by name.
        command: how to train with the options that are found, up to them.
    """

    recipe: str
    space: Space
    fixed: Mapping[str, Any] = field(default_factory=dict)
    trial_minutes: float = 5.0
    seed: int = 0
    subject: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        """Plain values; searches that differ in them cannot be continued by each other."""
        values = {name: getattr(self, name) for name in ("recipe", "trial_minutes", "seed")}
        values |= {"space": str(self.space), "fixed": dict(self.fixed), **self.subject}
        return dict(json.loads(json.dumps(values)))


def check_optuna() -> None:
    """Refuse to search without Optuna.

    Raises:
        RecipeError: it is not installed.
    """
    if importlib.util.find_spec("optuna") is None:
        raise RecipeError(
            "optuna is not installed, which searches need.",
            kept="Nothing was trained.",
            fix="Install it with `pip install 'ratchet-agent[finetune]'`.",
        )


@contextmanager
def open_study(folder: Path, plan: Plan) -> Iterator[optuna.Study]:
    """Begin a search in a folder, or go on with the one that is there; nobody else may search in it meanwhile.

    Raises:
        RecipeError: the folder holds another search, or files that are none of one, or is in use.
        StorageError: it cannot be written, or its database is damaged.
    """
    check_optuna()
    _check_folder(folder, plan)
    lock = _locked(folder)
    try:
        if not (folder / RECORD).is_file():
            write_json(folder / RECORD, plan.identity)
        with _study(folder, plan) as study:
            yield study
    finally:
        lock.release()


def recorded_plan(folder: Path) -> dict[str, Any]:
    """What search.json says; empty where there is none.

    Raises:
        RecipeError: it cannot be read.
    """
    path = folder / RECORD
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RecipeError(
            f"{path} cannot be read: {error}.", kept="Nothing in the folder was touched.", fix="Name a new folder."
        ) from error


def _locked(folder: Path) -> FileLock:
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RecipeError(
            f"Another process is searching in {folder}.", kept="It goes on.", fix="Wait for it, or name a new folder."
        ) from error
    except OSError as error:
        raise StorageError(
            f"The folder {folder} cannot be written: {error.strerror or error}.",
            kept="Nothing was trained.",
            fix="Name a folder that you may write to.",
        ) from error
    return lock


@contextmanager
def _study(folder: Path, plan: Plan) -> Iterator[optuna.Study]:
    """Optuna's study in the folder's database, its chatter silenced and its failures put in our words."""
    import optuna
    from sqlalchemy.event import listen
    from sqlalchemy.exc import SQLAlchemyError

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = None
    try:
        # Not Optuna's journal file, which cannot be read any more once a kill has torn one of its lines.
        storage = optuna.storages.RDBStorage(f"sqlite:///{(folder / _DATABASE).absolute()}")
        listen(storage.engine, "connect", _write_ahead)
        storage.engine.dispose()  # connections from before
        study = optuna.create_study(storage=storage, study_name=plan.recipe, load_if_exists=True)
        # Proposals after an interruption must not repeat those before it.
        study.sampler = optuna.samplers.TPESampler(seed=plan.seed + len(study.trials), n_startup_trials=_STARTUP)
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=_BEFORE_PRUNING, n_warmup_steps=1)
        yield study
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise StorageError(
            f"The trials in {folder / _DATABASE} cannot be read or written: {error.__cause__ or error}.",
            kept=f"What was found before is in {folder / RESULT}, if a trial had ended.",
            fix="Make room there; if the file is damaged, name a new folder.",
        ) from error
    finally:
        if storage is not None:
            storage.engine.dispose()
        optuna.logging.set_verbosity(level)


def _write_ahead(connection: sqlite3.Connection, record: object) -> None:
    """Whole after a kill or a power cut, without waiting for the disk at each figure."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _check_folder(folder: Path, plan: Plan) -> None:
    record = recorded_plan(folder)
    if not record:
        if folder.is_dir() and any(one.name != ".lock" for one in folder.iterdir()):
            raise RecipeError(
                f"The folder {folder} is not empty and holds no search.",
                kept="Nothing in it was touched.",
                fix="Name a new folder.",
            )
        return
    now = plan.identity
    changed = [name for name in sorted({*record, *now}) if record.get(name) != now.get(name)]
    if changed:
        words = [f"{name} ({record.get(name)} there, {now.get(name)} now)" for name in changed]
        raise RecipeError(
            f"The folder {folder} holds another search; what differs: {', '.join(words)}.",
            kept="The search in it was not touched.",
            fix="Give the same options to go on with it, or name a new folder with --out.",
        )
