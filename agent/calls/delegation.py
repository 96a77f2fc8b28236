"""A sub-agent for a research question: the same graph with a context of its own and tools that only read."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import replace
from datetime import UTC, datetime

from agent.calls.running import stop_event
from agent.calls.spending import spend
from agent.errors import QuestionError
from agent.schema import Fact
from agent.speech import Clock
from agent.state import Dependencies, TurnState, fresh_turn
from agent.tool_choice import choose_offer

NAME = "delegate"  # of the tool; a sub-agent has none of its own


def delegate_with(current: Callable[[], Dependencies]) -> Callable[[str, Sequence[str]], str]:
    """What the delegate tool calls: (task, tool names) → the sub-agent's answer, with where it stands.

    The sub-agent shares the model, the documents and the limits, starts from an empty conversation, and is recorded
    only as the result of the call. It has no ledger, so nothing with effects can run; no names stand for all tools
    that only read.

    Args:
        current: the dependencies of the session's graph at the time of the call.

    The function raises ValueError for a name that is no tool, or one that does more than read.
    """

    def delegate(task: str, names: Sequence[str]) -> str:
        deps = current()
        readers = {name: spec for name, spec in deps.tools.items() if not spec.has_effects and name != NAME}
        if unknown := [name for name in names if name not in readers]:
            there = ", ".join(readers) or "none"
            raise ValueError(f"No tool that only reads: {', '.join(unknown)}. There are: {there}.")
        chosen = {name: readers[name] for name in names or readers}
        ended: list[TurnState] = []

        def finish(state: TurnState, clock: Clock) -> TurnState:
            ended.append(state)
            return {}

        inner = replace(
            deps,
            tools=chosen,
            offer=lambda question: choose_offer(chosen, question, small=False),
            recall=lambda question: (),
            remember=_remember,
            finish=finish,
            ledger=None,
            clock=Clock(stop_event()),
            last_prompt=[],
        )
        # In a context of its own: within the node that runs this, the graph would take itself for a part of it.
        Context().run(_run, inner, task)
        spend(ended[-1].get("usage", {}))
        return _told(ended[-1])

    return delegate


def _remember(fact: str) -> Fact:
    raise QuestionError("A sub-agent remembers nothing.", fix="Give it something to find out.")


def _told(state: TurnState) -> str:
    """The answer with the places that its citations name."""
    places = [f"[{item['number']}] {item['source']}, {item['locator']}" for item in state.get("citations", [])]
    return "\n".join([state.get("answer", ""), *places])


def _run(deps: Dependencies, task: str) -> None:
    from agent.graph import build_graph

    start = {
        "turn_id": uuid.uuid4().hex,
        "thread_id": "delegated",
        "question": task,
        "started_at": datetime.now(UTC).isoformat(),
    }
    limit = 2 * (deps.max_steps + deps.limits.calls) + 10
    build_graph(deps, None).invoke(fresh_turn(start, []), {"recursion_limit": limit})
