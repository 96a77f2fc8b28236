"""`ratchet memory`: what is remembered across conversations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exit_codes import examples
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.memory import FactStore
    from agent.schema import Fact

group = typer.Typer(
    help="List, add, edit or delete what is remembered.",
    epilog=examples("ratchet memory", 'ratchet memory add "I prefer metric units"', "ratchet memory delete 7c2e"),
    invoke_without_command=True,
)
Text = Annotated[str, typer.Argument(help="What to remember.")]
Key = Annotated[str, typer.Argument(metavar="ID", help="The memory, or the start of its ID.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(group, name="memory")


@contextmanager
def open_facts(settings: Settings) -> Iterator[FactStore]:
    """The remembered facts; loads the embedder, which finds those relevant to a question.

    Raises:
        EmbedderError, DatabaseError: they cannot be opened.
    """
    from agent.embedder import build_embedder
    from agent.memory import FactStore

    settings.home.mkdir(parents=True, exist_ok=True)
    with closing(build_embedder(settings)) as embeddings:
        with closing(FactStore(settings.database, embeddings.embed, embeddings.fingerprint)) as facts:
            yield facts


@group.callback()
def default(ctx: typer.Context, as_json: Json = False) -> None:
    """List what is remembered when no subcommand is given."""
    if ctx.invoked_subcommand is None:
        show_list(invocation(ctx).settings(), as_json)


@group.command("list", epilog=examples("ratchet memory list", "ratchet memory list --json"))
def list_facts(ctx: typer.Context, as_json: Json = False) -> None:
    """List what is remembered."""
    show_list(invocation(ctx).settings(), as_json)


def show_list(settings: Settings, as_json: bool) -> None:
    """Print all facts."""
    from agent.cli.output import print_json

    with open_facts(settings) as facts:
        found = facts.all()
    if as_json:
        print_json([asdict(fact) for fact in found])
    else:
        print_facts(found)


@group.command(epilog=examples('ratchet memory add "The staging server is called heron"'))
def add(ctx: typer.Context, text: Text, as_json: Json = False) -> None:
    """Remember something in every conversation."""
    with open_facts(invocation(ctx).settings()) as facts:
        _tell("Remembered", facts.add(text), as_json)


@group.command(epilog=examples('ratchet memory edit 7c2e "The staging server is called egret"'))
def edit(ctx: typer.Context, key: Key, text: Text, as_json: Json = False) -> None:
    """Change what is remembered."""
    with open_facts(invocation(ctx).settings()) as facts:
        _tell("Changed to", facts.edit(key, text), as_json)


@group.command(epilog=examples("ratchet memory delete 7c2e"))
def delete(ctx: typer.Context, key: Key, as_json: Json = False) -> None:
    """Forget something."""
    from agent.cli.output import foreign, out, print_json

    with open_facts(invocation(ctx).settings()) as facts:
        facts.delete(key)
    if as_json:
        print_json({"deleted": key})
    else:
        out().print(foreign(f"✓ Forgotten: {key}", "green"))


def _tell(done: str, fact: Fact, as_json: bool) -> None:
    from agent.cli.output import foreign, out, print_json

    if as_json:
        print_json(asdict(fact))
    else:
        out().print(foreign(f"✓ {done}: {fact.text}", "green"))


def print_facts(facts: Sequence[Fact]) -> None:
    """One line per fact: its ID and its text."""
    from rich.table import Table

    from agent.cli.output import foreign, out

    if not facts:
        out().print("Nothing is remembered yet.")
        return
    table = Table.grid(padding=(0, 2))
    for fact in facts:
        table.add_row(foreign(fact.fact_id, "cyan"), foreign(fact.text))
    out().print(table)
