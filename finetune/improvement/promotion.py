"""What is served next: a candidate that was measured, or what was served before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from agent.adapters import base_fingerprint, served_version
from finetune.improvement import serving as now_served
from finetune.improvement.checks import check_still_served, check_takes_effect
from finetune.improvement.folder import runs
from finetune.registry import AdapterRegistry

if TYPE_CHECKING:
    from agent.config import Settings
    from finetune.adapter_record import AdapterRecord

Standing = Literal["served", "not judged", "passed", "refused"]


def promote(settings: Settings, name: str, *, force: bool = False, reason: str = "") -> None:
    """Serve an adapter from now on; programs that run take it with their next question.

    Args:
        settings: where everything is kept.
        name: the adapter.
        force: without, or against, the gate's verdict.
        reason: why, for the record.

    Raises:
        RecipeError: the settings name an adapter, which would answer whatever is promoted.
        EvaluationError: what is served has changed since the comparison, or the model has.
        GateRefused, AdapterMissing, AdapterInvalid, ExportError: as `AdapterRegistry.promote`.
    """
    registry = AdapterRegistry(settings.adapters_folder)
    run = next((one for one in runs(settings.home) if one.name == name), None)
    passed = bool((registry.verdict(name) or {}).get("promoted"))
    check_takes_effect(settings)
    before = served_version(settings.adapters_folder)
    if passed and not force:
        check_still_served(settings, run)
    registry.promote(name, force=force, reason=reason, since=None if force else before)
    if run is not None and run.state != "running":
        run.note(state="served")


def roll_back(settings: Settings, reason: str = "") -> str:
    """Serve what was served before with the model in use, one step.

    Returns:
        What is served now; "" for the model without an adapter.

    Raises:
        RecipeError: the model is not one that adapters can be trained for.
        AdapterMissing, AdapterInvalid: as `AdapterRegistry.roll_back`.
    """
    base = base_fingerprint(now_served.serving(settings).base, settings.adapters_folder)
    name = AdapterRegistry(settings.adapters_folder).roll_back(base, reason)
    return name or now_served.serving(settings).name


def standing_of(registry: AdapterRegistry, record: AdapterRecord) -> Standing:
    """How an adapter stands."""
    if record.name in registry.served().values():
        return "served"
    verdict = registry.verdict(record.name)
    if verdict is None:
        return "not judged"
    return "passed" if verdict.get("promoted") else "refused"
