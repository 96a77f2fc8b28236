"""Threads survive and stay small; facts are kept, found when relevant, and forgotten when asked."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph import END, START, StateGraph

from agent.errors import FactError
from agent.memory import MAX_FACT_CHARS, FactStore, open_checkpointer
from knowledge.embeddings import LlamaEmbeddings, build_embeddings


class Talk(TypedDict):
    history: list[AnyMessage]


def talk(state: Talk) -> Talk:
    return {"history": [*state["history"], HumanMessage("word " * 60), AIMessage("word " * 120)][-16:]}


def database_bytes(database: Path) -> int:
    return sum(path.stat().st_size for path in database.parent.iterdir())


def run_turns(database: Path, turns: int) -> list[int]:
    saver = open_checkpointer(database)
    builder = StateGraph(Talk)
    builder.add_node("talk", talk)
    builder.add_edge(START, "talk")
    builder.add_edge("talk", END)
    graph = builder.compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "t"}}
    sizes = []
    for number in range(turns):
        held = graph.get_state(config).values.get("history", [])
        graph.invoke({"history": held}, config, durability="sync")
        saver.prune(["t"])
        if (number + 1) % (turns // 2) == 0:
            sizes.append(database_bytes(database))
    assert len(list(saver.list(config))) == 1
    saver.conn.close()
    return sizes


def test_400_turns_stay_within_10_mib_and_stop_growing(tmp_path: Path) -> None:
    half, full = run_turns(tmp_path / "ratchet.db", 400)
    assert full <= 10 * 2**20
    assert full <= half * 1.1


def test_pruning_spares_other_threads_and_delete_removes_all(tmp_path: Path) -> None:
    saver = open_checkpointer(tmp_path / "ratchet.db")
    builder = StateGraph(Talk)
    builder.add_node("talk", talk)
    builder.add_edge(START, "talk")
    graph = builder.compile(checkpointer=saver)
    configs: list[Any] = [{"configurable": {"thread_id": name}} for name in ("a", "b")]
    for config in configs:
        graph.invoke({"history": []}, config)
    before = len(list(saver.list(configs[1])))
    saver.prune(["a"])
    assert len(list(saver.list(configs[0]))) == 1
    assert len(list(saver.list(configs[1]))) == before > 1
    assert graph.get_state(configs[0]).values["history"]
    saver.prune(["a"], strategy="delete")
    assert list(saver.list(configs[0])) == []
    with pytest.raises(ValueError, match="strategy"):
        saver.prune(["a"], strategy="everything")
    saver.conn.close()


FORGED = """
    import os, sys, pathlib
    import ormsgpack
    from agent.memory import open_checkpointer
    from langgraph.checkpoint.serde import jsonplus
    database, witness = pathlib.Path(sys.argv[1]), sys.argv[2]
    saver = open_checkpointer(database)
    call = ormsgpack.packb(("os", "system", f"touch {witness}"))
    for code in range(0, 8):
        forged = ormsgpack.packb(ormsgpack.Ext(code, call))
        for kind in ("msgpack", "pickle", "json"):
            try:
                saver.serde.loads_typed((kind, forged))
            except Exception as error:
                print(type(error).__name__)
"""


def test_a_forged_checkpoint_runs_nothing(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORGED), str(tmp_path / "ratchet.db"), str(witness)],
        check=True,
        cwd=Path(__file__).parents[2],
        capture_output=True,
    )
    assert not witness.exists()


@pytest.fixture(scope="module")
def embeddings(models_folder: Path) -> Iterator[LlamaEmbeddings]:
    embeddings = build_embeddings("local:all-MiniLM-L6-v2", models_folder)
    yield embeddings
    embeddings.close()


@pytest.fixture
def facts(tmp_path: Path, embeddings: LlamaEmbeddings) -> Iterator[FactStore]:
    store = FactStore(tmp_path / "ratchet.db", embeddings.embed, embeddings.fingerprint)
    yield store
    store.close()


def test_facts_are_added_listed_edited_and_deleted(facts: FactStore) -> None:
    ada = facts.add("  My name is\nAda. ")
    assert ada.text == "My name is Ada."
    assert facts.add("my name is ada") == ada
    rex = facts.add("My dog is called Rex")
    assert facts.all() == [ada, rex] or facts.all() == [rex, ada]
    assert facts.edit(rex.fact_id[:5], "My cat is called Rex").text == "My cat is called Rex"
    facts.delete(ada.fact_id)
    assert [fact.text for fact in facts.all()] == ["My cat is called Rex"]


@pytest.mark.parametrize("text", ["", "   \n", "x" * (MAX_FACT_CHARS + 1)])
def test_facts_that_cannot_be_kept_are_refused(facts: FactStore, text: str) -> None:
    with pytest.raises(FactError):
        facts.add(text)
    assert facts.all() == []


def test_an_unknown_fact_is_named(facts: FactStore) -> None:
    with pytest.raises(FactError, match="nope"):
        facts.delete("nope")


FACTS = (
    "My name is Ada",
    "My dog is called Rex",
    "The door code of the office is 4711",
    "I am allergic to peanuts",
    "I prefer short answers in British English",
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is my name?", "My name is Ada"),
        ("What is the name of my dog?", "My dog is called Rex"),
        ("What's the code for the office door?", "The door code of the office is 4711"),
        ("Which foods must I avoid because of my allergy?", "I am allergic to peanuts"),
        ("How do I install the package?", None),
        ("Which file types can be indexed?", None),
        ("What is the boiling point of water?", None),
    ],
)
def test_only_relevant_facts_are_recalled(
    facts: FactStore, embeddings: LlamaEmbeddings, question: str, expected: str | None
) -> None:
    for text in FACTS:
        facts.add(text)
    found = [fact.text for fact in facts.relevant(embeddings.embed([question])[0], question)]
    assert found[:1] == ([expected] if expected else [])


def test_another_embedder_re_embeds(tmp_path: Path, facts: FactStore, embeddings: LlamaEmbeddings) -> None:
    facts.add("My name is Ada")
    other = FactStore(tmp_path / "ratchet.db", lambda texts: embeddings.embed(texts)[:, ::-1], "reversed")
    question = "What is my name?"
    assert other.relevant(embeddings.embed([question])[0][::-1], question)[0].text == "My name is Ada"
    other.close()


WORKER = """
    import sys
    from pathlib import Path
    import numpy as np
    from agent.memory import FactStore, open_checkpointer
    from agent.records import Records
    from agent.schema import Turn
    from tests.agent.test_memory import Talk, talk
    from langgraph.graph import StateGraph, START
    database, name = Path(sys.argv[1]), sys.argv[2]
    saver, records = open_checkpointer(database), Records(database)
    facts = FactStore(database, lambda texts: np.eye(4, dtype="f4")[: len(texts)], "eye")
    builder = StateGraph(Talk); builder.add_node("talk", talk); builder.add_edge(START, "talk")
    graph = builder.compile(checkpointer=saver)
    for number in range(15):
        graph.invoke({"history": []}, {"configurable": {"thread_id": name}}, durability="sync")
        saver.prune([name])
        records.append(Turn(f"{name}-{number}", name, "q", "a", "done", created_at="2026"))
        facts.add(f"{name} {number}")
"""


def test_several_programs_share_one_database(tmp_path: Path) -> None:
    database = tmp_path / "ratchet.db"
    open_checkpointer(database).conn.close()
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(WORKER), str(database)]
    workers = [subprocess.Popen([*command, f"w{n}"], cwd=root, stderr=subprocess.PIPE, text=True) for n in range(4)]
    for worker in workers:
        _, errors = worker.communicate()
        assert worker.returncode == 0, errors
