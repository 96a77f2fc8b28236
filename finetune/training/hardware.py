"""What this machine computes best with, found out rather than assumed."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psutil
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState

if TYPE_CHECKING:
    from finetune.training.options import TrainingOptions
    from finetune.training.runs import Run

_GAIN = 1.5  # bf16 must be so much quicker before its rounding is worth it


def use_threads(wanted: int) -> None:
    """Let PyTorch use so many threads; 0: one for each physical core that this process may run on."""
    allowed = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else 1 << 10
    torch.set_num_threads(wanted or max(1, min(psutil.cpu_count(logical=False) or 1, allowed)))


def settle(run: Run, options: TrainingOptions, on_note: Callable[[str], None]) -> None:
    """Decide once for a run what it computes with, so that it goes on after an interruption as it began.

    The number of threads is part of that: another one adds up in another order, and the last bits differ.
    """
    begun = int(run.record.get("threads", 0))
    use_threads(begun or options.threads)
    if begun and options.threads not in (0, begun):
        on_note(f"The run goes on with {begun} threads, as it began, not {options.threads}: sums depend on the number.")
    if "precision" not in run.record:
        run.note(precision=chosen_precision(options.precision))
    if not begun:
        run.note(threads=torch.get_num_threads())


def processes() -> PartialState:
    """The processes that take part, and this one's device; on processors alone, too, where no accelerator is found."""
    begun = bool(PartialState._shared_state)
    state = PartialState(cpu=not torch.accelerator.is_available())
    if not begun and state.backend == "gloo":
        atexit.register(_part)
    return state


def _part() -> None:
    """Leave the other processes; Gloo's threads abort the program if they are still there when it ends."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def accelerator(precision: str) -> Accelerator:
    """Accelerate, set up to compute in "fp32" or "bf16"; whatever an earlier run in this process computed in."""
    wanted = "bf16" if precision == "bf16" else "no"
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != wanted:
        AcceleratorState._reset_state()  # it belongs to the whole process, and refuses to change
    return Accelerator(mixed_precision=wanted)


def only_first_opens(opened: Callable[[], Run]) -> Run:
    """Open a run's folder in one process before the others of a distributed run do."""
    with processes().main_process_first():
        return opened()


def is_main() -> bool:
    """Whether this process is the one that writes files."""
    return bool(processes().is_main_process)


def chosen_precision(wanted: str) -> str:
    """What was asked for; for "auto", whichever of "fp32" and "bf16" is quicker here.

    Processors without matrix units for bf16 emulate it, several times slower than fp32.
    """
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if _seconds(torch.float32) > _GAIN * _seconds(torch.bfloat16) else "fp32"


def _seconds(kind: torch.dtype) -> float:
    """The least time that a product of the size met in small models takes."""
    left, right = torch.ones(256, 576, dtype=kind), torch.ones(576, 1536, dtype=kind)
    taken = []
    for _ in range(4):
        begun = time.perf_counter()
        left @ right
        taken.append(time.perf_counter() - begun)
    return min(taken)


def save_memory(model: Any) -> None:
    """Let the model compute its activations once more going back rather than keep them (Chen et al. 2016)."""
    # Newer versions of transformers have renamed it, and models of PEFT pass on either name.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def memory_used() -> int:
    """Bytes: of the accelerator where there is one, else of this process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return int(psutil.Process().memory_info().rss)
