"""What must hold before a run begins, before it trains, and before what it made is served."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from agent.adapters import FILE, base_fingerprint
from finetune.errors import DatasetError, EvaluationError, RecipeError
from finetune.improvement import serving as now_served
from finetune.registry import NAME, AdapterRegistry

if TYPE_CHECKING:
    from agent.config import Settings
    from finetune.improvement.folder import RunFolder
    from finetune.improvement.options import ImproveOptions
    from finetune.improvement.serving import Serving
    from finetune.schema import Example

RECIPES = ("lora", "qlora")  # what comes of them can be served beside the base model
_TURN = "turn:"


def check_recipe(recipe: str) -> None:
    """Make sure that what a recipe makes can be served.

    Raises:
        RecipeError: it cannot.
    """
    if recipe not in RECIPES:
        raise RecipeError(
            f'The option --recipe cannot be "{recipe}": what is served beside the model is a LoRA.',
            kept="Nothing was done.",
            fix=f"Choose {' or '.join(RECIPES)}; the other recipes are there for Python.",
        )


def check_possible(settings: Settings, options: ImproveOptions) -> None:
    """Make sure that this machine can train with these options, from what is served, what can be served in turn.

    Raises:
        RecipeError: PyTorch or a device is missing, the model runs in another program, or an option cannot be met.
        ExportError: adapters of the model's architecture cannot be converted.
        AdapterInvalid, ModelError: what is served cannot be read.
    """
    from finetune.export.base_layout import BaseLayout
    from finetune.recipes import checked_options, option_kind
    from finetune.training.installed import check_torch
    from finetune.training.low_rank import SHAPE
    from finetune.training.options import parse_options

    check_torch()
    if options.recipe == "qlora":
        from finetune.recipes.qlora import check_machine

        check_machine()
    now, told = now_served.serving(settings), options.training()
    BaseLayout.read(now.base)
    if getattr(parse_options(option_kind(options.recipe), told), "dora", False):
        raise RecipeError(
            "An adapter with dora cannot be served beside its model, as a run has to.",
            kept="Nothing was done.",
            fix="Leave dora out, or train with `python -m finetune train --set dora=true` and export it merged.",
        )
    if SHAPE.keys() & options.settings.keys():
        with tempfile.TemporaryDirectory(prefix="ratchet-") as work:
            checked_options(options.recipe, told, now_served.trainable(now, Path(work)))


def check_name(name: str) -> None:
    """Make sure that a run, its data set and its adapter can be called so.

    Raises:
        RecipeError: they cannot.
    """
    if not NAME.fullmatch(name):
        raise RecipeError(
            f'The option --name cannot be "{name}".',
            kept="Nothing was done.",
            fix="Use letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
        )


def check_free(settings: Settings, name: str) -> None:
    """Make sure that no adapter, run or data set is called so.

    Raises:
        RecipeError: one is.
    """
    places = {
        "an adapter": AdapterRegistry(settings.adapters_folder).folder,
        "a run": settings.home / "runs",
        "a data set": settings.home / "datasets",
    }
    for what, place in places.items():
        if (place / name).exists():
            raise RecipeError(f'There is {what} "{name}" already.', kept="It stays.", fix="Take another --name.")


def check_takes_effect(settings: Settings) -> None:
    """Make sure that what is promoted would answer.

    Raises:
        RecipeError: the settings name an adapter, which answers whatever is promoted.
    """
    if settings.model.adapter:
        raise RecipeError(
            f'The setting model.adapter is "{settings.model.adapter}", which answers whatever is promoted.',
            kept="Nothing was done.",
            fix="Clear model.adapter in ratchet.toml or the environment; `ratchet config path` names the file.",
        )


def check_base(settings: Settings, run: RunFolder) -> Serving:
    """Make sure that the model is the one that a run trains an adapter for, and return what is served.

    Raises:
        EvaluationError: it is another one.
    """
    now = now_served.serving(settings)
    if run.facts.get("base") != base_fingerprint(now.base, settings.adapters_folder):
        raise EvaluationError(
            f"{run.name} was trained for another model than {now.base.name}.",
            kept="What is served stays.",
            fix="Run `ratchet improve` for this model, or choose that one again (model.name).",
        )
    return now


def check_still_served(settings: Settings, run: RunFolder | None) -> None:
    """Make sure that a run was compared with what is served now; one that is served itself may be served again.

    Raises:
        RecipeError: the settings name an adapter, which answers whatever is promoted.
        EvaluationError: something else is served since, the model is another one, or the run is gone.
    """
    check_takes_effect(settings)
    if run is None:
        raise EvaluationError(
            "The run that compared the adapter with what was served is gone.",
            kept="What is served stays.",
            fix="Run `ratchet improve` again, or force it: `ratchet improve promote NAME --force --reason WHY`.",
        )
    now = check_base(settings, run)
    if now.digest not in (run.facts.get("compared_with"), run.facts.get("files", {}).get(FILE)):
        before = run.facts.get("compared_name") or "the bare model"
        raise EvaluationError(
            f"{run.name} was compared with {before}, and {now.name or 'the bare model'} is served since.",
            kept="What is served stays.",
            fix="Run `ratchet improve` again, or force it: `ratchet improve promote NAME --force --reason WHY`.",
        )


def check_consent(database: Path, examples: Iterable[Example]) -> None:
    """Make sure that all turns that are about to be learned from may still be.

    Raises:
        DatasetError: a conversation is gone, a turn was taken back, or its user no longer consents.
        DatabaseError: the database cannot be read.
    """
    from agent.records import Records

    learned = {one.source.removeprefix(_TURN) for one in examples if one.source.startswith(_TURN)}
    if learned and database.is_file():
        with closing(Records(database)) as records:
            for thread in records.threads():
                if records.consent(thread.thread_id):
                    learned -= {turn.turn_id for turn in records.turns(thread.thread_id)}
    if learned:
        raise DatasetError(
            f"{len(learned):,} of the turns in the data set may no longer be learned from: "
            "they were deleted, or their conversation no longer consents.",
            kept="Nothing was trained.",
            fix="`ratchet improve --fresh` begins anew without them.",
        )
