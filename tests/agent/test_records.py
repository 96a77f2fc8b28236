"""Records are appended, found again, hidden when retracted, and gone when deleted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agent.errors import DatabaseError, RecordError
from agent.records import TITLE_CHARS, Records, title_of
from agent.schema import Citation, Timings, ToolCall, Turn, Usage
from knowledge.schema import Passage

TURN = Turn(
    turn_id="aa01",
    thread_id="thread1",
    question="What colour is the door? 🚪",
    answer="Blue. [1]",
    status="done",
    citations=(Citation(1, "/d/a.md", "line 1", "The door is blue.", "p1", "House", None, 1, 1),),
    passages=(Passage("p1", "/d/a.md", "The door is blue.", 1, 1, None, "House", score=0.5, similarity=0.7),),
    tool_calls=(ToolCall("c1", "calculator", {"expression": "1+1"}, "1+1 = 2"),),
    notes=("a note",),
    usage=Usage(10, 5, 3),
    timings=Timings(0.01, 0.2, 0.25, 0.5),
    model="local:default",
    adapter="tuned.gguf",
    prompt_version="abcd1234",
    created_at="2026-01-01T00:00:00+00:00",
)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = Records(tmp_path / "ratchet.db")
    yield opened
    opened.close()


def test_a_turn_comes_back_whole(records: Records) -> None:
    records.append(TURN)
    assert records.turn("aa01") == TURN
    assert records.turns("thread1") == [TURN]


def test_appending_twice_records_once(records: Records) -> None:
    records.append(TURN)
    records.append(replace(TURN, answer="something else"))
    assert [turn.answer for turn in records.turns("thread1")] == ["Blue. [1]"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(text=st.text(st.characters() | st.characters(categories=["Cs"]), max_size=200))
@example("caf\udce9 \ud800 \x00")
def test_any_text_survives(records: Records, text: str) -> None:
    """Lone surrogates, which no file can hold, come back as question marks; all else as it was."""
    call = ToolCall("c", "t", {"lc": 1, "type": text, "nested": [{"lc": text}]}, text)
    turn = replace(TURN, turn_id=uuid4().hex, question=text, answer=text, tool_calls=(call,), notes=(text,))
    clean = text.encode("utf-8", "replace").decode()
    records.append(turn)
    given = records.add_feedback(turn.turn_id, 0, text, text)
    assert records.feedback(turn.turn_id) == [given]
    assert given.correction == clean
    call = ToolCall("c", "t", {"lc": 1, "type": clean, "nested": [{"lc": clean}]}, clean)
    assert records.turn(turn.turn_id) == replace(turn, question=clean, answer=clean, tool_calls=(call,), notes=(clean,))


def test_a_turn_that_cannot_be_recorded_is_never_dropped_silently(records: Records) -> None:
    with pytest.raises(DatabaseError):
        records.append(replace(TURN, model=None))  # type: ignore[arg-type]  # a defect elsewhere
    assert records.threads() == []


def test_what_looks_like_a_serialized_object_stays_plain_data(records: Records) -> None:
    hostile = {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {"command": "true"}}
    records.append(replace(TURN, tool_calls=(ToolCall("c", "t", hostile),)))
    found = records.turn("aa01")
    assert found is not None
    assert found.tool_calls[0].arguments == hostile


def test_retracting_hides_but_keeps_the_lineage(records: Records) -> None:
    records.append(TURN)
    records.append(replace(TURN, turn_id="aa02"))
    records.retract("aa02")
    assert [turn.turn_id for turn in records.turns("thread1")] == ["aa01"]
    assert records.turn("aa02") is not None
    assert records.threads()[0].turns == 1
    assert records.thread(records.threads()[0].thread_id) == records.threads()[0] and records.thread("x") is None
    marked = "SELECT retracted_at FROM turns WHERE turn_id = 'aa02'"
    first = records._connection.execute(marked).fetchone()[0]
    records.retract("aa02")
    assert records._connection.execute(marked).fetchone()[0] == first
    with pytest.raises(RecordError, match="no turn"):
        records.retract("aa")


def test_feedback_is_appended(records: Records) -> None:
    records.append(TURN)
    first = records.add_feedback("aa01", -1, correction="Green.", comment="wrong")
    second = records.add_feedback("aa", 1)
    assert records.feedback("aa01") == [first, second] == records.feedback()
    assert first.correction == "Green."


@pytest.mark.parametrize(("turn_id", "rating"), [("zz", 1), ("", 1), ("aa", 1), ("aa01", 5)])
def test_feedback_that_makes_no_sense_is_refused(records: Records, turn_id: str, rating: int) -> None:
    records.append(TURN)
    records.append(replace(TURN, turn_id="aa02"))
    with pytest.raises(RecordError):
        records.add_feedback(turn_id, rating)
    assert records.feedback() == []


def test_threads_are_listed_renamed_and_deleted(records: Records) -> None:
    records.append(TURN)
    records.append(replace(TURN, turn_id="bb01", thread_id="other", created_at="2026-01-02T00:00:00+00:00"))
    assert [thread.thread_id for thread in records.threads()] == ["other", "thread1"]
    records.rename_thread("thread1", " The  door ")
    assert records.threads()[1].title == "The door"
    with pytest.raises(RecordError, match="title"):
        records.rename_thread("thread1", " ")
    with pytest.raises(RecordError, match="no thread"):
        records.rename_thread("thread", "Another")
    records.add_feedback("aa01", 1)
    with pytest.raises(RecordError, match="no thread"):
        records.delete_thread("thread")
    records.delete_thread("thread1")
    assert [thread.thread_id for thread in records.threads()] == ["other"]
    assert records.turn("aa01") is None
    assert records.feedback() == []
    with pytest.raises(RecordError, match="no thread"):
        records.delete_thread("thread1")


def test_a_full_id_is_found_though_others_start_with_it(records: Records) -> None:
    for name in ("work2", "work", "worker"):
        records.append(replace(TURN, turn_id=f"turn-{name}", thread_id=name))
    assert records.find_thread("work") == "work"
    assert records.find_thread("worke") == "worker"
    assert records.find_turn("turn-work") == "turn-work"
    for unclear, message in (("wor", "several"), ("x", "no thread"), ("", "no thread"), ("w%", "no thread")):
        with pytest.raises(RecordError, match=message):
            records.find_thread(unclear)


def test_threads_of_one_moment_are_listed_the_latest_first(records: Records) -> None:
    for name in ("a", "c", "b"):
        records.append(replace(TURN, turn_id=f"turn-{name}", thread_id=name))
    assert [thread.thread_id for thread in records.threads()] == ["b", "c", "a"]


def test_the_disk_forgets_what_is_deleted(tmp_path: Path, records: Records) -> None:
    def stored() -> bool:
        return any(b"XYZZY" in path.read_bytes() for path in tmp_path.glob("ratchet.db*"))

    records.append(replace(TURN, question="XYZZY?", answer="XYZZY " * 3000))
    records.add_feedback("aa01", -1, correction="XYZZY!")
    records.append(replace(TURN, turn_id="bb01", thread_id="other"))
    assert stored()
    records.delete_thread("thread1")
    assert not stored()
    assert records.turn("bb01") is not None


def test_a_choice_between_two_answers_comes_back_and_goes_with_its_thread(records: Records) -> None:
    records.append(TURN)
    first = records.add_choice("aa", ("Blue.", "Red. 🚪"), 1, ("", "tuned"))
    second = records.add_choice("aa01", ("Blue.", "Green."), None)
    assert (first.turn_id, first.chosen, first.answers, first.adapters) == (
        "aa01",
        1,
        ("Blue.", "Red. 🚪"),
        ("", "tuned"),
    )
    assert records.choices() == records.choices("aa01") == [first, second]
    assert records.choices("bb01") == []
    records.delete_thread("thread1")
    assert records.choices() == []


def test_a_choice_of_neither_a_third_answer_nor_an_unknown_turn(records: Records) -> None:
    records.append(TURN)
    with pytest.raises(RecordError, match="0, 1 or None"):
        records.add_choice("aa01", ("a", "b"), 2)
    with pytest.raises(RecordError, match='no turn "zz"'):
        records.add_choice("zz", ("a", "b"), 0)
    assert records.choices() == []


def test_who_judges_an_answer_consents_and_nobody_else(records: Records) -> None:
    names = ("rated", "corrected", "chosen", "remarked", "silent")
    for name in names:
        records.append(replace(TURN, turn_id=f"turn-{name}", thread_id=name))
    records.add_feedback("turn-rated", 1)
    records.add_feedback("turn-corrected", 0, correction="Better so.")
    records.add_choice("turn-chosen", ("a", "b"), 0)
    records.add_feedback("turn-remarked", 0, comment="Do not learn this.")
    assert [name for name in (*names, "unknown") if records.consent(name)] == ["rated", "corrected", "chosen"]


def test_consent_is_what_was_said_last_and_goes_with_the_thread(records: Records) -> None:
    records.append(TURN)
    records.set_consent("thread1", True)
    assert records.consent("thread1")
    records.add_feedback("aa01", 1)
    records.set_consent("thread1", False)
    records.add_feedback("aa01", -1)
    assert not records.consent("thread1"), "what is said about an answer does not undo what was said about the thread"
    records.delete_thread("thread1")
    records.append(TURN)
    records.add_feedback("aa01", 1)
    assert records.consent("thread1")
    with pytest.raises(RecordError, match="no thread"):
        records.set_consent("thread9", True)


def test_the_model_of_a_thread_is_kept_until_the_thread_is_deleted(records: Records) -> None:
    assert records.chosen_model("thread1") is None
    records.choose_model("thread1", "ollama:llama3.2", "")
    records.choose_model("thread1", "local:default", "tuned\ud800")
    assert records.chosen_model("thread1") == ("local:default", "tuned?")
    records.choose_model("thread1", "", "")
    assert records.chosen_model("thread1") is None
    records.choose_model("thread1", "local:default", "tuned")
    with pytest.raises(RecordError):  # it has no turn, yet its model is forgotten
        records.delete_thread("thread1")
    assert records.chosen_model("thread1") is None
    records.append(TURN)
    records.choose_model("thread1", "local:default", "none")
    records.delete_thread("thread1")
    assert records.chosen_model("thread1") is None


def test_titles_are_short_and_end_at_a_word() -> None:
    assert title_of("  Why\nso? ") == "Why so?"
    long = title_of("How do I configure the very long and complicated retrieval pipeline for my documents?")
    assert len(long) <= TITLE_CHARS
    assert long.endswith("…")
    assert long[:-1].split(" ")[-1] in "How do I configure the very long and complicated retrieval".split()


def test_threads_of_a_process_share_one_records(records: Records) -> None:
    def write(number: int) -> None:
        for step in range(20):
            records.append(replace(TURN, turn_id=f"{number}-{step}"))

    workers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(records.turns("thread1")) == 80
