"""The folder of a training run: what the run is, how far it got, and the lineage of what comes out.

OUT/run.json          identity (recipe, base, data, options, parent), state, results
    metrics.jsonl     one line for each optimizer step
    samples.jsonl     replies of the model on its way
    checkpoints/      where to go on after an interruption
    adapter/          the result, with a copy of run.json
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import adapters
from agent.errors import StorageError
from finetune.errors import BaseMismatch, RecipeError, refusal_of
from finetune.training.checkpoints import remove_checkpoints

RECORD = "run.json"
_SLACK = 64 * 2**20  # bytes for logs, samples, and what else is on the disk


@dataclass(frozen=True, slots=True)
class Identity:
    """What a run learns from what; two runs that agree in it learn the same.

    Attributes:
        recipe: its name.
        base: SHA-256 of the model file.
        data: SHA-256 of the training examples.
        options: those that the result depends on.
        parent: SHA-256 of the adapter it starts from; empty for none.
    """

    recipe: str
    base: str
    data: str
    options: Mapping[str, Any]
    parent: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(json.dumps(self._values(), sort_keys=True).encode()).hexdigest()

    def _values(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in ("recipe", "base", "data", "parent")}
        return {**values, "options": dict(self.options)}


class Run:
    """One run in its folder; opened by `open_run`."""

    def __init__(self, folder: Path, record: dict[str, Any], resumed: bool) -> None:
        self.folder = folder
        self.record = record
        self.resumed = resumed

    @property
    def checkpoints(self) -> Path:
        """Where its checkpoints are."""
        return self.folder / "checkpoints"

    @property
    def result(self) -> Path | None:
        """The folder of its result, once that is saved."""
        return self.folder / self.record.get("result", "adapter") if self.record.get("state") == "done" else None

    def note(self, **values: Any) -> None:
        """Add to the record, atomically.

        Raises:
            StorageError: it cannot be written.
        """
        self.record |= values
        write_json(self.folder / RECORD, self.record)

    def finish(self, result: Path, **values: Any) -> Path:
        """Record the result, put the lineage beside it, and delete the checkpoints.

        Returns:
            The result's folder.
        """
        values |= {"state": "done", "result": result.name}
        write_json(result / RECORD, self.record | values)
        self.note(**values)
        remove_checkpoints(self.checkpoints)
        return result


def open_run(folder: Path, identity: Identity) -> Run:
    """Begin a run in a folder, or go on with the one that is there.

    Raises:
        RecipeError: the folder holds another run, or files that are none of a run.
        BaseMismatch: it holds a run of another base model.
        StorageError: it cannot be written.
    """
    record = read_record(folder)
    if record is None:
        if folder.is_dir() and any(folder.iterdir()):
            raise RecipeError(
                f"The folder {folder} is not empty and holds no training run.",
                kept="Nothing in it was touched.",
                fix="Name a new folder.",
            )
        run = Run(folder, {**identity._values(), "digest": identity.digest, "state": "running"}, resumed=False)
        _make(folder)
        run.note()
        return run
    _check_same(folder, record, identity)
    return Run(folder, record, resumed=True)


def read_record(folder: Path) -> dict[str, Any] | None:
    """What run.json says; None where there is none.

    Raises:
        RecipeError: it cannot be read.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise RecipeError(
            f"{path} cannot be read: {error}.", kept="Nothing in the folder was touched.", fix="Name a new folder."
        ) from error
    return record


def _check_same(folder: Path, record: Mapping[str, Any], identity: Identity) -> None:
    kept = "The run in it was not touched."
    if record.get("base") != identity.base:
        raise BaseMismatch(
            f"The run in {folder} is of another base model: {str(record.get('base'))[:8]}…, not {identity.base[:8]}….",
            kept=kept,
            fix="Name that model with --base, or a new folder with --out.",
        )
    if record.get("digest") == identity.digest:
        return
    values = identity._values()
    changed = [name for name in ("recipe", "data", "parent") if record.get(name) != values[name]]
    raise RecipeError(
        f"The folder {folder} holds a run of another configuration; what differs: "
        f"{', '.join(changed + _changed(record.get('options', {}), values['options']))}.",
        kept=kept,
        fix="Give the same options to go on with it, or name a new folder with --out.",
    )


def _changed(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    plain = json.loads(json.dumps(dict(now)))
    for name in sorted({*before, *plain}):
        old, new = before.get(name), plain.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            names += _changed(old, new)
        elif old != new:
            names.append(f"{name} ({old} there, {new} now)")
    return names


def check_space(folder: Path, parameters: int) -> None:
    """Refuse to begin where the checkpoints will not fit.

    Args:
        folder: of the run.
        parameters: numbers that are trained, of four bytes each.

    Raises:
        StorageError: there is too little room.
    """
    # A checkpoint holds the weights and two moments of each; three are there while the oldest is not yet deleted.
    needed = parameters * 4 * (3 * 3 + 1) + _SLACK
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"This run needs {needed / 2**20:,.0f} MiB in {folder}, and {free / 2**20:,.0f} MiB are free.",
            kept="Nothing was trained.",
            fix="Make room, or name a folder on another disk with --out.",
        )


@contextmanager
def whole_folder(target: Path, what: str) -> Iterator[Path]:
    """A new folder to write the result of a run into, which takes the place of `target` at the end.

    Args:
        target: where the result belongs.
        what: is written, as an error names it.

    Raises:
        StorageError: the disk refused.
    """
    from safetensors import SafetensorError

    work = target.with_name(f".{target.name}.new")
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        yield work
        shutil.rmtree(target, ignore_errors=True)
        work.rename(target)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"The {what} could not be written to {target}: {refusal_of(error)}.",
            kept="The run's last checkpoint is whole.",
            fix="Make room there, then give the same command again: only the saving is left.",
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Write a file of plain values so that it is there whole or not at all.

    Raises:
        StorageError: the disk refused.
    """
    try:
        adapters.write_json(path, value)
    except OSError as error:
        raise StorageError(
            f"{path} could not be written: {error.strerror or error}.", fix="Make room there, then try again."
        ) from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The folder {folder} cannot be made: {error.strerror or error}.",
            kept="Nothing was trained.",
            fix="Name a folder that you may write to.",
        ) from error
