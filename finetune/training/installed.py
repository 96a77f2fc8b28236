"""Whether training is possible here at all, found out before anything is loaded."""

from __future__ import annotations

import importlib.util

from finetune.errors import RecipeError

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
