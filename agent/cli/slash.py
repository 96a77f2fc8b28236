"""The `/` commands of a chat: name → what it does. Each takes the conversation and the rest of the line."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.output import foreign, out, print_error
from knowledge.errors import IngestInterrupted

if TYPE_CHECKING:
    from agent.cli.chat import Conversation
    from agent.schema import Turn

    Action = Callable[[Conversation, str], None]


@dataclass(frozen=True)
class Command:
    """A `/` command: its arguments as shown in the help, what it does, and the function."""

    usage: str
    help: str
    action: Action


COMMANDS: dict[str, Command] = {}


def command(name: str, usage: str = "") -> Callable[[Action], Action]:
    """Register a function as `/name`; the first line of its docstring is its help."""

    def add(action: Action) -> Action:
        COMMANDS[name] = Command(usage, (action.__doc__ or "").strip().splitlines()[0].rstrip("."), action)
        return action

    return add


def run(chat: Conversation, line: str) -> bool:
    """Run a `/` command; False when it ends the chat."""
    name, _, rest = line[1:].partition(" ")
    if name in ("quit", "exit", "q"):
        return False
    if name in COMMANDS:
        COMMANDS[name].action(chat, rest.strip())
        return True
    near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.4)
    fix = f"Did you mean /{near[0]}? " if near else ""
    print_error(f"There is no command /{name}.", fix=f"{fix}/help lists them all.")
    return True


def say(text: str) -> None:
    """A confirmation, in one line."""
    out().print(foreign(f"✓ {text}", "green"))


def usage(name: str) -> None:
    """Tell how a command is written."""
    print_error(f"/{name} needs more.", fix=f"Write: /{name} {COMMANDS[name].usage}")


def last_turn(chat: Conversation) -> Turn | None:
    """The turn that feedback and sources are about; None after saying that there is none."""
    if chat.last is None:
        print_error("Nothing has been answered yet.", fix="Ask a question first.")
    return chat.last


@command("help")
def show_help(chat: Conversation, rest: str) -> None:
    """Show these commands."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, entry in COMMANDS.items():
        table.add_row(foreign(f"/{name} {entry.usage}", "cyan"), entry.help)
    out().print(table)
    out().print(foreign("Ctrl-C stops an answer · Alt-Enter starts a new line · Ctrl-D ends the chat", "dim"))


@command("sources")
def sources(chat: Conversation, rest: str) -> None:
    """List the passages found for the last question."""
    from agent.cli.render import print_passages

    if (turn := last_turn(chat)) is None:
        return
    if not turn.passages:
        out().print("No passages were found for it.")
    print_passages(turn.passages, {citation.passage_id for citation in turn.citations})


@command("source", "N")
def source(chat: Conversation, rest: str) -> None:
    """Show passage N in full."""
    from agent.cli.render import print_passage

    if (turn := last_turn(chat)) is None:
        return
    if not rest.isdecimal():
        usage("source")
    elif not 1 <= int(rest) <= len(turn.passages):
        print_error(
            f"There is no passage {rest}.",
            fix=f"The last turn has {len(turn.passages)}; /sources lists them.",
        )
    else:
        print_passage(turn.passages[int(rest) - 1])


@command("good")
def good(chat: Conversation, rest: str) -> None:
    """Mark the last answer as good."""
    _rate(chat, 1, comment=rest)


@command("bad", "[COMMENT]")
def bad(chat: Conversation, rest: str) -> None:
    """Mark the last answer as bad, and say why."""
    _rate(chat, -1, comment=rest)


@command("correct", "TEXT")
def correct(chat: Conversation, rest: str) -> None:
    """Give the answer it should have given."""
    if not rest:
        usage("correct")
        return
    _rate(chat, -1, correction=rest)


def _rate(chat: Conversation, rating: int, correction: str = "", comment: str = "") -> None:
    if (turn := last_turn(chat)) is not None:
        chat.session.feedback(turn.turn_id, rating, correction, comment)
        say("Kept, with the question, the passages and the answer.")


@command("model", "[SPEC]")
def model(chat: Conversation, rest: str) -> None:
    """Show or change the model."""
    if rest:
        chat.session.use_model(rest)
    say(f"The model is {chat.session.model_name}.")


@command("memory", "[add TEXT | edit ID TEXT | delete ID]")
def memory(chat: Conversation, rest: str) -> None:
    """List or change what is remembered."""
    from agent.cli.memory import print_facts

    facts = chat.session.facts
    verb, _, argument = rest.partition(" ")
    key, _, text = argument.strip().partition(" ")
    if not verb or verb == "list":
        print_facts(facts.all())
    elif verb == "add" and argument.strip():
        say(f"Remembered: {facts.add(argument.strip()).text}")
    elif verb == "edit" and key and text.strip():
        say(f"Changed to: {facts.edit(key, text.strip()).text}")
    elif verb == "delete" and key:
        facts.delete(key)
        say(f"Forgotten: {key}")
    else:
        usage("memory")


@command("remember", "TEXT")
def remember(chat: Conversation, rest: str) -> None:
    """Remember something in every conversation."""
    memory(chat, f"add {rest}") if rest else usage("remember")


@command("forget", "ID")
def forget(chat: Conversation, rest: str) -> None:
    """Forget something; /memory shows the IDs."""
    memory(chat, f"delete {rest}") if rest else usage("forget")


@command("threads")
def threads(chat: Conversation, rest: str) -> None:
    """List the conversations."""
    from agent.cli.threads import print_threads

    print_threads(chat.session.records.threads(), current=chat.session.thread_id)


@command("thread", "ID")
def thread(chat: Conversation, rest: str) -> None:
    """Go to another conversation."""
    if not rest:
        usage("thread")
        return
    chat.session.thread_id = chat.session.records.find_thread(rest)
    say(f"Now in conversation {chat.session.thread_id}.")
    chat.pick_up()


@command("new")
def new(chat: Conversation, rest: str) -> None:
    """Start a new conversation."""
    chat.last = None
    say(f"New conversation {chat.session.new_thread()}.")


@command("undo")
def undo(chat: Conversation, rest: str) -> None:
    """Take the last turn back."""
    taken = chat.session.undo()
    turns = chat.session.turns()
    chat.last = turns[-1] if turns else None
    if taken is None:
        print_error("There is no turn to take back.")
    else:
        say(f"Taken back: {taken.question}")


@command("export", "[FILE]")
def export(chat: Conversation, rest: str) -> None:
    """Write the conversation to a .md or .json file."""
    from agent.cli.export import write

    path = Path(rest).expanduser() if rest else Path(f"ratchet-{chat.session.thread_id[:8]}.md")
    say(f"Written to {write(path, chat.session.turns())}")


@command("docs", "[PATH]")
def docs(chat: Conversation, rest: str) -> None:
    """Ingest a file, folder or web page; without one, everything again."""
    from agent.cli.ingest import print_interrupted, print_report
    from agent.cli.progress import progress_bar

    try:
        with progress_bar() as on_progress:
            report = chat.session.ingest([rest] if rest else [], on_progress=on_progress)
    except IngestInterrupted as interrupted:
        print_interrupted(interrupted)
    else:
        print_report(report)


@command("in", "[GLOB …]")
def narrow(chat: Conversation, rest: str) -> None:
    """Look only into these files or folders; without any, into all again."""
    from agent.documents import narrowed

    named = Path(rest).expanduser()
    chat.where = narrowed([rest] if rest and named.exists() else rest.split())  # a name may hold blanks
    say(f"Looking only into {rest}." if rest else "Looking into all documents.")


@command("quit")
def leave(chat: Conversation, rest: str) -> None:
    """End the chat."""
