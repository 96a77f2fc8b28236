"""`ratchet doctor`: is everything in order, and what to do where it is not."""

from __future__ import annotations

import typer

from agent.cli import exit_codes
from agent.cli.exit_codes import examples
from agent.cli.seam import Json, invocation


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples("ratchet doctor", "ratchet doctor --json | jq '.[] | select(.ok | not)'"))(doctor)


def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    """Check model, embedder, index, database and disk, and say what to do."""
    from dataclasses import asdict

    from agent.checks import Check, run_checks
    from agent.cli.output import foreign, out, print_json

    done: list[Check] = []
    for check in run_checks(invocation(ctx).settings()):
        done.append(check)
        if as_json:
            continue
        sign = foreign("✓ ", "green") if check.ok else foreign("✗ ", "bold red")
        out().print(sign + foreign(f"{check.name:<14}", "bold") + foreign(check.detail))
        if check.fix:
            out().print(foreign(f"    → {check.fix}"))
    if as_json:
        print_json([asdict(check) for check in done])
    if not all(check.ok for check in done):
        raise typer.Exit(exit_codes.OTHER)
