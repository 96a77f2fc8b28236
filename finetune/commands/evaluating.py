"""`eval`: adapters beside each other, on suites of items."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exit_codes import examples
from agent.cli.output import out as stdout
from agent.cli.output import print_json
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from agent.config import Settings
    from finetune.evaluation.evaluate import Contender
    from finetune.evaluation.items import Evaluation, EvaluationItem

_NONE = "none"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "eval",
        epilog=examples(
            "ratchet improve eval",
            "ratchet improve eval --adapter none --adapter mine-1 --suite tools --suite formats",
            "ratchet improve eval --suite yours --of mine-1 --json",
        ),
    )(evaluate)


def evaluate(
    ctx: typer.Context,
    adapter: Annotated[
        list[str] | None,
        typer.Option(help="A name or GGUF file, or none; may be repeated. Default: none and what is served."),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            help="formats, refusals, requests, general, tools, lookups, yours, or a public one; may be repeated."
        ),
    ] = None,
    of: Annotated[str, typer.Option(help="The run whose held-out questions are yours.", metavar="NAME")] = "",
    limit: Annotated[int, typer.Option(help="Most items of a suite; 0 for all.", min=0)] = 40,
    out: Annotated[
        Path | None,
        typer.Option(help="Keep the replies here, and go on there after an interruption.", metavar="FOLDER"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure adapters on the same items, through the runtime that serves them."""
    from finetune.evaluation.evaluate import compare
    from finetune.evaluation.report import table
    from finetune.improvement.rehearsal import GUARDS
    from finetune.improvement.serving import open_model
    from finetune.improvement.watching import ConsoleWatcher

    settings = invocation(ctx).settings()
    items = [item for name in dict.fromkeys(suite or GUARDS) for item in _items(settings, name, of, limit)]
    contenders, paths, names = _contenders(settings, adapter, out)
    with ConsoleWatcher().counting("answers") as count:
        model = open_model(settings, paths)
        found = compare(model, contenders, items, lambda now: count(now.done, now.total))
    named = [replace(one, adapter=name) for one, name in zip(found, names, strict=True)]
    if as_json:
        print_json(_data(named))
    else:
        stdout().print(table(named))


def _items(settings: Settings, name: str, of: str, limit: int) -> tuple[EvaluationItem, ...]:
    from finetune.dataset.example_files import read_splits
    from finetune.improvement.folder import latest, run_named
    from finetune.improvement.measuring import YOURS, own_items
    from finetune.improvement.rehearsal import LOOKUPS, TOOLS, guard_items
    from finetune.suites import load_suite

    if name == YOURS:
        run = run_named(settings.home, of) if of else latest(settings.home)
        if run is None:
            raise typer.BadParameter("no run has held out questions of yours yet; leave out --suite yours")
        found = own_items(read_splits(run.dataset).test)
    elif name in (TOOLS, LOOKUPS):
        found = guard_items(limit or 200, (name,))
    else:
        found = load_suite(name, limit)
    return found[:limit] if limit else found


def _contenders(
    settings: Settings, asked: list[str] | None, out: Path | None
) -> tuple[list[Contender], list[Path], list[str]]:
    """Who is asked, which files that takes, and what to call them."""
    from agent.adapters import choose_adapter, file_digest
    from finetune.evaluation.evaluate import Contender
    from finetune.improvement.measuring import results_file
    from finetune.improvement.serving import serving

    now = serving(settings)
    chosen: dict[str, Path | None] = {}
    for name in dict.fromkeys(asked if asked else (_NONE, now.name)):
        if name in ("", _NONE):
            chosen[""] = None
        elif name == now.name:
            chosen[name] = now.adapter
        else:
            chosen[name] = choose_adapter(name, now.base, settings.adapters_folder).paths[0]
    contenders = [
        Contender(
            str(path) if path else "",
            results_file(out, name, file_digest(path) if path else "") if out else None,
        )
        for name, path in chosen.items()
    ]
    return contenders, [path for path in chosen.values() if path], list(chosen)


def _data(evaluations: list[Evaluation]) -> dict[str, Any]:
    """Metrics by adapter, suite and name: the mean, its 95 % interval, and how many items have it."""
    from finetune.evaluation.report import rows

    found: dict[str, Any] = {one.adapter or _NONE: {} for one in evaluations}
    for row in rows(evaluations):
        for one, cell in zip(evaluations, row.cells, strict=True):
            if cell is not None:
                values = {"mean": cell.value, "low": cell.low, "high": cell.high, "items": row.count}
                found[one.adapter or _NONE].setdefault(row.suite, {})[row.metric] = values
    return {"model": evaluations[0].model, "adapters": found}
