"""`python -m finetune default`: train the adapter that ships with Ratchet anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exit_codes import examples
from agent.cli.output import foreign, print_json, shown_path
from agent.cli.output import out as stdout
from agent.cli.seam import Json

if TYPE_CHECKING:
    from finetune.adapter_record import AdapterRecord
    from finetune.training.job import Job

EPILOG = examples(
    "python -m finetune default --out runs/default",
    "ratchet improve eval --adapter none --adapter runs/default/adapter.gguf --json > figures.json",
    "python -m finetune default --out runs/default --package agent/default_adapter --metrics figures.json",
)


def register(app: typer.Typer, train: Callable[[str, Job, dict[str, Any]], dict[str, Any]]) -> None:
    """Add the command.

    Args:
        app: to what.
        train: carries out one job of a recipe, watched, and tells how it went.
    """

    @app.command(epilog=EPILOG)
    def default(
        out: Annotated[Path, typer.Option(help="Folder of the rounds; what has begun goes on.", metavar="FOLDER")],
        minutes: Annotated[
            float | None, typer.Option(help="Time that a round may take; default: all of its data.")
        ] = None,
        threads: Annotated[int, typer.Option(help="Processor threads; 0: one for each core.")] = 0,
        package: Annotated[
            Path | None, typer.Option(help="Train nothing; put what was learned here.", metavar="FOLDER")
        ] = None,
        metrics: Annotated[
            Path | None, typer.Option(help="For the card: what ratchet improve eval --json said.", metavar="FILE")
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Train the adapter that ships with Ratchet, from its tool families and public data sets."""
        if package:
            record = _packaged(out, package, _means(metrics) if metrics else {})
            stdout().print(foreign(f"✓ {shown_path(package)}: {', '.join(record.files)}"))
            return
        from finetune.default.rounds import carry_out

        done = carry_out(out, train, {"threads": threads, "minutes": minutes})
        served = _served(out)
        if as_json:
            print_json({"rounds": done, "adapter": str(served)})
        else:
            stdout().print(foreign(f"✓ {shown_path(served)}"))


def _served(out: Path) -> Path:
    """What the last round learned, as the program loads it."""
    from agent.adapters import FILE
    from finetune.default.rounds import last_adapter
    from finetune.export.lora_gguf import lora_to_gguf

    lora_to_gguf(last_adapter(out), _base(), out / FILE)
    return out / FILE


def _base() -> Path:
    from agent.config import load_settings
    from finetune.training.base_model import served_model

    return served_model(load_settings().models_folder)


def _packaged(out: Path, target: Path, metrics: dict[str, float]) -> AdapterRecord:
    from finetune.default.rounds import package

    return package(out, _base(), target, metrics)


def _means(path: Path) -> dict[str, float]:
    """The mean of each metric, by adapter, from what `ratchet improve eval --json` wrote."""
    from finetune.errors import EvaluationError

    try:
        adapters = json.loads(path.read_text(encoding="utf-8"))["adapters"]
        return {
            f"{suite}: {metric}, {'bare model' if adapter == 'none' else 'this adapter'}": values["mean"]
            for adapter, suites in adapters.items()
            for suite, measured in suites.items()
            for metric, values in measured.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(
            f"{path} holds no figures: {error}.", fix="Write it with ratchet improve eval --json > FILE."
        ) from error
