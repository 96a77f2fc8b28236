"""One tool call, run: within its time, stopped when the turn is, its result bounded and told from instructions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from agent import prompts
from agent.context import mark_of
from agent.database import storable
from agent.errors import RatchetError

if TYPE_CHECKING:
    from tools.spec import ToolSpec

_POLL = 0.05  # seconds between looks at whether the user wants to stop
_DEEPEST = 32  # levels of lists and objects in an artifact
_LONGEST_SOURCE = 200  # characters of what a person is told about where a text came from
_stop: ContextVar[threading.Event | None] = ContextVar("stop", default=None)
_in_play: ContextVar[tuple[str, ...]] = ContextVar("in_play", default=())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to.

    `status` as in `agent.schema.ToolCall`; `ended` is False when it was left running; `usage` are the tokens that the
    tool took of a model.
    """

    text: str
    status: str = "ok"
    artifact: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    ended: bool = True
    usage: dict[str, int] = field(default_factory=dict)


def stop_event() -> threading.Event:
    """The event that is set when the call that this code runs in should end; one that never is, outside of a call."""
    return _stop.get() or threading.Event()


def stopped() -> bool:
    """For tools: whether the call that this code runs in should end now."""
    return stop_event().is_set()


def sources_in_play() -> tuple[str, ...]:
    """For tools: whose text, beside the user's, the model has read that made the call that this code runs in."""
    return _in_play.get()


def run_call(
    spec: ToolSpec,
    arguments: Mapping[str, Any],
    seconds: float,
    most_chars: int,
    cancelled: Callable[[], bool],
    sources: tuple[str, ...] = (),
) -> Outcome:
    """Call a tool on a thread of its own; whatever it raises becomes text that a model can read.

    Args:
        spec: the tool.
        arguments: by name.
        seconds: how long it may take. A tool that does not end by then is asked to, and no longer waited for.
        most_chars: of its result; what is cut is said.
        cancelled: whether the user wants to stop.
        sources: whose text the model has read.
    """
    from agent.calls.spending import Spending, counted

    stop = threading.Event()
    box: list[Outcome] = []
    bills: list[Spending] = []

    def work() -> None:
        _stop.set(stop)
        _in_play.set(sources)
        with counted() as spending:
            bills.append(spending)
            box.append(_called(spec, dict(arguments)))

    began = time.perf_counter()
    # A daemon: a tool that hangs for ever must not keep the program from ending.
    worker = threading.Thread(target=copy_context().run, args=(work,), name=f"tool-{spec.name}", daemon=True)
    worker.start()
    while worker.is_alive() and time.perf_counter() - began < seconds and not cancelled():
        worker.join(min(_POLL, max(0.001, seconds)))
    taken = time.perf_counter() - began
    usage = dict(bills[0].usage) if bills else {}
    if not worker.is_alive():
        outcome = box[0]
        return Outcome(bounded(outcome.text, most_chars), outcome.status, outcome.artifact, taken, usage=usage)
    stop.set()
    worker.join(1.0)  # most tools look at `stopped` several times a second, and end in order
    why = prompts.TOOL_STOPPED if cancelled() else prompts.TOOL_TIMEOUT.format(seconds=round(seconds))
    return Outcome(f"{spec.name}: {why}", "error", {}, taken, ended=not worker.is_alive(), usage=usage)


def _called(spec: ToolSpec, arguments: dict[str, Any]) -> Outcome:
    from langchain_core.messages import ToolMessage

    request = {"name": spec.name, "args": arguments, "id": "call", "type": "tool_call"}
    try:
        message = spec.tool.invoke(request)
    except RatchetError as error:
        return Outcome(storable(f"{spec.name} failed: {error} {error.fix}".strip()), "error")
    except BaseException as error:  # whatever a tool raises must reach the model as text, or the call stays open
        return Outcome(storable(f"{spec.name} failed: {error or type(error).__name__}"), "error")
    if not isinstance(message, ToolMessage):
        return Outcome(storable(str(message)))
    artifact = _kept(message.artifact) if isinstance(message.artifact, dict) else {}
    return Outcome(storable(str(message.text)), "ok" if message.status == "success" else "error", artifact)


def _kept(artifact: Mapping[str, Any]) -> dict[str, Any]:
    """What of an artifact the conversation can hold: plain JSON, and passages that are some."""
    from knowledge.schema import Passage

    kept: dict[str, Any] = {}
    if isinstance(table := artifact.get("table"), dict):
        kept["table"] = _plain(table)
    if isinstance(files := artifact.get("files"), list):
        kept["files"] = [_plain(file) for file in files if _is_file(file)]
    for item in passages if isinstance(passages := artifact.get("passages"), list) else []:
        try:
            kept.setdefault("passages", []).append(_plain(Passage.from_json(_plain(item)).to_json()))
        except (TypeError, ValueError, KeyError, AttributeError):
            continue  # what is no passage cannot be cited; the text of the result says the same
    return kept


def _is_file(item: Any) -> bool:
    return isinstance(item, dict) and all(isinstance(item.get(name), str) for name in ("name", "path"))


def _plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON that a checkpoint can hold; what is none becomes its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, float):
        return float(value) if isfinite(value) else str(value)
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {storable(str(name)): _plain(each, depth + 1) for name, each in value.items()}
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        return [_plain(each, depth + 1) for each in value]
    return storable(str(value))


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
