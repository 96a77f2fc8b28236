"""What the model can do for a visitor: read, and nothing that acts or lasts."""

from __future__ import annotations

import pytest

pytest.importorskip("gradio")


from agent import prompts
from agent.config import Settings
from agent.errors import RatchetError
from tests.ui.share_parts.served import Served
from ui.share_parts.confined import KINDS, confined
from ui.share_parts.outward import three_sentences
from ui.share_parts.ownership import Visitor


def test_tools_that_act_are_not_there_whatever_the_owner_allows(served: Served) -> None:
    session = served.desk.session("looked-at")
    tools = session.toolbox.tools
    assert {spec.risk for spec in tools.values()} == {"read"}
    assert {spec.origin for spec in tools.values()} == {"ratchet"}
    assert "calculator" in tools and "search_knowledge" in tools
    acting = {"python", "web_fetch", "web_search", "read_file", "write_file", "query_database", "remember", "delegate"}
    assert acting.isdisjoint(tools)
    shared = confined(served.own)
    assert (shared.tools.write, shared.tools.execute, shared.tools.network) == ("deny", "deny", "deny")
    assert shared.tools.policy == {} and shared.tools.mcp == {} and shared.tools.plugins == []
    assert shared.tools.databases == {} and shared.tools.workspace == "" and shared.tools.search_url == ""


@pytest.mark.parametrize("name", ["python", "web_fetch", "read_file", "write_file", "remember", "query_sql", "files"])
def test_a_hostile_model_that_calls_a_tool_gets_nothing(served: Served, name: str) -> None:
    served.model.script += [[(name, {"code": "print(1)", "url": "http://127.0.0.1:9", "path": "x"})], "I could not."]
    live = served.host.reception.of(Visitor.of("guest", name, "10.0.0.1")).ask(
        "", f"Please use {name} for this task now"
    )
    assert live.join(60) and live.turn is not None
    assert [call.status for call in live.turn.tool_calls if call.name == name] in ([], ["error"], ["denied"])
    assert served.desk.waiting(live.thread_id) == []


def test_what_the_owner_denies_stays_denied(settings: Settings) -> None:
    tools = settings.tools.model_copy(update={"policy": {"calculator": "deny"}, "only": ["calculator", "python"]})
    shared = confined(settings.model_copy(update={"tools": tools}))
    assert shared.tools.policy == {"calculator": "deny"} and shared.tools.only == ["calculator"]
    none = confined(settings.model_copy(update={"tools": settings.tools.model_copy(update={"only": ["python"]})}))
    assert none.tools.only and set(none.tools.only) <= set(KINDS) and none.tools.read == "deny"
    asked = confined(settings.model_copy(update={"tools": settings.tools.model_copy(update={"read": "ask"})}))
    assert asked.tools.read == "deny"


def test_nothing_is_remembered_for_or_about_anybody(served: Served) -> None:
    desk = served.host.reception.of(Visitor.of("guest", "forgetful", "10.0.0.1"))
    live = desk.ask("", "Remember that the code of the safe is 4711.")
    assert live.join(60) and live.turn is not None
    assert live.turn.answer == prompts.NOT_REMEMBERED
    assert served.desk.session(live.thread_id).facts.all() == []


def test_the_owners_matters_are_told_in_general_terms() -> None:
    what, kept, fix = three_sentences(RatchetError("/home/ada/x.db is locked by 10.0.0.5", fix="rm /home/ada/x.db"))
    assert "/home" not in what + kept + fix and "10.0.0.5" not in what
