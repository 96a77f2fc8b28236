"""`eval`: adapters beside each other, on suites of items."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exit_codes import examples
from agent.cli.output import foreign, print_json, shown_path
from agent.cli.output import out as stdout
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from collections.abc import Sequence

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
            "ratchet improve eval --adapter mine-1 --adapter mine-2 --out compared  # and how they differ",
            "ratchet improve eval --suite yours --of mine-1 --json",
        ),
    )(evaluate)


def evaluate(
    ctx: typer.Context,
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            help="A name or GGUF file, or none; may be repeated: the others are compared with the first. "
            "Default: none and what is served."
        ),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            help="formats, refusals, requests, general, simple, multiple, parallel, irrelevance, tools, lookups, "
            "yours, or a public one; may be repeated."
        ),
    ] = None,
    of: Annotated[str, typer.Option(help="The run whose held-out questions are yours.", metavar="NAME")] = "",
    limit: Annotated[int, typer.Option(help="Most items of a suite; 0 for all.", min=0)] = 40,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Keep the replies here, and pages with the differences; go on there after an interruption.",
            metavar="FOLDER",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure adapters on the same items, through the runtime that serves them, and how they differ item by item."""
    from finetune.evaluation.evaluate import compare
    from finetune.improvement.rehearsal import GUARDS
    from finetune.improvement.serving import open_model
    from finetune.improvement.watching import ConsoleWatcher

    settings = invocation(ctx).settings()
    suites = list(dict.fromkeys(suite or GUARDS))
    _check_names(suites)
    items = [item for name in suites for item in _items(settings, name, of, limit)]
    contenders, paths, names = _contenders(settings, adapter, out)
    with ConsoleWatcher().counting("answers") as count:
        model = open_model(settings, paths)
        found = compare(model, contenders, items, lambda now: count(now.done, now.total))
    named = [replace(one, adapter=name) for one, name in zip(found, names, strict=True)]
    pages = _pages(contenders, named)
    if as_json:
        print_json(_data(named, pages))
    else:
        _print(named, pages)


def _check_names(suites: Sequence[str]) -> None:
    """Tell what is no suite before anything is read or asked.

    Raises:
        ConfigError: there is no such suite.
    """
    from agent.errors import ConfigError
    from finetune.improvement.measuring import YOURS
    from finetune.improvement.rehearsal import LOOKUPS, TOOLS
    from finetune.suites import NAMES

    known = (YOURS, TOOLS, LOOKUPS, *NAMES)
    for name in suites:
        if name not in known:
            raise ConfigError(
                f'There is no suite "{name}".', kept="Nothing was asked.", fix=f"Known are {', '.join(known)}."
            )


def _items(settings: Settings, name: str, of: str, limit: int) -> tuple[EvaluationItem, ...]:
    """The items of a suite, at most `limit` unless that is 0.

    Raises:
        AdapterMissing: of the user's own questions, there is no such run, or none that held any out.
        EvaluationError: the data of a public suite is not there.
    """
    from finetune.dataset.example_files import read_splits
    from finetune.errors import AdapterMissing
    from finetune.improvement.folder import latest, run_named
    from finetune.improvement.measuring import YOURS, own_items
    from finetune.improvement.rehearsal import LOOKUPS, TOOLS, guard_items
    from finetune.suites import load_suite

    if name == YOURS:
        run = run_named(settings.home, of) if of else latest(settings.home)
        if run is None:
            raise AdapterMissing(
                "No run of `ratchet improve` has held out questions of yours yet.", fix="Leave out --suite yours."
            )
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


def _pages(contenders: Sequence[Contender], evaluations: Sequence[Evaluation]) -> dict[str, Path]:
    """By adapter, a page to read for each later contender against the first; none where no replies are kept.

    Raises:
        StorageError: the disk refused one.
    """
    from finetune.commands.differences import write_page

    (first, *later), (before, *after) = contenders, evaluations
    if first.results is None:
        return {}
    start = _tag(first.results)
    return {
        _name(told): write_page(
            first.results.with_name(f"differences-{_tag(one.results)}-from-{start}.md"), before, told
        )
        for one, told in zip(later, after, strict=True)
        if one.results is not None
    }


def _tag(results: Path) -> str:
    """What a contender is called in the names of files."""
    return results.stem.removeprefix("replies-")


def _name(evaluation: Evaluation) -> str:
    return evaluation.adapter or _NONE


def _print(evaluations: Sequence[Evaluation], pages: dict[str, Path]) -> None:
    from finetune.evaluation.report import difference_table, table

    first, *later = evaluations
    stdout().print(table(evaluations))
    for one in later:
        stdout().print(difference_table(first, one))
    for name, page in pages.items():
        stdout().print(foreign(f"What {name} says otherwise: {shown_path(page)}"))


def _data(evaluations: Sequence[Evaluation], pages: dict[str, Path]) -> dict[str, Any]:
    """All figures, by adapter.

    `adapters` has the mean of each metric, its 95 % interval, and how many items have it, by suite; `differences` how
    each later adapter differs from the `first`, see `PairedDifference`; `latency` is in seconds a reply.
    """
    from finetune.evaluation.report import rows, totals

    first, *later = evaluations
    found: dict[str, Any] = {_name(one): {} for one in evaluations}
    for row in rows(evaluations):
        for one, cell in zip(evaluations, row.cells, strict=True):
            if cell is not None:
                values = {"mean": cell.value, "low": cell.low, "high": cell.high, "items": row.count}
                found[_name(one)].setdefault(row.suite, {})[row.metric] = values
    whole = {_name(one): totals(one) for one in evaluations}
    return {
        "model": first.model,
        "adapters": found,
        "first": _name(first),
        "differences": {_name(one): _differences(first, one) for one in later},
        "latency": {name: {"median": one.median, "p95": one.p95} for name, one in whole.items()},
        "perplexity": {name: one.perplexity for name, one in whole.items()},
        "holding_back": {name: {"precision": one.precision, "recall": one.recall} for name, one in whole.items()},
        "failed": {name: one.failed for name, one in whole.items()},
        "pages": {name: str(page) for name, page in pages.items()},
    }


def _differences(first: Evaluation, later: Evaluation) -> dict[str, dict[str, dict[str, Any]]]:
    """By suite and metric."""
    from finetune.evaluation.metrics import METRICS
    from finetune.evaluation.report import paired_differences

    found: dict[str, dict[str, dict[str, Any]]] = {}
    for one in paired_differences(first, later):
        found.setdefault(one.suite, {})[one.metric] = {
            "difference": one.change.value,
            "low": one.change.low,
            "high": one.change.high,
            "p": one.p,
            "p_adjusted": one.p_adjusted,
            "better": one.better,
            "worse": one.worse,
            "higher_is_better": METRICS[one.metric].higher_is_better,
            "items": one.count,
            "unpaired": one.unpaired,
        }
    return found
