"""What people thought of answers and calls becomes examples that lead back to their turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import prompts
from agent.config import Settings
from agent.records import Records
from agent.schema import Citation, ToolCall, Turn
from finetune.dataset.build import build_dataset
from finetune.dataset.records import MOST_PASSAGES, RecordSource
from finetune.errors import DatasetError
from finetune.schema import Example
from knowledge.schema import Passage
from tests.agent.witness import Witness, session_of, witnessed
from tests.finetune.dataset.samples import CALCULATOR, SAVE

PASSAGES = tuple(Passage(f"p{n}", "/d/a.md", f"Fact number {n}.", n, n) for n in range(8))
CITED = Citation(1, "/d/a.md", "line 7", "Fact number 7.", "p7")
TURN = Turn("t1", "thread1", "What colour is the door?", "It is blue [1], see [2](x). [1]", "done", (CITED,), PASSAGES)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with closing(Records(tmp_path / "ratchet.db")) as opened:
        yield opened


def read(records: Records, *tools: dict[str, Any]) -> tuple[list[Example], RecordSource]:
    source = RecordSource(records._database, tools)
    source.check()
    return list(source.read()), source


def add(records: Records, turn_id: str, **changes: Any) -> None:
    records.append(
        replace(TURN, turn_id=turn_id, created_at=f"2026-01-01T00:00:{len(records.turns('thread1')):02}", **changes)
    )


def test_a_thumb_up_is_the_turn_as_it_was(records: Records) -> None:
    add(records, "t1")
    records.add_feedback("t1", 1)
    ((example,), source) = read(records)
    question, answer = example.messages
    assert question["content"] == TURN.question
    assert question["passages"] == [f"Fact number {n}." for n in (0, 1, 2, 3, 4, 7)], "the cited one is among them"
    assert len(question["passages"]) == MOST_PASSAGES
    assert answer == {"role": "assistant", "content": "It is blue, see [2](x)."}, "Ratchet put the numbers in"
    assert (example.source, example.group, example.label) == ("turn:t1", "thread:thread1", True)
    assert source.reading.facts == "1 judgements in 1 threads"


def test_a_thumb_down_alone_is_unwanted_and_a_correction_is_preferred(records: Records) -> None:
    for name in ("t1", "t2"):
        add(records, name)
    records.add_feedback("t1", -1)
    records.add_feedback("t2", -1, correction=" It is green. ")
    down, corrected = read(records)[0]
    assert (down.label, down.rejected, down.messages[-1]["content"]) == (False, None, "It is blue, see [2](x).")
    assert (corrected.label, corrected.messages[-1]["content"]) == (None, "It is green.")
    assert corrected.rejected == {"role": "assistant", "content": "It is blue, see [2](x)."}


def test_the_last_verdict_counts_and_a_remark_takes_none_back(records: Records) -> None:
    add(records, "t1")
    records.add_feedback("t1", -1)
    records.add_feedback("t1", 1)
    records.add_feedback("t1", 0, comment="just saying")
    assert [example.label for example in read(records)[0]] == [True]


def test_a_choice_prefers_one_answer_and_none_prefers_nothing(records: Records) -> None:
    add(records, "t1")
    records.add_choice("t1", ("It is blue [1].", "It is red."), 1, ("", "tuned"))
    records.add_choice("t1", ("a", "b"), None)
    records.add_choice("t1", ("same", "same "), 0)
    ((example,), _) = read(records)
    assert example.messages[-1]["content"] == "It is red."
    assert example.rejected == {"role": "assistant", "content": "It is blue."}


def test_what_was_said_before_is_there_where_the_question_leans_on_it_and_is_not_learned(records: Records) -> None:
    add(records, "t1")
    add(records, "t2", question="And what about its size?")
    add(records, "t3", question="How often must the pump filter be rinsed?")
    for name in ("t2", "t3"):
        records.add_feedback(name, 1)
    leaning, alone = read(records)[0]
    assert [message["role"] for message in leaning.messages] == ["user", "assistant", "user", "assistant"]
    assert leaning.messages[1] == {"role": "assistant", "content": "It is blue, see [2](x).", "weight": 0}
    assert "passages" not in leaning.messages[0]
    assert len(alone.messages) == 2


@pytest.mark.parametrize("status", ["cancelled", "error"])
def test_a_turn_that_did_not_end_in_order_is_left_out_and_counted(records: Records, status: Any) -> None:
    add(records, "t1", status=status)
    records.add_feedback("t1", 1)
    examples, source = read(records)
    assert examples == []
    assert source.reading.left_out == {f'a turn that ended as "{status}"': 1}


def test_a_turn_taken_back_is_left_out(records: Records) -> None:
    for name in ("t1", "t2"):
        add(records, name)
        records.add_feedback(name, 1)
    records.retract("t1")
    assert [example.source for example in read(records)[0]] == ["turn:t2"]


def test_passages_that_the_model_was_not_shown_are_not_in_the_example(records: Records) -> None:
    add(records, "t1", notes=(prompts.NOTE_NOT_FOUND,))
    call = ToolCall("c", "calculator", {"expression": "1+1"}, "2", artifact={"passages": ["p0"]})
    add(records, "t2", passages=PASSAGES[:2], citations=(), tool_calls=(call,))
    for name in ("t1", "t2"):
        records.add_feedback(name, 1)
    first, second = read(records, CALCULATOR)[0]
    assert "passages" not in first.messages[0]
    assert second.messages[0]["passages"] == ["Fact number 1."], "the other came with the tool's result"


def test_a_thread_without_consent_is_not_read_and_counted(records: Records) -> None:
    add(records, "t1")
    records.append(replace(TURN, turn_id="o1", thread_id="other"))
    for name in ("t1", "o1"):
        records.add_feedback(name, 1)
    records.set_consent("other", False)
    examples, source = read(records)
    assert [example.group for example in examples] == ["thread:thread1"]
    assert source.reading.left_out == {"a judgement in a thread without consent": 1}
    records.set_consent("thread1", False)
    with pytest.raises(DatasetError, match="no thread may be learned from") as caught:
        source.check()
    assert "threads consent" in caught.value.fix


def test_nothing_recorded_and_nothing_judged(tmp_path: Path, records: Records) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        RecordSource(tmp_path / "no.db").check()
    assert not (tmp_path / "no.db").exists()
    with pytest.raises(DatasetError, match="judged yet"):
        RecordSource(records._database).check()


def test_calls_of_a_liked_turn_are_learned_with_their_results_beside_them(records: Records) -> None:
    calls = (
        ToolCall("c1", "save", {"body": "b", "title": "t"}, "kept"),
        ToolCall("c2", "calculator", {"expression": "1+"}, "bad", "error"),
    )
    add(records, "t1", tool_calls=calls)
    records.add_feedback("t1", 1)
    ((example,), _) = read(records, CALCULATOR, SAVE)
    _, saved, kept, failed, _, _ = example.messages
    assert list(saved["tool_calls"][0]["arguments"]) == ["title", "body"], "in the order of the schema"
    assert kept == {"role": "tool", "name": "save", "content": "kept"}
    assert "weight" not in saved
    assert failed["weight"] == 0, "a call that failed is no example to follow"
    assert example.tools == (CALCULATOR, SAVE)


def test_a_call_of_a_tool_that_is_gone_leaves_the_turn_out(records: Records) -> None:
    add(records, "t1", tool_calls=(ToolCall("c1", "fax", {}, "sent"),))
    records.add_feedback("t1", 1)
    examples, source = read(records, CALCULATOR)
    assert examples == []
    assert list(source.reading.left_out) == ["a turn with a call of fax, a tool that is not there now"]


def test_decisions_about_calls_through_a_whole_session(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    witness = Witness()
    schemas = [_schema(name) for name in ("save", "run", "send")]
    calls = [("save", {"text": "one"}), ("run", {"text": "two"}), ("send", {"text": "three"})]
    with witnessed(witness, monkeypatch), closing(session_of(settings, calls, "All done.")) as session:
        session.ask("Do three things")
        session.decide(session.approvals()[0], "approve")
        list(session.resume())
        session.decide(session.approvals()[0], "edit", arguments={"text": "better"})
        list(session.resume())
        session.decide(session.approvals()[0], "reject", reason="not now")
        turn = list(session.resume())[-1].turn
        assert turn.status == "done"
        assert not session.records.consent(session.thread_id), "an approval is no consent to be learned from"
        session.records.set_consent(session.thread_id, True)
        approved, edited, rejected = read(session.records, *schemas)[0]
    made = [example.messages[-1]["tool_calls"][0] for example in (approved, edited, rejected)]
    assert [(call["name"], call["arguments"]["text"]) for call in made] == [
        ("save", "one"),
        ("run", "better"),
        ("send", "three"),
    ]
    assert (approved.label, edited.label, rejected.label) == (True, None, False)
    assert edited.rejected is not None
    assert edited.rejected["tool_calls"][0]["arguments"] == {"text": "two"}
    assert [message.get("weight", 1) for message in rejected.messages if message["role"] == "assistant"] == [0, 0, 1]
    assert {example.source for example in (approved, edited, rejected)} == {f"turn:{turn.turn_id}"}


def test_a_data_set_is_built_from_feedback(records: Records, tmp_path: Path) -> None:
    for number in range(40):
        thread, answer = f"thread{number % 10}", f"Answer {number}."
        records.append(
            replace(TURN, turn_id=f"t{number:02}", thread_id=thread, question=f"What is fact {number}?", answer=answer)
        )
        records.add_feedback(
            f"t{number:02}", 1 if number % 3 else -1, correction="" if number % 2 else f"Better {number}."
        )
    made = build_dataset([RecordSource(records._database)], tmp_path / "set")
    assert sum(made.card.examples.values()) == 40
    assert made.card.kinds == {"turn": 40}
    assert made.card.teaches["preference"] == 20
    assert {one.group for one in made.examples("dev")}.isdisjoint(one.group for one in made.examples("train"))


def _schema(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    return {"type": "function", "function": {"name": name, "description": f"Do {name}.", "parameters": parameters}}
