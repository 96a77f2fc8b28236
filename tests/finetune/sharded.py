"""`python -m tests.finetune.sharded OUT STOP RECIPE...`: short runs in each of several processes, weights in parts.

Accelerate cuts weights (FSDP) for GPUs alone. Here its processes pass for such, while all they do, from cutting to
gathering, is done by PyTorch on processors. With a STOP above 0, each run is asked to end after that step.
"""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import DistributedType

from finetune.errors import TrainingInterrupted
from finetune.recipes import build, carry_out
from finetune.training.hardware import processes
from finetune.training.progress import Progress
from tests.finetune.runner import options_for
from tests.finetune.tiny_base import job, splits_for

SHORT = {"steps": 5, "dev_every": 2}


def main(out: Path, stop: int, recipes: Sequence[str]) -> None:
    """The runs, one after the other.

    Raises:
        TrainingInterrupted: one ended before its time unasked.
    """

    def on_progress(now: Progress) -> None:
        if now.step == stop:
            os.kill(os.getpid(), signal.SIGTERM)

    processes()
    PartialState._shared_state["distributed_type"] = DistributedType.MULTI_XPU
    for recipe in recipes:
        task = job(out / recipe, splits=splits_for(recipe), on_progress=on_progress)
        with suppress(TrainingInterrupted) if stop else nullcontext():
            carry_out(build(recipe, task, options_for(recipe) | SHORT))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
