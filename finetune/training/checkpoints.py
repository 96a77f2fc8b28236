"""Checkpoints that are there whole or not at all, so that a run can be killed at any moment.

    checkpoints/step-00000120/weights.safetensors    what is trained, by parameter name
                              optimizer.pt           moments of the optimizer and the state of the random numbers
                              state.json             step, seconds and tokens so far, sizes of the other files

A checkpoint is written under another name, forced to the disk and then renamed. The two newest are kept: should the
newest be damaged by a fault of the disk, the one before is taken.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import StorageError

if TYPE_CHECKING:
    import torch

WEIGHTS = "weights.safetensors"
OPTIMIZER = "optimizer.pt"
STATE = "state.json"
KEPT = 2
_PREFIX = "step-"
_UNFINISHED = ".new-"


def write_checkpoint(folder: Path, step: int, state: Mapping[str, Any], write: Callable[[Path], None]) -> Path:
    """Add a checkpoint and delete those beyond the newest two.

    Args:
        folder: where checkpoints are kept.
        step: optimizer steps done.
        state: plain values kept beside the tensors.
        write: puts the other files into the folder it is given.

    Raises:
        StorageError: the disk refused; the checkpoints that were there are still there.
    """
    work = folder / f"{_UNFINISHED}{step:08d}"
    target = folder / f"{_PREFIX}{step:08d}"
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        write(work)
        sizes = {str(file.relative_to(work)): file.stat().st_size for file in sorted(work.rglob("*")) if file.is_file()}
        (work / STATE).write_text(json.dumps({**state, "step": step, "files": sizes}), encoding="utf-8")
        for file in work.rglob("*"):
            _to_disk(file)
        _to_disk(work)
        shutil.rmtree(target, ignore_errors=True)
        work.rename(target)
        _to_disk(folder)
    except OSError as error:
        shutil.rmtree(work, ignore_errors=True)
        raise StorageError(
            f"A checkpoint could not be written to {folder}: {error.strerror or error}.",
            kept="Earlier checkpoints are whole." if checkpoints(folder) else "",
            fix="Make room there, then give the same command again: the run goes on from the last checkpoint.",
        ) from error
    for old in checkpoints(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def write_tensors(folder: Path, weights: Mapping[str, torch.Tensor], optimizer: Mapping[str, Any]) -> None:
    """Write what is trained, by name, the optimizer's state and that of the random numbers.

    Raises:
        OSError: the disk refused.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    random = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
    try:
        save_file({name: one.detach().cpu().contiguous() for name, one in weights.items()}, folder / WEIGHTS)
        torch.save({"optimizer": optimizer, "random": random}, folder / OPTIMIZER)
    except (SafetensorError, RuntimeError) as error:  # as they call it that the disk refused
        raise OSError(str(error)) from error


def read_tensors(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The weights and the optimizer's state, on the CPU; random numbers go on as they would have."""
    import torch
    from safetensors.torch import load_file

    saved = torch.load(folder / OPTIMIZER, weights_only=True, map_location="cpu")
    torch.set_rng_state(saved["random"]["cpu"])
    if saved["random"]["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(saved["random"]["cuda"])
    return load_file(folder / WEIGHTS), saved["optimizer"]


def checkpoints(folder: Path) -> list[Path]:
    """The finished checkpoints, oldest first."""
    return sorted(path for path in folder.glob(f"{_PREFIX}*") if path.is_dir())


def latest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint whose files are all there, and its state; None where there is none."""
    for path in reversed(checkpoints(folder)):
        try:
            state = json.loads((path / STATE).read_text(encoding="utf-8"))
            if all((path / name).stat().st_size == size for name, size in state["files"].items()):
                return path, state
        except (OSError, ValueError, KeyError):
            continue
    return None


def remove_checkpoints(folder: Path) -> None:
    """Delete all of them, once what they lead to is saved."""
    shutil.rmtree(folder, ignore_errors=True)


def _to_disk(path: Path) -> None:
    """Have the system write a file's or folder's content before what comes after."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not path.is_dir():  # some systems cannot force a folder; a file they all can
            raise
    finally:
        os.close(handle)
