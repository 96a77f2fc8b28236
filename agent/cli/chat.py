"""`ratchet chat`: a conversation in the terminal, or over a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.ask import Adapter, Docs, Model, Strict, Thread, Where, thread_id
from agent.cli.exit_codes import INTERRUPTED, OTHER, examples
from agent.cli.ingest import Collection
from agent.cli.seam import invocation
from knowledge.errors import RatchetError

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.schema import Event, Turn
    from agent.session import ChatSession
    from knowledge.schema import SearchFilter


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "ratchet chat",
            "ratchet chat --docs ./manuals --strict",
            "ratchet chat --collection work --in manuals",
            "ratchet chat --thread last",
            "ratchet chat --model ollama:llama3.2",
            "ratchet chat < questions.txt > answers.txt",
        )
    )(chat)


def chat(  # noqa: PLR0913 - each parameter is an option that the user sees
    ctx: typer.Context,
    model: Model = None,
    adapter: Adapter = None,
    thread: Thread = None,
    new: Annotated[bool, typer.Option("--new", help="Start a new one, even after an interruption.")] = False,
    docs: Docs = None,
    where: Where = None,
    collection: Collection = None,
    strict: Strict = None,
) -> None:
    """Talk with the agent about your documents; /help inside lists what else it can do.

    Ctrl-C stops an answer, Ctrl-D ends the chat. Without a terminal, each line of the input is a question.
    """
    from agent.documents import narrowed
    from agent.session import ChatSession

    if thread is not None and new:
        raise typer.BadParameter("choose one of --thread and --new")
    knowledge = {"strict": strict, "collection": collection}
    settings = invocation(ctx).settings(model={"name": model, "adapter": adapter}, knowledge=knowledge)
    if docs:
        from agent.cli.ingest import ingest_documents, print_report

        print_report(ingest_documents(settings, docs))
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    chosen = _choose_thread(settings, thread, interactive and not new)
    with ChatSession(settings, thread_id=chosen) as session:
        session.warm()
        conversation = Conversation(session, narrowed(where))
        code = conversation.over_terminal(chosen) if interactive else conversation.over_pipe()
    if code:
        raise typer.Exit(code)


def _choose_thread(settings: Settings, thread: str | None, after_crash: bool) -> str | None:
    if thread is not None:
        return thread_id(settings, thread)
    if after_crash:
        from agent.cli.inflight import take_interrupted

        return take_interrupted(settings.home)
    return None


def _unless_interrupted(show: Callable[[], Turn | None]) -> Turn | None:
    from agent.cli.output import foreign, out

    try:
        return show()
    except KeyboardInterrupt:
        out().print(foreign("· stopped", "yellow"))
        return None


class Conversation:
    """The loop of a chat: question or `/` command in, answer out; errors are shown and survived."""

    def __init__(self, session: ChatSession, where: SearchFilter | None = None) -> None:
        self.session = session
        self.where = where
        self.last: Turn | None = None
        self.interrupted = False
        self.interactive = False
        self._failed = 0
        self._answered = 0
        self._code = OTHER

    def over_terminal(self, known_thread: str | None) -> int:
        """Converse with a person until Ctrl-D or /quit."""
        from agent.cli.banner import print_banner
        from agent.cli.prompt import from_terminal
        from agent.cli.slash import COMMANDS

        self.interactive = True
        print_banner(self.session, known_thread)
        if known_thread is not None:
            self.pick_up()
        listed = [(f"/{name}", command.help) for name, command in COMMANDS.items()]
        self._serve(from_terminal(self.session.settings.home, listed))
        return 0

    def over_pipe(self) -> int:
        """Answer each line; the exit code of the last error when no line could be answered."""
        from agent.cli.prompt import from_pipe

        self._serve(from_pipe(), stop_on_interrupt=True)
        if self.interrupted:
            return INTERRUPTED
        return self._code if self._failed and not self._answered else 0

    def _serve(self, lines: Iterable[str], *, stop_on_interrupt: bool = False) -> None:
        from agent.cli.output import out
        from agent.cli.slash import run

        for line in lines:
            try:
                if line.startswith("/"):
                    if not run(self, line):
                        return
                else:
                    self.answer(self.session.stream(line, self.where))
                    self.approve()
            except RatchetError as error:
                self._note_error(error.exit_code)
                self._show(error)
            if stop_on_interrupt and self.interrupted:
                return
            out().print()

    def answer(self, events: Iterable[Event]) -> None:
        """Print one turn as it comes; Ctrl-C stops it, a second one stops waiting for it."""
        from agent.cli.inflight import answering
        from agent.cli.interrupt import cancelling
        from agent.cli.render import TurnPrinter

        printer = TurnPrinter()
        with (
            answering(self.session.settings.home, self.session.thread_id),
            cancelling(self.session) as interrupts,
        ):
            turn = _unless_interrupted(lambda: printer.show(events))
        self.interrupted = interrupts.count > 0
        if printer.failure is not None:
            self._note_error(printer.failure.exit_code)
        elif turn is not None:
            self.last = turn
            self._answered += 1

    def approve(self) -> None:
        """Ask about the tool calls that the turn waits for, and go on with it, until none waits or all are left."""
        from agent.cli.approving import ask_person
        from agent.cli.output import foreign, out

        while self.session.approvals():
            if not self.interactive:
                out().print(foreign("· A tool call waits for you: `ratchet approvals`.", "yellow"))
                return
            if not ask_person(self.session):
                return
            self.answer(self.session.resume())

    def pick_up(self) -> None:
        """Show where the conversation stands, and finish the turn that a crash interrupted in it."""
        from agent.cli.output import foreign, one_line, out
        from agent.cli.render import print_turn

        try:
            turns = self.session.turns()
            self.last = turns[-1] if turns else None
            if self.last is not None:
                print_turn(self.last)
                out().print()
            question = self.session.pending
            if question is not None:
                out().print(foreign(f"· Finishing what was interrupted: “{one_line(question, 120)}”", "yellow"))
                self.answer(self.session.resume())
                self.approve()
                out().print()
        except RatchetError as error:
            self._show(error)

    def _note_error(self, code: int) -> None:
        self._failed += 1
        self._code = code

    @staticmethod
    def _show(error: RatchetError) -> None:
        from agent.cli.output import print_error

        print_error(error.what, error.kept, error.fix)
