"""Whether training is possible here at all, found out before anything is loaded."""

from __future__ import annotations

import importlib.util
import os

from finetune.errors import RecipeError

# Turns of a loop that a waiting thread spins before it sleeps, some hundred microseconds: without any, threads take
# longer to wake than to compute; with as many as OpenMP likes, they take the processor from those that work.
_SPINS = "50000"
NEEDED = ("torch", "transformers", "peft", "accelerate")


def check_torch() -> None:
    """Make sure that the extra `finetune` is installed.

    Raises:
        RecipeError: a package is missing.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise RecipeError(
            f"Training needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed.",
            kept="Nothing was trained.",
            fix="pip install 'ratchet-agent[finetune]'",
        )


def share_cores() -> None:
    """Have the threads of PyTorch, which must not be loaded yet, wait in a way that leaves room for other programs."""
    os.environ["GOMP_SPINCOUNT"] = _SPINS
