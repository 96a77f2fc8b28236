"""Facts are kept and deleted as the preview says, in the real fact store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from langchain_core.tools import ToolException

from agent.memory import MAX_FACT_CHARS, FactStore
from tools.remember import build
from tools.resources import Resources
from tools.spec import ToolSpec


@pytest.fixture
def facts(tmp_path: Path) -> Iterator[FactStore]:
    store = FactStore(tmp_path / "ratchet.db", lambda texts: np.ones((len(texts), 3), np.float32), "ones")
    yield store
    store.close()


@pytest.fixture
def tools(facts: FactStore) -> dict[str, ToolSpec]:
    return {spec.name: spec for spec in build(Resources(facts=facts))}


def preview(spec: ToolSpec, **arguments: str) -> str:
    assert spec.preview is not None
    return spec.preview(arguments)


def test_what_the_preview_shows_is_what_is_kept(facts: FactStore, tools: dict[str, ToolSpec]) -> None:
    text = "  My name\nis\u202e Ada. "
    shown = preview(tools["remember"], text=text)
    assert facts.all() == []
    assert "My name is Ada." in tools["remember"].tool.invoke({"text": text})
    (kept,) = facts.all()
    assert shown.endswith(f"\n{kept.text}")


@pytest.mark.parametrize("named", ["id", "start", "I like tea", "i LIKE tea.", "tea"])
def test_a_fact_is_forgotten_by_id_or_words(facts: FactStore, tools: dict[str, ToolSpec], named: str) -> None:
    tea, _ = facts.add("I like tea."), facts.add("I live in Brno.")
    named = {"id": tea.fact_id, "start": tea.fact_id[:5]}.get(named, named)
    assert preview(tools["forget"], fact=named) == f"Delete the remembered fact {tea.fact_id}:\nI like tea."
    assert len(facts.all()) == 2
    assert tools["forget"].tool.invoke({"fact": named}) == "Forgotten: I like tea."
    assert [fact.text for fact in facts.all()] == ["I live in Brno."]


def test_an_ambiguous_name_deletes_nothing_and_says_which(facts: FactStore, tools: dict[str, ToolSpec]) -> None:
    green, black = facts.add("I like green tea."), facts.add("I like black tea.")
    for named, reason in (("tea", "several"), ("coffee", "No fact"), ("", "No fact"), ("te", "No fact")):
        with pytest.raises(ToolException, match=reason) as caught:
            tools["forget"].tool.invoke({"fact": named})
        for fact in (green, black):
            assert f"{fact.fact_id}: {fact.text}" in str(caught.value)
        assert preview(tools["forget"], fact=named).startswith("Nothing would be deleted.")
    assert len(facts.all()) == 2


def test_the_exact_words_go_before_words_inside(facts: FactStore, tools: dict[str, ToolSpec]) -> None:
    facts.add("I like tea with milk.")
    facts.add("I like tea.")
    tools["forget"].tool.invoke({"fact": "I like tea"})
    assert [fact.text for fact in facts.all()] == ["I like tea with milk."]


def test_what_cannot_be_kept_is_said(facts: FactStore, tools: dict[str, ToolSpec]) -> None:
    for text in ("", "x" * (MAX_FACT_CHARS + 1)):
        with pytest.raises(ToolException):
            tools["remember"].tool.invoke({"text": text})
    with pytest.raises(ToolException, match="Nothing is remembered"):
        tools["forget"].tool.invoke({"fact": "tea"})
    assert facts.all() == []


def test_they_declare_their_risk() -> None:
    assert build(Resources()) == []


def test_hints(tools: dict[str, ToolSpec]) -> None:
    remember, forget = tools["remember"].hints, tools["forget"].hints
    assert remember is not None and forget is not None
    assert remember("Please remember that I like tea.") == {"text": ["I like tea"]}
    assert forget("forget that I like tea") == {"fact": ["I like tea"]}
    assert remember("Do you remember my name?") is None
    assert forget("I forget things") is None
    assert {spec.risk for spec in tools.values()} == {"write"}
