"""Tools are built from what is there, declare their risk, and are offered only where they help."""

from datetime import UTC, datetime

import pytest

from knowledge.schema import Passage, Retrieval
from tools.registry import TOOLS, Resources, build_tools, hints_for, risk_of

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FOUND = Passage("p", "/d/a.md", "The door is blue.", 1, 1)


def search(query: str) -> Retrieval:
    return Retrieval(query, (FOUND,), "door" in query, 0.9, 0.0)


def test_every_tool_is_built_and_declares_its_risk() -> None:
    tools = build_tools(Resources(search=search))
    assert {tool.name for tool in tools} == set(TOOLS)
    assert {risk_of(name) for name in TOOLS} == {"read"}
    assert all(tool.description for tool in tools)


def test_search_is_absent_without_documents() -> None:
    assert "search_knowledge" not in {tool.name for tool in build_tools(Resources())}


def test_search_returns_text_and_plain_passages() -> None:
    (tool,) = build_tools(Resources(search=search), ["search_knowledge"])
    call = {"name": "search_knowledge", "args": {"query": "door"}, "id": "1", "type": "tool_call"}
    message = tool.invoke(call)
    assert "The door is blue." in message.content
    assert Passage.from_json(message.artifact[0]) == FOUND
    assert "Nothing" in tool.invoke({**call, "args": {"query": "roof"}}).content


def test_time_here_and_elsewhere() -> None:
    (tool,) = build_tools(Resources(now=lambda: NOON), ["current_time"])
    assert tool.invoke({}) == "Sunday, 01 March 2026, 12:00 UTC"
    assert tool.invoke({"timezone": "Asia/Tokyo"}) == "Sunday, 01 March 2026, 21:00 Asia/Tokyo"
    with pytest.raises(Exception, match="no time zone"):
        tool.invoke({"timezone": "Mars/Base"})


def test_hints() -> None:
    assert hints_for("current_time", "What time is it in Tokyo?") == {"timezone": ["Asia/Tokyo"]}
    assert hints_for("current_time", "what is the date today") == {"timezone": [""]}
    assert hints_for("current_time", "tell me the time please") == {"timezone": [""]}
    assert hints_for("current_time", "How do I set a timeout?") is None
    assert hints_for("current_time", "What is the time limit for uploads?") is None
    assert hints_for("current_time", "Which features are supported right now?") is None
    assert hints_for("current_time", "How do I show the current date in a template?") is None
    assert hints_for("search_knowledge", "search my documents for exit codes") == {"query": ["exit codes"]}
    assert hints_for("search_knowledge", "what are exit codes") is None


def test_an_unknown_tool_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="calculator"):
        risk_of("rocket")
