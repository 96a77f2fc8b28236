"""`ratchet feedback`: what people thought of the answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exit_codes import examples
from agent.cli.seam import Json, invocation
from agent.cli.threads import open_records

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.records import Records
    from agent.schema import Feedback, Turn

group = typer.Typer(
    help="List feedback on answers, or add some.",
    epilog=examples("ratchet feedback", "ratchet feedback add last --good"),
    invoke_without_command=True,
)
_RATINGS = {1: ("good", "green"), -1: ("bad", "red"), 0: ("comment", "")}


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(group, name="feedback")


@group.callback()
def default(ctx: typer.Context, as_json: Json = False) -> None:
    """List the feedback when no subcommand is given."""
    if ctx.invoked_subcommand is None:
        show_list(invocation(ctx).settings(), as_json)


@group.command("list", epilog=examples("ratchet feedback list", "ratchet feedback list --json"))
def list_feedback(ctx: typer.Context, as_json: Json = False) -> None:
    """List all feedback."""
    show_list(invocation(ctx).settings(), as_json)


def show_list(settings: Settings, as_json: bool) -> None:
    """Print all feedback, each with the question it is about."""
    from agent.cli.output import out, print_json

    with open_records(settings) as records:
        found = [(item, records.turn(item.turn_id)) for item in records.feedback()]
    if as_json:
        print_json([asdict(item) | {"question": turn.question if turn else ""} for item, turn in found])
        return
    if not found:
        out().print("No feedback yet.")
    for item, turn in found:
        _print(item, turn)


def _print(item: Feedback, turn: Turn | None) -> None:
    from rich.text import Text

    from agent.cli.output import foreign, one_line, out

    name, style = _RATINGS[item.rating]
    line = Text(f"{name:<8}", style=style) + foreign(f"{item.turn_id[:8]}  ", "dim")
    out().print(line + foreign(one_line(turn.question if turn else "(deleted)", 100)))
    for label, text in (("should be", item.correction), ("comment", item.comment)):
        if text:
            out().print(foreign(f"          {label}: {text}", "dim"))


@group.command(
    epilog=examples(
        "ratchet feedback add last --good",
        'ratchet feedback add 41bd --bad --comment "it missed the second table"',
        'ratchet feedback add 41bd --correct "The warranty lasts 24 months."',
    )
)
def add(
    ctx: typer.Context,
    turn: Annotated[str, typer.Argument(metavar="TURN", help='The start of a turn\'s ID, or "last".')],
    good: Annotated[bool | None, typer.Option("--good/--bad", help="The verdict.", show_default=False)] = None,
    correction: Annotated[str, typer.Option("--correct", metavar="TEXT", help="What it should have said.")] = "",
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Anything else.")] = "",
    as_json: Json = False,
) -> None:
    """Record what you think of an answer."""
    from agent.cli.output import out, print_json

    if good is None and not correction and not comment:
        raise typer.BadParameter("say --good, --bad, --correct TEXT or --comment TEXT")
    verdict = good if good is not None else False if correction else None
    rating = 0 if verdict is None else 1 if verdict else -1
    with open_records(invocation(ctx).settings()) as records:
        turn_id = _latest(records) if turn == "last" else turn
        given = records.add_feedback(turn_id, rating, correction, comment)
    if as_json:
        print_json(asdict(given))
    else:
        out().print("✓ Kept, with the question, the passages and the answer.", style="green")


def _latest(records: Records) -> str:
    from agent.errors import RecordError

    threads = records.threads()
    turns = records.turns(threads[0].thread_id) if threads else []
    if not turns:
        raise RecordError("Nothing has been answered yet.", fix="Ask something first: `ratchet ask QUESTION`.")
    return turns[-1].turn_id
