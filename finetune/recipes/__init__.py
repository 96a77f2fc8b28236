"""Recipes by name: each one file, from options to the saved result, none built on another.

A recipe is a class with `Options` (a frozen dataclass with a field `training`), made with a `Job` and its options:

    recipe = build("lora", job, {"rank": 32, "minutes": 20})
    recipe.setup()              # checks everything, loads the model; nothing is trained yet
    recipe.train()              # resumes by itself where there is a checkpoint
    folder = recipe.save()      # `carry_out` does the three

A package outside offers its own under the entry-point group `ratchet.recipes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from finetune.errors import RecipeError
from finetune.training.job import Job
from finetune.training.low_rank import continued
from finetune.training.options import parse_options

if TYPE_CHECKING:
    from finetune.training.loop import Outcome
    from finetune.training.runs import Run

_GROUP = "ratchet.recipes"
BUILT_IN = {
    "lora": "finetune.recipes.lora:Lora",
    "qlora": "finetune.recipes.qlora:QLora",
    "full": "finetune.recipes.full:Full",
    "prompt_tuning": "finetune.recipes.prompt_tuning:PromptTuning",
    "prefix_tuning": "finetune.recipes.prefix_tuning:PrefixTuning",
    "dpo": "finetune.recipes.dpo:Dpo",
    "kto": "finetune.recipes.kto:Kto",
}


class Recipe(Protocol):
    """How a model is trained, in three steps; `run` is there after the first."""

    run: Run

    def setup(self) -> None:
        """Check everything that can be checked, load the model and the data."""
        ...

    def train(self) -> Outcome:
        """Train, from the start or the last checkpoint."""
        ...

    def save(self) -> Path:
        """Write the result and return its folder."""
        ...


def names() -> list[str]:
    """The recipes there are."""
    return sorted({*BUILT_IN, *(point.name for point in metadata.entry_points(group=_GROUP))})


def build(name: str, job: Job, options: Mapping[str, Any]) -> Recipe:
    """A recipe with its options.

    Raises:
        RecipeError: there is no such recipe, or it has no such option or value.
    """
    kind = _kind(name)
    recipe: Recipe = kind(job, parse_options(kind.Options, options))
    return recipe


def carry_out(recipe: Recipe) -> tuple[Path, Outcome]:
    """All three steps; a run that was finished before is not done again.

    In a distributed run each process takes part, and the first one saves; the others wait for it, since a launcher ends
    all processes as soon as one has failed.

    Returns:
        The result's folder and how the run went.
    """
    from finetune.training.hardware import is_main, processes
    from finetune.training.loop import Outcome

    recipe.setup()
    if recipe.run.result is not None:
        return recipe.run.result, Outcome(**recipe.run.record["outcome"])
    outcome = recipe.train()
    folder = recipe.save() if is_main() else recipe.run.folder
    processes().wait_for_everyone()
    return folder, outcome


def checked_options(name: str, options: Mapping[str, Any], parent: Path | None = None) -> dict[str, Any]:
    """The same options, once they are known to be possible; so that a mistake costs no time.

    Args:
        name: of the recipe.
        options: by name.
        parent: folder of the adapter that training goes on from; None for the bare model.

    Raises:
        RecipeError: as `build`, or the adapter has another shape than an option asks for.
        AdapterInvalid: its configuration cannot be read.
    """
    continued(parse_options(_kind(name).Options, options), parent, options)
    return dict(options)


def option_kind(name: str) -> Any:
    """The dataclass of a recipe's options.

    Raises:
        RecipeError: there is no such recipe.
    """
    return _kind(name).Options


def _kind(name: str) -> Any:
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(import_module(module), attribute)
    for point in metadata.entry_points(group=_GROUP):
        if point.name == name:
            return point.load()
    raise RecipeError(
        f'There is no recipe "{name}".', kept="Nothing was trained.", fix=f"Known are {', '.join(names())}."
    )
