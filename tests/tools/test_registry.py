"""Tools are built from what is there, declare their risk, and say why they are missing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from knowledge.schema import Passage, Retrieval
from tools.policy import Policy
from tools.registry import MODULES, Toolbox, build_tools
from tools.resources import Resources
from tools.spec import RISKS, Risk, ToolSpec

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FOUND = Passage("p", "/d/a.md", "The door is blue.", 1, 1)


def search(query: str) -> Retrieval:
    return Retrieval(query, (FOUND,), "door" in query, 0.9, 0.0)


def only(module: str, **resources: Any) -> ToolSpec:
    (spec,) = build_tools(Resources(**resources), [module]).tools.values()
    return spec


def test_every_tool_declares_its_risk_and_describes_itself() -> None:
    toolbox = build_tools(Resources(search=search))
    assert {"calculator", "current_time", "search_knowledge"} <= set(toolbox.tools)
    assert all(spec.risk in RISKS and spec.tool.description for spec in toolbox.tools.values())
    assert all(name == spec.name for name, spec in toolbox.tools.items())


def test_what_is_missing_says_why() -> None:
    toolbox = build_tools(Resources())
    assert "web_search" in toolbox.unavailable
    assert all(reason.strip().endswith(".") for reason in toolbox.unavailable.values())


def test_a_name_stays_with_the_first_that_has_it() -> None:
    toolbox = build_tools(Resources(), ["calculator", "calculator"])
    assert list(toolbox.tools) == ["calculator"]
    assert toolbox.unavailable == {"calculator: calculator": "Another tool has the same name."}


def test_closing_the_box_closes_the_tools() -> None:
    closed: list[str] = []
    spec = only("calculator")
    other = ToolSpec(spec.tool, "read", close=lambda: closed.append("other"))
    Toolbox({"calculator": spec, "other": other}, {}).close()
    assert closed == ["other"]


def test_built_in_tools_come_before_those_of_others() -> None:
    assert MODULES[-2:] == ("plugins", "mcp_servers")


def test_search_is_absent_without_documents() -> None:
    assert build_tools(Resources(), ["search_knowledge"]).tools == {}


def test_search_returns_text_and_plain_passages() -> None:
    tool = only("search_knowledge", search=search).tool
    call = {"name": "search_knowledge", "args": {"query": "door"}, "id": "1", "type": "tool_call"}
    message = tool.invoke(call)
    assert "The door is blue." in message.content
    assert Passage.from_json(message.artifact["passages"][0]) == FOUND
    assert "Nothing" in tool.invoke({**call, "args": {"query": "roof"}}).content


def test_time_here_and_elsewhere() -> None:
    tool = only("current_time", now=lambda: NOON).tool
    assert tool.invoke({}) == "Sunday, 01 March 2026, 12:00 UTC"
    assert tool.invoke({"timezone": "Asia/Tokyo"}) == "Sunday, 01 March 2026, 21:00 Asia/Tokyo"
    with pytest.raises(Exception, match="no time zone"):
        tool.invoke({"timezone": "Mars/Base"})


@pytest.mark.parametrize(
    ("module", "question", "expected"),
    [
        ("current_time", "What time is it in Tokyo?", {"timezone": ["Asia/Tokyo"]}),
        ("current_time", "what is the date today", {"timezone": [""]}),
        ("current_time", "tell me the time please", {"timezone": [""]}),
        ("current_time", "How do I set a timeout?", None),
        ("current_time", "What is the time limit for uploads?", None),
        ("current_time", "Which features are supported right now?", None),
        ("current_time", "How do I show the current date in a template?", None),
        ("search_knowledge", "search my documents for exit codes", {"query": ["exit codes"]}),
        ("search_knowledge", "what are exit codes", None),
    ],
)
def test_hints(module: str, question: str, expected: Any) -> None:
    hints = only(module, search=search).hints
    assert hints is not None
    assert hints(question) == expected


@pytest.mark.parametrize("risk", RISKS)
@pytest.mark.parametrize("allowed", ["allow", "ask", "deny"])
def test_what_a_policy_says(risk: Risk, allowed: Any) -> None:
    spec = ToolSpec(only("calculator").tool, risk)
    default, changed = Policy(), Policy(by_tool={spec.name: allowed})
    asks = risk != "read"
    assert default.verdict(spec, tainted=False, granted=False) == ("ask" if asks else "allow")
    assert default.verdict(spec, tainted=False, granted=True) == "allow"
    assert default.verdict(spec, tainted=True, granted=True) == ("ask" if asks else "allow")
    assert changed.verdict(spec, tainted=False, granted=False) == allowed
    assert changed.verdict(spec, tainted=True, granted=False) == (
        "deny" if allowed == "deny" else "ask" if asks else allowed
    )


def test_some_tools_always_ask() -> None:
    spec = ToolSpec(only("calculator").tool, "execute", always_ask=True)
    policy = Policy(by_risk={"execute": "allow"})
    assert policy.verdict(spec, tainted=False, granted=True) == "ask"
