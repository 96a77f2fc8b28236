"""A tool is chosen, run and answered through every provider, in a whole turn of the graph."""

from __future__ import annotations

from typing import Any

from agent.context import Budget
from agent.graph import build_graph
from agent.schema import ToolCallFinished
from agent.speech import Clock
from agent.state import Dependencies, TurnState, fresh_turn
from agent.tool_choice import choose_offer
from tests.contracts.conftest import Provider
from tools.registry import build_tools
from tools.resources import Resources

SMALL = Budget(context=1024, answer=48, passages=60, history=100, facts=50, small=True)


def test_the_calculator_answers_through_every_provider(provider: Provider) -> None:
    tools = build_tools(Resources(), ["calculator", "current_time"]).tools
    finished: list[TurnState] = []

    def finish(state: TurnState, clock: Clock) -> TurnState:
        finished.append(state)
        return {}

    deps = Dependencies(
        model=provider.model(),
        budget=SMALL,
        tools=tools,
        offer=lambda question: choose_offer(tools, question, small=True),
        search=None,
        recall=lambda question: (),
        remember=lambda text: (_ for _ in ()).throw(AssertionError(text)),
        finish=finish,
        strict=False,
        refuse=False,
        max_steps=3,
    )
    start: dict[str, Any] = {"turn_id": "1", "thread_id": "t", "question": "What is 17*23 - 8?", "started_at": "now"}
    events = list(build_graph(deps, None).stream(fresh_turn(start, []), stream_mode="custom"))
    (call,) = [event.call for event in events if isinstance(event, ToolCallFinished)]
    assert (call.name, call.status, call.result) == ("calculator", "ok", "17*23-8 = 383")
    assert finished[0]["answer"] == "17*23-8 = 383"
