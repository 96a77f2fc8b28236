"""`ratchet approvals`: tool calls that wait for a person, and what became of earlier ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exit_codes import examples
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from agent.calls.approvals import ApprovalRequest, Decision
    from agent.calls.ledger import AuditEntry, CallLedger
    from agent.config import Settings

group = typer.Typer(
    help="See, approve or reject tool calls that wait for you.",
    epilog=examples(
        "ratchet approvals",
        "ratchet approvals approve 3fa9c1d2-0",
        'ratchet approvals reject 3fa9c1d2-0 --reason "wrong folder"',
        "ratchet approvals log --csv audit.csv",
    ),
    invoke_without_command=True,
)
Request = Annotated[str, typer.Argument(metavar="REQUEST", help="The request, or the start of its name.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(group, name="approvals")


@contextmanager
def open_ledger(settings: Settings) -> Iterator[CallLedger]:
    """The ledger of tool calls.

    Raises:
        DatabaseError: the database cannot be opened.
    """
    from agent.calls.ledger import CallLedger

    with closing(CallLedger(settings.database)) as ledger:
        yield ledger


@group.callback()
def default(ctx: typer.Context, as_json: Json = False) -> None:
    """List what waits when no subcommand is given."""
    if ctx.invoked_subcommand is None:
        _show_waiting(invocation(ctx).settings(), as_json)


@group.command("list", epilog=examples("ratchet approvals list", "ratchet approvals list --json"))
def list_waiting(ctx: typer.Context, as_json: Json = False) -> None:
    """List the tool calls that wait, of all conversations."""
    _show_waiting(invocation(ctx).settings(), as_json)


def _show_waiting(settings: Settings, as_json: bool) -> None:
    from agent.cli.approving import print_request
    from agent.cli.output import out, print_json

    with open_ledger(settings) as ledger:
        found = ledger.waiting()
    if as_json:
        print_json([asdict(request) for request in found])
        return
    if not found:
        out().print("Nothing waits for you.")
    for request in found:
        print_request(request)


@group.command(epilog=examples("ratchet approvals approve 3fa9c1d2-0", "ratchet approvals approve 3fa9 --always"))
def approve(
    ctx: typer.Context,
    request: Request,
    arguments: Annotated[
        str | None, typer.Option(metavar="JSON", help="Run it with these arguments instead, all of them.")
    ] = None,
    always: Annotated[bool, typer.Option("--always", help="Allow the tool for the rest of the conversation.")] = False,
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="SPEC", help="Go on with this model.")] = None,
) -> None:
    """Approve a tool call, and go on with the turn that waits for it."""
    given = _parsed(arguments)
    _decide(ctx, request, "approve" if given is None else "edit", model, arguments=given, always=always)


@group.command(epilog=examples('ratchet approvals reject 3fa9c1d2-0 --reason "wrong folder"'))
def reject(
    ctx: typer.Context,
    request: Request,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Told to the model.")] = "",
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="SPEC", help="Go on with this model.")] = None,
) -> None:
    """Reject a tool call, and go on with the turn that waits for it."""
    _decide(ctx, request, "reject", model, reason=reason)


def _parsed(arguments: str | None) -> dict[str, Any] | None:
    if arguments is None:
        return None
    try:
        value = json.loads(arguments)
    except ValueError as error:
        raise typer.BadParameter(f"--arguments is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter('--arguments must be a JSON object, such as {"path": "notes.txt"}')
    return value


def _decide(ctx: typer.Context, name: str, decision: Decision, model: str | None, **how: Any) -> None:
    from agent.cli.ask import finish
    from agent.session import ChatSession

    settings = invocation(ctx).settings(model={"name": model})
    from agent.cli.approving import print_request
    from agent.cli.output import err

    request = _find(settings, name)
    print_request(request, err())
    with ChatSession(settings, thread_id=request.thread_id) as session:
        session.decide(request, decision, **how)
        finish(session)


def _find(settings: Settings, name: str) -> ApprovalRequest:
    from agent.errors import ApprovalError

    with open_ledger(settings) as ledger:
        found = [request for request in ledger.waiting() if _named(request, name)]
    if len(found) != 1:
        what = f'"{name}" fits {len(found)} requests.' if found else f'No request "{name}" waits.'
        raise ApprovalError(what, kept="Nothing was run.", fix="`ratchet approvals` shows what waits.")
    return found[0]


def _named(request: ApprovalRequest, name: str) -> bool:
    """Whether a request is called so: by its name, or by the start of its turn with the number of the call.

    The number may be left out for a turn's first call only: the next one waits as soon as that is decided, perhaps in
    another window, and whoever names the first must not decide about the next unseen.
    """
    turn, _, number = request.call_id.rpartition("-")
    start, dash, given = name.rpartition("-")
    if not dash:
        return bool(name) and number == "0" and turn.startswith(name)
    return bool(start) and given == number and turn.startswith(start)


@group.command(
    "log",
    epilog=examples(
        "ratchet approvals log", "ratchet approvals log --thread 3fa9", "ratchet approvals log --csv a.csv"
    ),
)
def show_log(
    ctx: typer.Context,
    thread: Annotated[str | None, typer.Option(metavar="ID", help="Of this conversation only.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a table to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Show who decided what about which tool call, when, and with which arguments."""
    from agent.cli.output import out, print_json

    settings = invocation(ctx).settings()
    chosen = _thread(settings, thread)
    with open_ledger(settings) as ledger:
        entries = ledger.audit(chosen)
    if csv is not None:
        out().print(f"✓ {len(entries)} lines in {_write_csv(csv, entries)}")
    elif as_json:
        print_json([asdict(entry) for entry in entries])
    else:
        _print_log(entries)


def _thread(settings: Settings, given: str | None) -> str | None:
    if given is None:
        return None
    from agent.cli.ask import thread_id

    return thread_id(settings, given)


def _print_log(entries: list[AuditEntry]) -> None:
    from agent.cli.output import foreign, out
    from tools.visible import visible

    if not entries:
        out().print("No tool call with effects has been proposed yet.")
    for entry in entries:
        made = "(deleted)" if entry.arguments is None else visible(json.dumps(entry.arguments, ensure_ascii=False))
        detail = f" · {visible(entry.detail)}" if entry.detail else ""
        line = f"{entry.at[:19]}  {entry.person}  {entry.event:<9} {entry.tool} {made}{detail}  [{entry.call_id}]"
        out().print(foreign(line))


def _write_csv(path: Path, entries: list[AuditEntry]) -> str:
    import csv
    import io
    from dataclasses import fields

    from agent.calls.ledger import AuditEntry
    from agent.cli.export import write_new

    table = io.StringIO(newline="")
    # Quoted throughout: a semicolon would begin a new cell where that is what separates them.
    writer = csv.writer(table, quoting=csv.QUOTE_ALL)
    writer.writerow(field.name for field in fields(AuditEntry))
    for entry in entries:
        row = asdict(entry)
        made = row["arguments"]
        row["arguments"] = "" if made is None else json.dumps(made, ensure_ascii=False)
        writer.writerow(_cell(str(value or "")) for value in row.values())
    return write_new(path, table.getvalue())


def _cell(text: str) -> str:
    # A cell that begins like a formula would be run by a spreadsheet.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")) else text
