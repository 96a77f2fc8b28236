"""The store of adapters: what there is, what is served, and what is served next."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exit_codes import examples
from agent.cli.output import counted, foreign, print_json, shown_path
from agent.cli.output import out as stdout
from agent.cli.seam import Json, invocation
from finetune.commands.importing import import_adapter

if TYPE_CHECKING:
    from agent.config import Settings
    from finetune.improvement.folder import RunFolder
    from finetune.registry import AdapterRegistry

Name = Annotated[str, typer.Argument(metavar="NAME", help="The adapter, as `list` shows it.")]
_LAST = 5  # runs that `status` tells of
_KINDS = {"changed": ("lost", "won"), "lost": ("lost",), "won": ("won",), "wrong": ("both wrong",)}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=examples("ratchet improve status", "ratchet improve status --json"))(status)
    app.command("list", epilog=examples("ratchet improve list", "ratchet improve list --json"))(list_adapters)
    app.command("show", epilog=examples("ratchet improve show mine-1"))(show_adapter)
    app.command(epilog=examples("ratchet improve diff mine-1", "ratchet improve diff mine-1 --only lost --json"))(diff)
    app.command(
        epilog=examples(
            "ratchet improve promote mine-1",
            'ratchet improve promote theirs --force --reason "measured elsewhere"',
        )
    )(promote)
    app.command(epilog=examples("ratchet improve rollback"))(rollback)
    app.command(
        "import",
        epilog=examples(
            "ratchet improve import ./their-lora --name theirs", "ratchet improve import ./their-lora --other-base"
        ),
    )(import_adapter)
    app.command(epilog=examples("ratchet improve remove mine-1"))(remove)


def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the signals that wait, the adapter that is served, and the last verdicts."""
    from finetune.improvement.feedback import LEAST_LEARNED, LEAST_TESTED, signals
    from finetune.improvement.folder import is_at_work, latest, runs, unfinished

    settings = invocation(ctx).settings()
    known, last, open_run = signals(settings.database), latest(settings.home), unfinished(settings.home)
    found = [_run_facts(settings, run) for run in runs(settings.home)][-_LAST:]
    values = {
        "signals": len(known.ids),
        "new": known.since(last.facts["signals"] if last else ()),
        "conversations": known.threads,
        "withheld": known.withheld,
        "needed": LEAST_TESTED + LEAST_LEARNED,
        "served": _served(settings),
        "unfinished": open_run.name if open_run else "",
        "at_work": is_at_work(settings.home),
        "runs": found,
    }
    if as_json:
        print_json(values)
        return
    say = stdout().print
    say(foreign(f"Signals    {_signals_line(values)}"))
    say(foreign(f"Served     {values['served'] or 'the model without an adapter'}"))
    if open_run:
        how = "is at work" if values["at_work"] else "was interrupted; `ratchet improve` goes on with it"
        say(foreign(f"Now        {open_run.name} {how}"))
    for facts in found:
        say(foreign(f"{facts['began'][:16].replace('T', ' ')}  {facts['name']}: {facts['state']}{_why(facts)}"))


def _signals_line(values: dict[str, Any]) -> str:
    line = f"{values['signals']:,} in {counted(values['conversations'], 'conversation')}, {values['new']:,} of them new"
    if values["withheld"]:
        line += f"; {values['withheld']:,} more may not be learned from"
    return line + f"; a run takes about {values['needed']}"


def _why(facts: dict[str, Any]) -> str:
    return f" ({facts['reasons'][0]})" if facts["reasons"] else ""


def _run_facts(settings: Settings, run: RunFolder) -> dict[str, Any]:
    verdict = _verdict(settings, run.name)
    reasons = [one["text"] for one in verdict["reasons"]] if verdict else []
    return {"name": run.name, "state": run.state, "began": run.facts["began"], "reasons": reasons}


def _verdict(settings: Settings, name: str) -> dict[str, Any] | None:
    registry = _registry(settings)
    return registry.verdict(name) if name in registry.names() else None


def _served(settings: Settings) -> str:
    from finetune.errors import RecipeError
    from finetune.improvement.serving import serving

    try:
        return serving(settings).name
    except RecipeError:
        return ""


def _registry(settings: Settings) -> AdapterRegistry:
    from finetune.registry import AdapterRegistry

    return AdapterRegistry(settings.adapters_folder)


def list_adapters(ctx: typer.Context, as_json: Json = False) -> None:
    """List the adapters, each below the one it was trained from."""
    from finetune.improvement.promotion import standing_of

    settings = invocation(ctx).settings()
    registry = _registry(settings)
    rows = [(depth, record, standing_of(registry, record)) for depth, record in registry.lineage()]
    if as_json:
        print_json([asdict(record) | {"depth": depth, "state": mark} for depth, record, mark in rows])
        return
    if not rows:
        stdout().print("No adapters yet: `ratchet improve` makes one from your feedback.")
    for depth, record, mark in rows:
        made = record.created_at[:16].replace("T", " ")
        name = f"{'   ' * depth}{'└─ ' if depth else ''}{record.name}"
        stdout().print(foreign(f"{name:<24} {mark:<13} {record.provenance.recipe:<10} {made}"))


def show_adapter(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show where an adapter comes from and what the gate said."""
    from finetune.commands.figures import table_of
    from finetune.registry import CARD

    settings = invocation(ctx).settings()
    registry = _registry(settings)
    record = registry.verify(name)
    verdict = registry.verdict(name)
    if as_json:
        print_json(asdict(record) | {"verdict": verdict})
        return
    stdout().print(foreign((registry.folder / name / CARD).read_text(encoding="utf-8").rstrip()))
    if verdict is None:
        stdout().print("The gate has not seen it.")
        return
    stdout().print(table_of(verdict))
    stdout().print("The gate passed it." if verdict["promoted"] else "The gate refused it:")
    for reason in verdict["reasons"]:
        stdout().print(foreign(f"· {reason['text']}"))


def diff(
    ctx: typer.Context,
    name: Name,
    only: Annotated[str, typer.Option(help="changed, lost, won or wrong.", metavar="KIND")] = "changed",
    most: Annotated[int, typer.Option(help="Items of each kind that are shown.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """Read what the adapter and the one before it said to the same items."""
    from finetune.commands.differences import as_data, print_differences
    from finetune.evaluation.verdict_folder import read_evaluations
    from finetune.improvement.folder import run_named

    if only not in _KINDS:
        raise typer.BadParameter(f"{only!r} is none of {', '.join(_KINDS)}")
    run = run_named(invocation(ctx).settings().home, name)
    base, candidate = read_evaluations(run.verdict)
    if as_json:
        print_json(as_data(base, candidate, _KINDS[only]))
        return
    print_differences(base, candidate, _KINDS[only], most)
    stdout().print(foreign(f"All of them: {shown_path(run.verdict / 'verdict.md')}"))


def promote(
    ctx: typer.Context,
    name: Name,
    force: Annotated[bool, typer.Option("--force", help="Without, or against, the gate's verdict.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the record.", metavar="TEXT")] = "",
    as_json: Json = False,
) -> None:
    """Serve an adapter from now on; programs that run take it with their next question."""
    from finetune.improvement import promotion

    if force and not reason:
        raise typer.BadParameter("say why with --reason TEXT: it stays in the record")
    promotion.promote(invocation(ctx).settings(), name, force=force, reason=reason)
    if as_json:
        print_json({"served": name})
    else:
        stdout().print(foreign(f"✓ {name} is served from now on."))


def rollback(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option(help="Why, for the record.", metavar="TEXT")] = "",
    as_json: Json = False,
) -> None:
    """Serve what was served before, one step."""
    from finetune.improvement.promotion import roll_back

    served = roll_back(invocation(ctx).settings(), reason)
    if as_json:
        print_json({"served": served})
    else:
        stdout().print(foreign(f"✓ Served is {served or 'the model without an adapter'} again."))


def remove(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Delete an adapter that is not served; its run and data set stay."""
    _registry(invocation(ctx).settings()).remove(name)
    if as_json:
        print_json({"removed": name})
    else:
        stdout().print(foreign(f"✓ {name} is deleted."))
