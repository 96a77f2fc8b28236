"""A fork holds what was said before, goes on from there, and leaves the thread it came from alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.config import Settings
from agent.errors import RecordError
from agent.forking import storage_graph, unfinished
from agent.memory import open_checkpointer
from agent.session import ChatSession
from agent.stored_threads import StoredThreads
from tests.agent.scripted import ScriptedModel

Open = Callable[..., ChatSession]


@pytest.fixture
def open_session(settings: Settings) -> Iterator[Open]:
    opened: list[ChatSession] = []

    def open_one(*script: Any, thread_id: str | None = None, **agent: Any) -> ChatSession:
        update = {
            "model": settings.model.model_copy(update={"name": "openai:scripted"}),
            "agent": settings.agent.model_copy(update=agent),
        }
        model = ScriptedModel(script=list(script))
        opened.append(ChatSession(settings.model_copy(update=update), model=model, thread_id=thread_id))
        return opened[-1]

    yield open_one
    for session in opened:
        session.close()


def sent(session: ChatSession) -> list[str]:
    """What the model was last sent after the instructions."""
    return [str(message.content) for message in session.last_prompt[1:]]


def test_a_fork_goes_on_from_where_it_began(open_session: Open) -> None:
    session = open_session("I am Ratchet.", "You asked who I am.", "Something else.")
    first, second, third = (session.ask(text) for text in ("Who are you?", "What did I ask?", "And now?"))
    session.feedback(first.turn_id, 1)
    before = session.turns()
    into = session.fork(second.turn_id)

    fork = open_session("Before that, nothing.", thread_id=into)
    copies = fork.turns()
    assert [(turn.question, turn.answer, turn.thread_id) for turn in copies] == [
        ("Who are you?", "I am Ratchet.", into)
    ]
    assert copies[0].turn_id != first.turn_id
    assert fork.records.feedback(copies[0].turn_id) == []
    fork.ask("What did I ask before?")
    assert sent(fork) == ["Who are you?", "I am Ratchet.", "What did I ask before?"]

    assert session.turns() == before
    again = open_session("Still here.", thread_id=session.thread_id)
    again.ask("Are you there?")
    assert sent(again)[:-1] == [text for turn in before for text in (turn.question, turn.answer)]
    assert third.turn_id == before[-1].turn_id


def test_a_copy_can_be_taken_back_like_any_turn(open_session: Open) -> None:
    session = open_session("One.", "Two.", "Three.")
    turns = [session.ask(f"Question {number}") for number in range(3)]
    fork = open_session("Anew.", thread_id=session.fork(turns[2].turn_id))
    assert fork.undo() is not None
    fork.ask("What comes next?")
    assert sent(fork) == ["Question 0", "One.", "What comes next?"]
    assert len(session.turns()) == 3


def test_a_fork_at_the_first_question_is_an_empty_thread(open_session: Open) -> None:
    session = open_session("One.")
    turn = session.ask("Question")
    fork = open_session("Anew.", thread_id=session.fork(turn.turn_id))
    assert fork.turns() == []
    assert fork.pending is None
    fork.ask("Another question")
    assert sent(fork) == ["Another question"]


def test_there_is_no_fork_at_a_turn_of_another_thread(open_session: Open) -> None:
    session, other = open_session("One."), open_session("Two.")
    session.ask("Question")
    turn = other.ask("Question")
    with pytest.raises(RecordError, match="not in the conversation"):
        session.fork(turn.turn_id)
    taken = other.undo()
    assert taken is not None
    with pytest.raises(RecordError):
        other.fork(taken.turn_id)
    assert len(session.records.threads()) == 2


def test_what_a_model_remembers_only_in_summary_is_put_together_anew(open_session: Open) -> None:
    said = [f"Answer number {number} is about the colour of things." for number in range(9)]
    script = [text for answer in said for text in (answer, "A summary with the very latest.")]
    session = open_session(*said, history_tokens=30)
    model: Any = session._given
    model.script = script[:]
    turns = []
    for number in range(6):
        model.script = [said[number], "A summary with the very latest.", "A summary with the very latest."]
        turns.append(session.ask(f"Question {number}?"))
    fork = open_session("Anew.", thread_id=session.fork(turns[2].turn_id))
    fork.ask("And then?")
    text = " ".join(sent(fork))
    assert said[0] in text and said[1] in text
    assert "latest" not in text and said[2] not in text


def test_whose_text_was_read_stays_in_play(open_session: Open, settings: Settings) -> None:
    session = open_session("One.", "Two.", "Three.")
    turns = [session.ask(f"Question {number}") for number in range(2)]
    runtime = session._runtime
    config: Any = {"configurable": {"thread_id": session.thread_id}}
    runtime.graph.update_state(config, {"carried": ["/hostile.md"]}, as_node="finalize")
    into = session.fork(turns[1].turn_id)
    state = runtime.graph.get_state({"configurable": {"thread_id": into}})
    assert state.values["carried"] == ["/hostile.md"]
    assert state.next == ()


def test_an_unfinished_turn_is_seen_without_a_session(open_session: Open, settings: Settings) -> None:
    session = open_session(RuntimeError("the machine broke"), "Here.")
    with pytest.raises(RuntimeError):
        session.ask("Are you there?")
    checkpointer = open_checkpointer(settings.database)
    stored = StoredThreads(settings.database)
    graph = storage_graph(checkpointer)
    state = unfinished(graph, session.thread_id)
    assert state is not None and state["question"] == session.pending == "Are you there?"
    assert stored.unfinished(session.thread_id) == state
    list(session.resume())
    assert unfinished(graph, session.thread_id) is None is stored.unfinished(session.thread_id)
    assert stored.unfinished("never heard of") is None
    checkpointer.conn.close()
    stored.close()
    stored.close()
