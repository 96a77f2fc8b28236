"""A task is handed on as it is, once it is fit to be; the helper's failures are told in words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from langchain_core.tools import BaseTool, ToolException

from tools.delegate import LONGEST_ANSWER, LONGEST_TASK, build
from tools.registry import build_tools
from tools.resources import Resources

READERS = {"search_knowledge", "calculator"}


class SubAgent:
    """Stands where the agent's own callable does: knows some tools, answers with what it is told to."""

    def __init__(self, answer: str = "Blue.") -> None:
        self.asked: list[tuple[str, Sequence[str]]] = []
        self.answer = answer

    def __call__(self, task: str, tools: Sequence[str]) -> str:
        if unknown := set(tools) - READERS:
            raise ValueError(f"there is no reading tool {', '.join(sorted(unknown))}; there are calculator, ...")
        self.asked.append((task, tools))
        return self.answer


def tool_of(agent: SubAgent) -> BaseTool:
    (spec,) = build(Resources(delegate=agent))
    assert (spec.risk, spec.untrusted) == ("read", True)
    assert spec.hints is not None and spec.hints("What colour is the door?") is None
    return spec.tool


def test_a_task_is_handed_on_with_its_tools_once_each() -> None:
    agent = SubAgent()
    tools = ["search_knowledge", "calculator", "search_knowledge"]
    assert tool_of(agent).invoke({"task": " Which colour? ", "tools": tools}) == "Blue."
    assert agent.asked == [("Which colour?", ["search_knowledge", "calculator"])]


@pytest.mark.parametrize(
    ("task", "tools", "message"),
    [
        ("  ", ["calculator"], "empty"),
        ("x" * (LONGEST_TASK + 1), ["calculator"], "may have 4,000 characters"),
        ("q", [], "Name 1 to"),
        ("q", [""], "Name 1 to"),
        ("q", [f"t{n}" for n in range(40)], "Name 1 to"),
        ("q", ["calculator", "delegate"], "cannot delegate further"),
        ("q", ["python"], "no reading tool python"),
    ],
)
def test_what_is_not_fit_is_refused_before_an_agent_starts(task: str, tools: list[str], message: str) -> None:
    agent = SubAgent()
    with pytest.raises(ToolException, match=message):
        tool_of(agent).invoke({"task": task, "tools": tools})
    assert agent.asked == []


def test_answers_are_bounded_and_none_is_an_error() -> None:
    content = tool_of(SubAgent("x" * (LONGEST_ANSWER + 5))).invoke({"task": "q", "tools": ["calculator"]})
    assert content.endswith("(first 20,000 of 20,005 characters)")
    with pytest.raises(ToolException, match="no answer"):
        tool_of(SubAgent(" ")).invoke({"task": "q", "tools": ["calculator"]})


def test_a_sub_agent_has_no_such_tool() -> None:
    assert build_tools(Resources(), ["delegate"]).tools == {}
