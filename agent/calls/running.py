"""One tool call, run: within its time, stopped when the turn is, its result bounded and told from instructions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent import prompts
from agent.context import mark_of
from agent.errors import RatchetError

if TYPE_CHECKING:
    from tools.spec import ToolSpec

_POLL = 0.05  # seconds between looks at whether the user wants to stop
_LONGEST_SOURCE = 200  # characters of what a person is told about where a text came from
_stop: ContextVar[threading.Event | None] = ContextVar("stop", default=None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to. `status` as in `agent.schema.ToolCall`; `ended` is False when it was left running."""

    text: str
    status: str = "ok"
    artifact: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    ended: bool = True


def stop_event() -> threading.Event:
    """The event that is set when the call that this code runs in should end; one that never is, outside of a call."""
    return _stop.get() or threading.Event()


def stopped() -> bool:
    """For tools: whether the call that this code runs in should end now."""
    return stop_event().is_set()


def run_call(
    spec: ToolSpec, arguments: Mapping[str, Any], seconds: float, most_chars: int, cancelled: Callable[[], bool]
) -> Outcome:
    """Call a tool on a thread of its own; whatever it raises becomes text that a model can read.

    Args:
        spec: the tool.
        arguments: by name.
        seconds: how long it may take. A tool that does not end by then is asked to, and no longer waited for.
        most_chars: of its result; what is cut is said.
        cancelled: whether the user wants to stop.
    """
    stop = threading.Event()
    box: list[Outcome] = []

    def work() -> None:
        _stop.set(stop)
        box.append(_called(spec, dict(arguments)))

    began = time.perf_counter()
    # A daemon: a tool that hangs for ever must not keep the program from ending.
    worker = threading.Thread(target=copy_context().run, args=(work,), name=f"tool-{spec.name}", daemon=True)
    worker.start()
    while worker.is_alive() and time.perf_counter() - began < seconds and not cancelled():
        worker.join(min(_POLL, max(0.001, seconds)))
    taken = time.perf_counter() - began
    if not worker.is_alive():
        outcome = box[0]
        return Outcome(bounded(outcome.text, most_chars), outcome.status, outcome.artifact, taken)
    stop.set()
    worker.join(1.0)  # most tools look at `stopped` several times a second, and end in order
    why = prompts.TOOL_STOPPED if cancelled() else prompts.TOOL_TIMEOUT.format(seconds=round(seconds))
    return Outcome(f"{spec.name}: {why}", "error", {}, taken, ended=not worker.is_alive())


def _called(spec: ToolSpec, arguments: dict[str, Any]) -> Outcome:
    from langchain_core.messages import ToolMessage

    request = {"name": spec.name, "args": arguments, "id": "call", "type": "tool_call"}
    try:
        message = spec.tool.invoke(request)
    except RatchetError as error:
        return Outcome(f"{spec.name} failed: {error} {error.fix}".strip(), "error")
    except Exception as error:  # whatever a tool raises must reach the model as text, or the call stays open
        return Outcome(f"{spec.name} failed: {error or type(error).__name__}", "error")
    if not isinstance(message, ToolMessage):
        return Outcome(str(message))
    artifact = message.artifact if isinstance(message.artifact, dict) else {}
    return Outcome(message.text, "ok" if message.status == "success" else "error", artifact)


def bounded(text: str, most_chars: int) -> str:
    """The text, or its beginning and a line that says how much was left out."""
    if len(text) <= most_chars:
        return text
    return f"{text[:most_chars]}\n{prompts.RESULT_CUT.format(shown=most_chars, total=len(text))}"


def quoted(spec: ToolSpec, text: str) -> str:
    """An untrusted result between marks that it cannot forge: they are a hash of itself."""
    return prompts.UNTRUSTED.format(name=spec.name, mark=mark_of(text), text=text)


def sources_of(spec: ToolSpec, arguments: Mapping[str, Any], artifact: Mapping[str, Any]) -> list[str]:
    """Whose text a result is: the passages' sources, else the tool with what it was asked for."""
    passages = artifact.get("passages") or []
    if passages:
        return list(dict.fromkeys(str(passage["source"]) for passage in passages))
    told = next((str(value) for value in arguments.values() if value), "")
    return [f"{spec.name} {' '.join(told.split())}".strip()[:_LONGEST_SOURCE]]
