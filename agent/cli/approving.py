"""A tool call that waits for a person: what it would do, in full, and the person's answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.calls.approvals import ApprovalRequest
from agent.cli.output import foreign, out, print_error, shown_path
from agent.errors import ApprovalError
from tools.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

    from agent.session import ChatSession

CHOICES = "[y]es  [n]o  [e]dit  [a]lways in this conversation  [l]ater"
_LABELS = {"write": "writes", "execute": "runs code", "network": "reaches the network", "read": "reads"}


def print_request(request: ApprovalRequest, console: Console | None = None) -> None:
    """Show a request in full: nothing that is decided about may be cut, invisible, or pass for what it is not.

    Args:
        request: what waits.
        console: where; default: standard output.
    """
    console = console or out()
    console.print(
        foreign(f"⚠ {request.tool} ({_LABELS.get(request.risk, request.risk)}) waits for you.", "bold yellow")
    )
    console.print(foreign(f"  {request.why}"))
    for source in request.sources:
        console.print(foreign(f"  In play: {visible(shown_path(source) if source.startswith('/') else source)}", "dim"))
    for name, value in request.arguments.items():
        _print_argument(console, visible(name), _shown(value))
    if request.preview:
        _print_behind(console, "│", request.preview)
    console.print(foreign(f"  request {request.call_id}", "dim"))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _print_argument(console: Console, name: str, value: str) -> None:
    """On the line of its name where it fits, else below it."""
    line = foreign(f"  {name} = {visible(value)}")
    if "\n" not in value and (line.cell_len < console.width or not console.is_terminal):
        console.print(line)
        return
    console.print(foreign(f"  {name} ="))
    _print_behind(console, "┊", value)


def _print_behind(console: Console, bar: str, text: str) -> None:
    """Every line of a text behind a bar, wrapped ones too, so that it cannot pass for another part of the request."""
    from rich.text import Text

    for line in text.split("\n"):
        shown = foreign(visible(line))
        pieces = shown.wrap(console, max(20, console.width - 6)) if console.is_terminal else [shown]
        for piece in pieces or [Text()]:
            console.print(Text(f"  {bar} ", style="dim") + piece)


def ask_person(session: ChatSession, read: Callable[[str], str] = input) -> bool:
    """Ask about everything that waits in the session's thread; whether a decision was made.

    Args:
        session: the conversation.
        read: shows a prompt and returns the line typed; EOFError and KeyboardInterrupt leave the rest for later.
    """
    decided = False
    for request in session.approvals():
        print_request(request)
        try:
            answered = _ask(session, request, read)
        except (EOFError, KeyboardInterrupt):
            answered = False
        if not answered:
            out().print(foreign("· Left for later: `ratchet approvals` shows what waits.", "yellow"))
            return decided
        decided = True
    return decided


def _ask(session: ChatSession, request: ApprovalRequest, read: Callable[[str], str]) -> bool:
    while True:
        answer = read(f"  {CHOICES}: ").strip().lower()
        try:
            if answer in {"y", "yes"}:
                session.decide(request, "approve")
            elif answer in {"a", "always"}:
                session.decide(request, "approve", always=True)
            elif answer in {"n", "no"}:
                session.decide(request, "reject", reason=read("  Why (Enter for no reason): ").strip())
            elif answer in {"e", "edit"}:
                session.decide(request, "edit", arguments=_edited(request, read))
            elif answer in {"l", "later"}:
                return False
            else:
                continue
        except ValueError as error:
            print_error(f"That is no JSON: {error}.", kept="The request still waits.")
            continue
        except ApprovalError as error:
            print_error(error.what, error.kept, error.fix)
            return True
        return True


def _edited(request: ApprovalRequest, read: Callable[[str], str]) -> dict[str, Any]:
    changed = dict(request.arguments)
    for name, value in request.arguments.items():
        typed = read(f"  {visible(name)} (Enter keeps {visible(_shown(value))[:60]}): ")
        if typed:
            changed[name] = typed if isinstance(value, str) else json.loads(typed)
    return changed
