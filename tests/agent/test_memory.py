"""Threads survive and stay small; facts are kept, found when relevant, and forgotten when asked."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import ormsgpack
import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph

from agent.errors import DatabaseError, FactError
from agent.memory import MAX_FACT_CHARS, FactStore, PrunedSqliteSaver, open_checkpointer
from agent.records import Records
from agent.schema import Turn
from knowledge.embedders import Embedder, build_embeddings
from knowledge.schema import Passage

ROOT = Path(__file__).parents[2]


class Talk(TypedDict):
    history: list[AnyMessage]


def talk(state: Talk) -> Talk:
    return {"history": [*state["history"], HumanMessage("word " * 60), AIMessage("word " * 120)][-16:]}


def graph_on(saver: PrunedSqliteSaver, node: Any = talk) -> Any:
    builder = StateGraph(Talk)
    builder.add_node("talk", node)
    builder.add_edge(START, "talk")
    return builder.compile(checkpointer=saver)


def thread(name: str) -> Any:
    return {"configurable": {"thread_id": name}}


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[PrunedSqliteSaver]:
    saver = open_checkpointer(tmp_path / "ratchet.db")
    yield saver
    saver.conn.close()


def bytes_on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_400_turns_of_checkpoints_stay_within_10_mib_and_stop_growing(tmp_path: Path, saver: PrunedSqliteSaver) -> None:
    graph, sizes = graph_on(saver), []
    for _ in range(400):
        held = graph.get_state(thread("t")).values.get("history", [])
        graph.invoke({"history": held}, thread("t"), durability="sync")
        saver.prune(["t"])
        sizes.append(bytes_on_disk(tmp_path))
    assert len(list(saver.list(thread("t")))) == 1
    assert sizes[-1] <= 10 * 2**20
    assert sizes[-1] <= sizes[199] * 1.1


def test_400_turns_with_their_records_stay_within_10_mib_and_grow_linearly(
    tmp_path: Path, saver: PrunedSqliteSaver
) -> None:
    passages = tuple(Passage(f"{n:064}", f"/docs/{n}.md", "word " * 120, 1, 9) for n in range(5))
    graph, records, sizes = graph_on(saver), Records(tmp_path / "ratchet.db"), []
    for number in range(400):
        graph.invoke({"history": []}, thread("t"), durability="sync")
        saver.prune(["t"])
        records.append(Turn(f"turn{number}", "t", "word " * 20, "word " * 100, "done", passages=passages))
        if number in (99, 199, 399):
            records._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            sizes.append(bytes_on_disk(tmp_path))
    assert bytes_on_disk(tmp_path) <= 10 * 2**20
    first, second, last = sizes
    assert (last - second) / 200 <= 1.1 * (second - first) / 100
    records.close()


def test_pruning_spares_other_threads_and_delete_removes_all(saver: PrunedSqliteSaver) -> None:
    graph = graph_on(saver)
    for name in ("a", "b"):
        graph.invoke({"history": []}, thread(name))
    before = len(list(saver.list(thread("b"))))
    saver.prune(["a"])
    assert len(list(saver.list(thread("a")))) == 1
    assert len(list(saver.list(thread("b")))) == before > 1
    assert graph.get_state(thread("a")).values["history"]
    saver.prune(["a"], strategy="delete")
    assert list(saver.list(thread("a"))) == []
    assert saver.conn.execute("SELECT count(*) FROM writes WHERE thread_id = 'a'").fetchone()[0] == 0
    with pytest.raises(ValueError, match="strategy"):
        saver.prune(["a"], strategy="everything")


def test_an_interrupted_turn_can_be_resumed_after_pruning(saver: PrunedSqliteSaver) -> None:
    broken = [True]

    def fails_once(state: Talk) -> Talk:
        if broken.pop() if broken else False:
            raise ConnectionError
        return talk(state)

    graph = graph_on(saver, fails_once)
    with pytest.raises(ConnectionError):
        graph.invoke({"history": []}, thread("t"), durability="sync")
    saver.prune(["t"])
    assert graph.get_state(thread("t")).next == ("talk",)
    assert len(graph.invoke(None, thread("t"))["history"]) == 2


def test_an_error_takes_back_all_of_a_checkpoint_write(saver: PrunedSqliteSaver) -> None:
    graph = graph_on(saver)
    graph.invoke({"history": []}, thread("t"))
    held = saver.conn.execute("SELECT count(*) FROM writes").fetchone()[0]
    with pytest.raises(RuntimeError), saver.cursor() as cursor:
        cursor.execute("DELETE FROM writes")
        raise RuntimeError
    assert saver.conn.execute("SELECT count(*) FROM writes").fetchone()[0] == held > 0


def test_a_full_disk_during_a_turn_is_a_clear_error(saver: PrunedSqliteSaver) -> None:
    graph = graph_on(saver)
    graph.invoke({"history": []}, thread("t"))
    pages = saver.conn.execute("PRAGMA page_count").fetchone()[0]
    saver.conn.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DatabaseError, match="disk is full"):
        graph.invoke({"history": [HumanMessage("x" * 1_000_000)]}, thread("t"), durability="sync")
    saver.conn.execute("PRAGMA max_page_count=1000000")
    assert graph.invoke({"history": []}, thread("t"))["history"]


def forged(witness: str) -> dict[str, tuple[str, bytes]]:
    """Ways to name a callable in stored data that would create the file `witness`, as (type, bytes)."""
    touch, run = f"touch {witness}-", {"args": ["touch", f"{witness}-keywords"]}
    extensions = {
        "single": (0, ("os", "system", touch + "single")),
        "positional": (1, ("os", "system", [touch + "positional"])),
        "keywords": (2, ("subprocess", "call", run)),
        "method": (3, ("subprocess", "os", touch + "method", "system")),
    }
    packed = {
        name: ("msgpack", ormsgpack.packb({"value": ormsgpack.Ext(code, ormsgpack.packb(call))}))
        for name, (code, call) in extensions.items()
    }
    legacy = '{"lc": %d, "type": "constructor", "id": ["os", "system"], "args": ["%s"]}'
    json = {f"json{v}": ("json", (legacy % (v, f"{touch}json{v}")).encode()) for v in (1, 2)}
    pickled = f"cos\nsystem\n(S'{touch}pickle'\ntR.".encode()
    return packed | json | {"pickle": ("pickle", pickled)}


def read_forged(saver: PrunedSqliteSaver, type_: str, data: bytes) -> None:
    """Reads the payload as the checkpoint, and as a pending write, of a thread."""
    with saver.cursor() as cursor:
        cursor.execute("UPDATE checkpoints SET type = ?, checkpoint = ?", (type_, data))
        cursor.execute("UPDATE writes SET type = ?, value = ?", (type_, data))
    for read in (lambda: saver.get_tuple(thread("t")), lambda: graph_on(saver).get_state(thread("t"))):
        with contextlib.suppress(Exception):  # refused or made harmless: either will do
            read()


def test_a_forged_checkpoint_runs_nothing(tmp_path: Path, saver: PrunedSqliteSaver) -> None:
    graph_on(saver).invoke({"history": []}, thread("t"))
    for type_, data in forged(str(tmp_path / "witness")).values():
        read_forged(saver, type_, data)
    assert list(tmp_path.glob("witness*")) == []


def test_the_same_forgery_runs_where_types_are_not_checked(tmp_path: Path, saver: PrunedSqliteSaver) -> None:
    """Without this, the test above would pass with payloads that could harm nobody."""
    saver.serde = JsonPlusSerializer(pickle_fallback=True, allowed_msgpack_modules=True)
    graph_on(saver).invoke({"history": []}, thread("t"))
    for type_, data in forged(str(tmp_path / "witness")).values():
        read_forged(saver, type_, data)
    ran = {path.name.removeprefix("witness-") for path in tmp_path.glob("witness*")}
    assert ran >= {"single", "positional", "keywords", "pickle"}


def numbers(texts: list[str]) -> np.ndarray:
    return np.eye(4, dtype="f4")[[len(text) % 4 for text in texts]]


@pytest.fixture
def facts(tmp_path: Path) -> Iterator[FactStore]:
    store = FactStore(tmp_path / "ratchet.db", numbers, "numbers")
    yield store
    store.close()


def test_facts_are_added_listed_edited_and_deleted(facts: FactStore) -> None:
    ada = facts.add("  My name is\nAda. ")
    assert ada.text == "My name is Ada."
    assert facts.add("my name is ada") == ada
    rex = facts.add("My dog is called Rex 🐕")
    assert facts.all() == [ada, rex]
    assert facts.edit(rex.fact_id[:5], "My cat is called Rex").text == "My cat is called Rex"
    facts.delete(ada.fact_id.upper())
    assert [fact.text for fact in facts.all()] == ["My cat is called Rex"]


@pytest.mark.parametrize("text", ["", "   \n", "x" * (MAX_FACT_CHARS + 1)])
def test_facts_that_cannot_be_kept_are_refused(facts: FactStore, text: str) -> None:
    known = facts.add("known")
    with pytest.raises(FactError):
        facts.add(text)
    with pytest.raises(FactError):
        facts.edit(known.fact_id, text)
    assert facts.all() == [known]


def test_a_fact_of_bytes_that_are_no_text_is_kept_readable(facts: FactStore) -> None:
    assert facts.add("caf\udce9").text == "caf?" == facts.all()[0].text


@pytest.mark.parametrize("name", ["nope", "", "  "])
def test_an_unknown_fact_is_refused(facts: FactStore, name: str) -> None:
    known = facts.add("the only fact")
    with pytest.raises(FactError, match="no fact"):
        facts.delete(name)
    with pytest.raises(FactError, match="no fact"):
        facts.edit(name, "another text")
    assert facts.all() == [known]


def test_an_id_that_fits_several_facts_is_refused(facts: FactStore) -> None:
    # Of 17 ids in hexadecimal, two start alike.
    starts = [facts.add(f"fact {number}").fact_id[0] for number in range(17)]
    shared = next(start for start in starts if starts.count(start) > 1)
    with pytest.raises(FactError, match="fits"):
        facts.delete(shared)
    assert len(facts.all()) == 17


def test_editing_makes_no_duplicate(facts: FactStore) -> None:
    ada, rex = facts.add("My name is Ada"), facts.add("My dog is called Rex")
    with pytest.raises(FactError, match=ada.fact_id):
        facts.edit(rex.fact_id, "my name is Ada.")
    assert facts.all() == [ada, rex]
    assert facts.edit(ada.fact_id, "My name is Ada!").fact_id == ada.fact_id


def test_the_same_fact_from_several_threads_is_stored_once(facts: FactStore) -> None:
    start = threading.Barrier(4)

    def remember() -> None:
        start.wait()
        for number in range(10):
            facts.add(f"fact {number}")

    workers = [threading.Thread(target=remember) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(fact.text for fact in facts.all()) == [f"fact {number}" for number in range(10)]


def test_the_disk_forgets_what_is_deleted(tmp_path: Path, facts: FactStore, saver: PrunedSqliteSaver) -> None:
    def stored() -> bool:
        return any(b"XYZZY" in path.read_bytes() for path in tmp_path.iterdir())

    fact = facts.add("the word is XYZZY")
    graph = graph_on(saver)
    for _ in range(3):
        graph.invoke({"history": [HumanMessage("XYZZY " * 2000)]}, thread("t"), durability="sync")
        saver.prune(["t"])
    assert stored()
    facts.delete(fact.fact_id)
    saver.delete_thread("t")
    assert not stored()


def test_facts_of_another_embedder_are_embedded_again_once(tmp_path: Path, facts: FactStore) -> None:
    facts.add("four")
    calls: list[list[str]] = []

    def reversed_numbers(texts: list[str]) -> np.ndarray:
        calls.append(texts)
        return numbers(texts)[:, ::-1]

    other = FactStore(tmp_path / "ratchet.db", reversed_numbers, "reversed")
    question = np.array([0, 0, 0, 1], dtype="f4")
    assert [fact.text for fact in other.relevant(question, "")] == ["four"]
    assert [fact.text for fact in other.relevant(question, "")] == ["four"]
    assert calls == [["four"]]
    other.close()


def test_embedding_again_does_not_undo_an_edit(tmp_path: Path, facts: FactStore) -> None:
    changed, deleted = facts.add("before"), facts.add("to be deleted")

    def slow(texts: list[str]) -> np.ndarray:
        facts.edit(changed.fact_id, "after")
        facts.delete(deleted.fact_id)
        return numbers(texts)

    other = FactStore(tmp_path / "ratchet.db", slow, "slow")
    other.relevant(np.zeros(4, dtype="f4"), "")
    assert [fact.text for fact in other.all()] == ["after"]
    other.close()


def test_without_a_vector_shared_words_decide(facts: FactStore) -> None:
    for text in ("My dog is called Rex", "My name is Ada", "The name of my second dog is Bo"):
        facts.add(text)
    found = [fact.text for fact in facts.relevant(None, "name of the dog?")]
    assert found[0] == "The name of my second dog is Bo"
    assert facts.relevant(None, "name of the dog?", k=1) == [facts.all()[2]]
    assert facts.relevant(None, "How do I install?") == []


@pytest.fixture(scope="module")
def embeddings(models_folder: Path) -> Iterator[Embedder]:
    embeddings = build_embeddings("local:all-MiniLM-L6-v2", models_folder)
    yield embeddings
    embeddings.close()


FACTS = (
    "My name is Ada",
    "My dog is called Rex",
    "The door code of the office is 4711",
    "I am allergic to peanuts",
    "I prefer short answers in British English",
    "I live in Lisbon",
    "The wifi password is bluewhale42",
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is my name?", ["My name is Ada"]),
        ("Do I have a pet?", ["My dog is called Rex"]),
        ("What's the code for the office door?", ["The door code of the office is 4711"]),
        ("Which foods must I avoid because of my allergy?", ["I am allergic to peanuts"]),
        ("Where do I live?", ["I live in Lisbon"]),
        ("How do I install?", []),
        ("How do I install the package?", []),
        ("How do I use OAuth2 with passwords?", []),
        ("Which name should the main file have?", []),
        ("What is the boiling point of water?", []),
    ],
)
def test_only_relevant_facts_are_recalled(
    tmp_path: Path, embeddings: Embedder, question: str, expected: list[str]
) -> None:
    facts = FactStore(tmp_path / "ratchet.db", embeddings.embed, embeddings.fingerprint)
    for text in FACTS:
        facts.add(text)
    assert [fact.text for fact in facts.relevant(embeddings.embed([question])[0], question)] == expected
    facts.close()


WORKER = """
    import sys
    from pathlib import Path
    from agent.memory import FactStore, open_checkpointer
    from agent.records import Records
    from agent.schema import Turn
    from tests.agent.test_memory import graph_on, numbers, thread
    database, name, turns = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    saver, records = open_checkpointer(database), Records(database)
    facts = FactStore(database, numbers, "numbers")
    graph = graph_on(saver)
    for number in range(turns):
        graph.invoke({"history": []}, thread(name), durability="sync")
        saver.prune([name])
        records.append(Turn(f"{name}-{number}", name, "q", "a", "done", created_at="2026"))
        records.add_feedback(f"{name}-{number}", 1)
        facts.add(f"{name} {number}")
        facts.add(f"shared {number}")
"""


def test_several_programs_share_one_database(tmp_path: Path) -> None:
    database, turns, names = tmp_path / "ratchet.db", 25, ["a", "b", "c", "d"]
    command = [sys.executable, "-c", textwrap.dedent(WORKER), str(database)]
    workers = [
        subprocess.Popen([*command, name, str(turns)], cwd=ROOT, stderr=subprocess.PIPE, text=True) for name in names
    ]
    for worker in workers:
        _, errors = worker.communicate()
        assert worker.returncode == 0, errors
    saver, records = open_checkpointer(database), Records(database)
    facts = FactStore(database, numbers, "numbers")
    for name in names:
        recorded = [turn.turn_id for turn in records.turns(name)]
        assert recorded == [f"{name}-{number}" for number in range(turns)]
        assert len(list(saver.list(thread(name)))) == 1
    assert len(records.feedback()) == 4 * turns
    expected = {f"{name} {number}" for name in [*names, "shared"] for number in range(turns)}
    assert len(facts.all()) == len(expected)
    assert {fact.text for fact in facts.all()} == expected
    assert saver.conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    for opened in (saver.conn, records, facts):
        opened.close()
