"""`ratchet ask`: one question, one answer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import exit_codes
from agent.cli.exit_codes import examples
from agent.cli.ingest import Collection
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.config import Settings
    from agent.schema import Event, Failed, Turn
    from agent.session import ChatSession

Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="SPEC", help="local:default, ollama:NAME, openai:NAME …"),
]
Adapter = Annotated[str | None, typer.Option(metavar="PATH", help="LoRA adapter for a local model.")]
Thread = Annotated[str | None, typer.Option(metavar="ID", help='Continue this conversation, or the "last" one.')]
Docs = Annotated[list[str] | None, typer.Option(metavar="PATH", help="Ingest this file or folder first; repeatable.")]
Where = Annotated[
    list[str] | None, typer.Option("--in", metavar="GLOB", help="Look only into these files; repeatable.")
]
Strict = Annotated[
    bool | None,
    typer.Option("--strict/--free", help="Say only what the documents support.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            'ratchet ask "How do I add documents?"',
            'ratchet ask --docs ./manuals --strict "What is the warranty period?"',
            'ratchet ask --in manuals "How often is the filter rinsed?"',
            'ratchet ask --json "What is 17*23?" | jq -r .answer',
            "ratchet ask < question.txt",
        )
    )(ask)


def ask(  # noqa: PLR0913 - each parameter is an option that the user sees
    ctx: typer.Context,
    question: Annotated[str | None, typer.Argument(help='The question; "-" or nothing reads it from a pipe.')] = None,
    model: Model = None,
    adapter: Adapter = None,
    thread: Thread = None,
    docs: Docs = None,
    where: Where = None,
    collection: Collection = None,
    strict: Strict = None,
    as_json: Json = False,
) -> None:
    """Answer one question and exit."""
    from agent.documents import narrowed
    from agent.session import ChatSession

    text = _question(question)
    run = invocation(ctx)
    knowledge = {"strict": strict, "collection": collection}
    settings = run.settings(model={"name": model, "adapter": adapter}, knowledge=knowledge)
    if docs:
        from agent.cli.ingest import ingest_documents

        ingest_documents(settings, docs)
    with ChatSession(settings, thread_id=thread_id(settings, thread)) as session:
        finish(session, session.stream(text, narrowed(where)), as_json)


def finish(session: ChatSession, events: Iterable[Event] | None = None, as_json: bool = False) -> None:
    """Show a turn to its end, asking a person at a terminal about what it waits for; then exit as it ended.

    Args:
        session: the conversation.
        events: of the turn; default: those of the turn that waits or was interrupted.
        as_json: print the turn as JSON at its end instead.

    Raises:
        typer.Exit: it failed, was stopped, or waits for an approval.
    """
    from agent.cli.approving import ask_person

    turn, failure = _shown(session, session.resume() if events is None else events, as_json)
    asking = not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    while asking and turn is not None and turn.status == "waiting" and ask_person(session):
        turn, failure = _shown(session, session.resume(), as_json)
    if as_json:
        _print(turn, failure, session)
    if failure is not None or turn is None:
        raise typer.Exit(failure.exit_code if failure else exit_codes.OTHER)
    if turn.status == "cancelled":
        raise typer.Exit(exit_codes.INTERRUPTED)
    if turn.status == "waiting":
        if not asking and not as_json:
            _tell_waiting(session)
        raise typer.Exit(exit_codes.WAITING)


def _tell_waiting(session: ChatSession) -> None:
    from agent.cli.approving import print_request
    from agent.cli.output import foreign, out

    for request in session.approvals():
        print_request(request)
        out().print(foreign(f"  → ratchet approvals approve {request.call_id}"))


def _question(given: str | None) -> str:
    if given is not None and given != "-":
        return given
    if given is None and sys.stdin.isatty():
        raise typer.BadParameter('give a question, or "-" to type one and end it with Ctrl-D')
    return sys.stdin.read()


def thread_id(settings: Settings, given: str | None) -> str | None:
    """The id of the conversation named by the start of its id or as "last"; an unknown name is a new one."""
    if given is None:
        return None
    from agent.cli.threads import latest_thread, match_thread

    return latest_thread(settings) if given == "last" else match_thread(settings, given) or given


def _shown(session: ChatSession, events: Iterable[Event], as_json: bool) -> tuple[Turn | None, Failed | None]:
    from agent.cli.interrupt import cancelling
    from agent.schema import Done, Failed

    with cancelling(session):
        if not as_json:
            from agent.cli.render import TurnPrinter

            printer = TurnPrinter()
            return printer.show(events), printer.failure
        turn: Turn | None = None
        failure: Failed | None = None
        for event in events:
            if isinstance(event, Done):
                turn = event.turn
            elif isinstance(event, Failed):
                failure = event
    return turn, failure


def _print(turn: Turn | None, failure: Failed | None, session: ChatSession) -> None:
    from dataclasses import asdict

    from agent.cli.output import print_json

    value: dict[str, Any] = turn.to_json() if turn else {}
    if failure:
        value["error"] = {"what": failure.what, "kept": failure.kept, "fix": failure.fix}
    if turn is not None and turn.status == "waiting":
        value["approvals"] = [asdict(request) for request in session.approvals()]
    print_json(value)
