"""`ratchet threads`: the conversations so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exit_codes import examples
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.records import Records, ThreadSummary

group = typer.Typer(
    help="List, show, rename, export or delete conversations, or say what may be learned from them.",
    epilog=examples("ratchet threads", "ratchet threads show 3fa9", "ratchet threads export 3fa9 talk.md"),
    invoke_without_command=True,
)
Thread = Annotated[str, typer.Argument(metavar="ID", help="The conversation, or the start of its ID.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(group, name="threads")


@contextmanager
def open_records(settings: Settings) -> Iterator[Records]:
    """The records of turns and feedback.

    Raises:
        DatabaseError: the database cannot be opened.
    """
    from agent.records import Records

    with closing(Records(settings.database)) as records:
        yield records


@group.callback()
def default(ctx: typer.Context, as_json: Json = False) -> None:
    """List the conversations when no subcommand is given."""
    if ctx.invoked_subcommand is None:
        show_list(invocation(ctx).settings(), as_json)


@group.command("list", epilog=examples("ratchet threads list", "ratchet threads list --json"))
def list_threads(ctx: typer.Context, as_json: Json = False) -> None:
    """List the conversations, the latest first."""
    show_list(invocation(ctx).settings(), as_json)


def show_list(settings: Settings, as_json: bool) -> None:
    """Print all conversations."""
    from dataclasses import asdict

    from agent.cli.output import print_json

    with open_records(settings) as records:
        found = records.threads()
    if as_json:
        print_json([asdict(summary) for summary in found])
    else:
        print_threads(found)


@group.command(epilog=examples("ratchet threads show 3fa9", "ratchet threads show 3fa9 --json"))
def show(ctx: typer.Context, thread: Thread, as_json: Json = False) -> None:
    """Show the turns of a conversation."""
    from agent.cli.output import out, print_json
    from agent.cli.render import print_turn

    with open_records(invocation(ctx).settings()) as records:
        turns = records.turns(records.find_thread(thread))
    if as_json:
        print_json([turn.to_json() for turn in turns])
        return
    for turn in turns:
        print_turn(turn)
        out().print()


@group.command(epilog=examples('ratchet threads rename 3fa9 "Moving to Postgres"'))
def rename(ctx: typer.Context, thread: Thread, title: Annotated[str, typer.Argument(help="Its new title.")]) -> None:
    """Give a conversation a title."""
    from agent.cli.output import foreign, out

    with open_records(invocation(ctx).settings()) as records:
        records.rename_thread(records.find_thread(thread), title)
    out().print(foreign(f"✓ Renamed to {title}", "green"))


@group.command(epilog=examples("ratchet threads delete 3fa9", "ratchet threads delete 3fa9 --yes"))
def delete(
    ctx: typer.Context,
    thread: Thread,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a conversation for good, with its feedback."""
    from agent.calls.ledger import CallLedger
    from agent.cli.output import foreign, out
    from agent.memory import open_checkpointer

    settings = invocation(ctx).settings()
    with open_records(settings) as records, closing(CallLedger(settings.database)) as ledger:
        # One whose first turn still waits for an approval is in no record yet, but its text is kept, too.
        unrecorded = {request.thread_id for request in ledger.waiting() if thread and request.thread_id == thread}
        thread_id = unrecorded.pop() if unrecorded else records.find_thread(thread)
        if not yes:
            typer.confirm(f"Delete conversation {thread_id} and its feedback for good?", abort=True)
        checkpointer = open_checkpointer(settings.database)
        with closing(checkpointer.conn):
            checkpointer.delete_thread(thread_id)
        ledger.delete_thread(thread_id)
        if any(summary.thread_id == thread_id for summary in records.threads()):
            records.delete_thread(thread_id)
    out().print(foreign(f"✓ Deleted {thread_id}", "green"))


@group.command(epilog=examples("ratchet threads export 3fa9 talk.md", "ratchet threads export 3fa9 talk.json"))
def export(
    ctx: typer.Context, thread: Thread, file: Annotated[Path, typer.Argument(help="A new .md or .json file.")]
) -> None:
    """Write a conversation to a file."""
    from agent.cli.export import write
    from agent.cli.output import foreign, out

    with open_records(invocation(ctx).settings()) as records:
        turns = records.turns(records.find_thread(thread))
    out().print(foreign(f"✓ Written to {write(file.expanduser(), turns)}", "green"))


@group.command(epilog=examples("ratchet threads consent 3fa9", "ratchet threads consent 3fa9 --off"))
def consent(
    ctx: typer.Context,
    thread: Thread,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Change it.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Show or change whether a model may learn from a conversation.

    Unless you change it, one may where you have rated an answer, and nowhere else.
    """
    from agent.cli.output import out, print_json

    with open_records(invocation(ctx).settings()) as records:
        thread_id = records.find_thread(thread)
        if on is not None:
            records.set_consent(thread_id, on)
        given = records.consent(thread_id)
    if as_json:
        print_json({"thread_id": thread_id, "consent": given})
    else:
        out().print(f"A model {'may' if given else 'may not'} learn from conversation {thread_id}.")


def print_threads(summaries: Sequence[ThreadSummary], current: str = "") -> None:
    """One line per conversation: ID, turns, when, title."""
    from rich.table import Table

    from agent.cli.output import foreign, one_line, out

    if not summaries:
        out().print("No conversations yet.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("ID", no_wrap=True)
    table.add_column("turns", justify="right")
    table.add_column("latest (UTC)", no_wrap=True)
    table.add_column("title", overflow="ellipsis", no_wrap=True)
    for summary in summaries:
        mark = "cyan" if summary.thread_id == current else ""
        when = summary.updated_at[:16].replace("T", " ")
        title = foreign(one_line(summary.title, 120))
        table.add_row(foreign(summary.thread_id, mark), str(summary.turns), when, title)
    out().print(table)


def match_thread(settings: Settings, key: str) -> str | None:
    """The one conversation whose ID starts with `key`, or None."""
    from agent.errors import RecordError

    if not settings.database.exists():
        return None
    with open_records(settings) as records:
        try:
            return records.find_thread(key)
        except RecordError:
            return None


def latest_thread(settings: Settings) -> str | None:
    """The conversation that was answered in last, or None when there is none."""
    if not settings.database.exists():
        return None
    with open_records(settings) as records:
        found = records.threads()
    return found[0].thread_id if found else None
