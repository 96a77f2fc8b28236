"""The one door: turns stream, are recorded, can be cancelled, resumed, undone, and never block each other."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import prompts
from agent.config import Settings
from agent.errors import IndexMissing, QuestionError, ServerUnreachable, SessionBusy
from agent.schema import Done, Failed, Note, Retrieved, Token, Turn
from agent.session import ChatSession
from knowledge.schema import SearchFilter
from tests.agent.scripted import ScriptedModel

HOUSE = """# The house

The door of the house is painted blue. The house was built in 1901 by Ada Byron.

## Garden

Seven apple trees grow in the garden behind the house.
"""

Open = Callable[..., ChatSession]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "house.md").write_text(HOUSE)
    return folder


@pytest.fixture
def open_session(settings: Settings) -> Any:
    opened: list[ChatSession] = []

    def open_one(*script: Any, thread_id: str | None = None, **changes: Any) -> ChatSession:
        model = ScriptedModel(script=list(script))
        update = {"model": settings.model.model_copy(update={"name": "openai:scripted"})} | changes
        session = ChatSession(settings.model_copy(update=update), model=model, thread_id=thread_id)
        opened.append(session)
        return session

    yield open_one
    for session in opened:
        session.close()


def test_a_turn_is_streamed_cited_and_recorded(open_session: Open, documents: Path) -> None:
    session = open_session("The door of the house is painted blue.")
    assert session.ingest([documents]).added == 1
    events = list(session.stream("What colour is the door of the house?"))
    assert isinstance(events[0], Retrieved)
    assert isinstance(events[-1], Done)
    turn = events[-1].turn
    assert "".join(event.text for event in events if isinstance(event, Token)) == turn.answer
    assert turn.answer == "The door of the house is painted blue. [1]"
    (citation,) = turn.citations
    assert citation.source == str(documents / "house.md")
    assert citation.text == "The door of the house is painted blue."
    assert HOUSE.splitlines()[citation.start_line - 1].startswith(citation.text)
    assert session.turns() == [turn]
    assert (turn.model, turn.prompt_version) == ("openai:scripted", prompts.version())
    assert turn.timings.total >= (turn.timings.first_token or 0) > 0


def test_without_documents_it_chats_and_says_so(open_session: Open) -> None:
    session = open_session("Hello!")
    events = list(session.stream("Hi"))
    assert Note(prompts.NOTE_NO_INDEX) in events
    with pytest.raises(IndexMissing, match="ratchet ingest"):
        session.search("anything")


@pytest.mark.parametrize("question", ["", "  \n", "x" * 100_000])
def test_questions_that_cannot_be_asked(open_session: Open, question: str) -> None:
    session = open_session()
    with pytest.raises(QuestionError) as caught:
        session.ask(question)
    assert caught.value.fix
    assert session.records.threads() == []


def test_the_conversation_continues_in_another_session(open_session: Open) -> None:
    first = open_session("I am Ratchet.")
    first.ask("Who are you?")
    second = open_session("As I said.", thread_id=first.thread_id)
    second.ask("Say that again")
    assert [message.content for message in second.last_prompt[1:3]] == ["Who are you?", "I am Ratchet."]


def test_cancelling_keeps_what_was_said(open_session: Open) -> None:
    session = open_session("one two three four five six", "Next.")
    model: Any = session._given
    model._after_first = session.cancel
    turn = session.ask("Count")
    assert turn.status == "cancelled"
    assert model.said <= 2
    model._after_first = None
    assert session.ask("And now?").answer == "Next."


def test_a_reader_that_leaves_cancels_the_turn(open_session: Open) -> None:
    session = open_session(" ".join(map(str, range(500))))
    model: Any = session._given
    model._after_first = lambda: time.sleep(0.01)
    events = session.stream("Talk")
    next(event for event in events if isinstance(event, Token))
    events.close()  # type: ignore[attr-defined]
    assert model.said < 20
    assert [turn.status for turn in session.turns()] == ["cancelled"]


def test_one_question_at_a_time(open_session: Open) -> None:
    session = open_session("one two three")
    events = session.stream("First")
    next(events)
    with pytest.raises(SessionBusy):
        next(session.stream("Second"))
    list(events)


def test_a_broken_model_is_reported_and_the_turn_resumed(open_session: Open) -> None:
    session = open_session(ServerUnreachable("No answer at 10.0.0.1.", fix="Start it."), "Here I am.")
    events = list(session.stream("Are you there?"))
    assert Failed("No answer at 10.0.0.1.", "The question is kept and can be resumed.", "Start it.", 4) in events
    assert isinstance(events[-1], Done)
    assert events[-1].turn.status == "error"
    assert session.turns() == []
    assert session.pending == "Are you there?"
    resumed = list(session.resume())
    assert isinstance(resumed[-1], Done)
    assert resumed[-1].turn.answer == "Here I am."
    assert session.pending is None
    assert list(session.resume()) == []


def test_asking_on_after_a_break_says_what_was_dropped(open_session: Open) -> None:
    session = open_session(ServerUnreachable("Gone.", fix="Start it."), "Yes.")
    with pytest.raises(ServerUnreachable, match="Gone"):
        session.ask("First question")
    assert prompts.NOTE_DROPPED.format(question="First question") in session.ask("Second question").notes


def test_undo_takes_the_turn_out_of_the_conversation(open_session: Open) -> None:
    session = open_session("One.", "Two.", "Three.")
    session.ask("First")
    second = session.ask("Second")
    undone = session.undo()
    assert undone == second
    session.ask("Third, and that again?")
    assert "Second" not in str(session.last_prompt)
    assert [turn.question for turn in session.turns()] == ["First", "Third, and that again?"]
    assert session.records.turn(second.turn_id) is not None


def test_undo_of_nothing(open_session: Open) -> None:
    assert open_session().undo() is None


def test_facts_are_remembered_recalled_and_forgotten(open_session: Open) -> None:
    session = open_session("Your name is Ada.", "I do not know.")
    assert session.ask("Remember that my name is Ada.").answer == prompts.REMEMBERED.format(fact="my name is Ada.")
    session.new_thread()
    session.ask("What is my name?")
    assert "my name is Ada." in str(session.last_prompt[-1].content)
    session.facts.delete(session.facts.all()[0].fact_id)
    session.new_thread()
    session.ask("What is my name?")
    assert "Ada" not in str(session.last_prompt[-1].content)


def test_a_session_without_memory_keeps_and_recalls_nothing(open_session: Open, settings: Settings) -> None:
    open_session().facts.add("my name is Ada.")
    session = open_session("I do not know.", agent=settings.agent.model_copy(update={"memory": False}))
    assert session.ask("Remember that my cat is Tom.").answer == prompts.NOT_REMEMBERED
    session.ask("What is my name?")
    assert "Ada" not in str(session.last_prompt)
    assert [fact.text for fact in session.facts.all()] == ["my name is Ada."]
    assert "remember" not in session.toolbox.tools


def test_only_the_kinds_of_tools_that_are_named_are_built(open_session: Open, settings: Settings) -> None:
    session = open_session(tools=settings.tools.model_copy(update={"only": ["current_time", "calculator"]}))
    assert list(session.toolbox.tools) == ["calculator", "current_time"]
    assert session.toolbox.unavailable == {}


def test_long_conversations_are_summarized_within_budget(open_session: Open, settings: Settings) -> None:
    agent = settings.agent.model_copy(update={"history_tokens": 120})
    answers = [f"Answer number {n} " + "with many words " * 6 for n in range(6)]
    script: list[str] = []
    for answer in answers:
        script += [answer, "SUMMARY of the talk."]
    session = open_session(*script, agent=agent)
    notes: list[str] = []
    for number in range(6):
        notes += session.ask(f"Question number {number}?").notes
    assert prompts.NOTE_SUMMARIZED in notes
    state = session._runtime.graph.get_state(session._turns._config).values
    assert len(state["history"]) < 12
    assert state["summary"]
    assert len(session.turns()) == 6


def test_deleting_a_thread_leaves_nothing_of_it(open_session: Open, settings: Settings) -> None:
    session = open_session("The canary sings.")
    session.ask("What does the canary do?")
    session.delete_thread(session.thread_id)
    assert session.records.threads() == []
    session._runtime.records._connection.execute("VACUUM")
    session.close()
    data = b"".join(path.read_bytes() for path in settings.home.glob("ratchet.db*"))
    assert b"canary" not in data


def test_a_summary_that_fails_does_not_cost_the_turn(open_session: Open, settings: Settings) -> None:
    agent = settings.agent.model_copy(update={"history_tokens": 10})
    session = open_session("Seven apple trees grow in the garden.", ServerUnreachable("Gone.", fix="x"), agent=agent)
    turn = session.ask("What grows in the garden behind the house?")
    assert session.turns() == [turn]
    state = session._runtime.graph.get_state(session._turns._config).values
    assert "Seven apple trees" in state["summary"]


def test_closing_lets_the_turn_end_in_order(open_session: Open) -> None:
    session = open_session(" ".join(map(str, range(500))))
    model: Any = session._given
    begun = threading.Event()
    model._after_first = lambda: (begun.set(), time.sleep(0.005))
    turns: list[Turn] = []
    reader = threading.Thread(target=lambda: turns.append(session.ask("Count")))
    reader.start()
    assert begun.wait(10)
    session.close()
    reader.join()
    assert [turn.status for turn in turns] == ["cancelled"]
    assert open_session(thread_id=session.thread_id).turns() == turns


def test_closing_records_a_turn_that_nobody_reads_on(open_session: Open) -> None:
    session = open_session(" ".join(map(str, range(500))))
    model: Any = session._given
    model._after_first = lambda: time.sleep(0.005)
    events = session.stream("Count")
    next(event for event in events if isinstance(event, Token))
    session.close()
    assert [turn.status for turn in open_session(thread_id=session.thread_id).turns()] == ["cancelled"]


def test_feedback_is_recorded(open_session: Open) -> None:
    session = open_session("Green.")
    turn = session.ask("What colour?")
    session.feedback(turn.turn_id, -1, correction="Blue.")
    assert [item.correction for item in session.records.feedback(turn.turn_id)] == ["Blue."]


def test_the_api_key_is_nowhere_in_the_database(open_session: Open, settings: Settings) -> None:
    from pydantic import SecretStr

    model = settings.model.model_copy(update={"name": "openai:x", "api_key": SecretStr("sk-canary-12345")})
    session = open_session("Hello.", model=model)
    session.ask("Hi")
    session.close()
    assert b"sk-canary" not in b"".join(path.read_bytes() for path in settings.home.glob("ratchet.db*"))


async def test_async_streams_the_same_events(open_session: Open) -> None:
    session = open_session("alpha beta gamma", "delta")
    events = [event async for event in session.astream("Say it")]
    assert "".join(event.text for event in events if isinstance(event, Token)) == "alpha beta gamma"
    assert (await session.aask("More")).answer == "delta"


async def test_a_refused_question_leaves_the_running_turn_alone(open_session: Open) -> None:
    session = open_session(" ".join(map(str, range(100))))
    model: Any = session._given
    model._after_first = lambda: time.sleep(0.005)
    events = session.stream("First")
    next(event for event in events if isinstance(event, Token))
    with pytest.raises(SessionBusy):
        await session.aask("Second")
    with pytest.raises(QuestionError):
        await session.aask("")
    done = list(events)[-1]
    assert isinstance(done, Done)
    assert done.turn.status == "done"


async def test_cancelling_the_task_cancels_the_turn(open_session: Open) -> None:
    session = open_session(" ".join(map(str, range(300))))
    model: Any = session._given
    begun = threading.Event()
    release = threading.Event()
    model._after_first = lambda: (begun.set(), release.wait(5))

    async def read() -> None:
        async for _ in session.astream("Talk"):
            pass

    task = asyncio.create_task(read())
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, release.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.said < 20
    assert [turn.status for turn in session.turns()] == ["cancelled"]


CHILD = """
    import sys
    from agent.config import load_settings
    from agent.session import ChatSession
    from tests.agent.scripted import ScriptedModel
    model = ScriptedModel(script=["word " * 2000] * 50)
    model._after_first = lambda: __import__("time").sleep(0.002)
    session = ChatSession(load_settings({"model": {"name": "openai:scripted"}}), model=model, thread_id="t")
    print("ready", flush=True)
    for event in session.stream("Tell me a long story"):
        print(type(event).__name__, flush=True)
"""


def test_a_killed_turn_is_resumed(open_session: Open) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    while "Token" not in child.stdout.readline():
        assert child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    session = open_session("The story ends.", thread_id="t")
    assert session.pending == "Tell me a long story"
    (*_, done) = session.resume()
    assert isinstance(done, Done)
    assert done.turn.answer == "The story ends."
    assert [turn.question for turn in session.turns()] == ["Tell me a long story"]


KILLED_AT = """
    import os
    import signal
    import sys
    from agent.config import load_settings
    from agent.memory import PrunedSqliteSaver
    from agent.session import ChatSession
    from tests.agent.scripted import ScriptedModel
    model = ScriptedModel(script=["Said before.", "Never shown."])
    session = ChatSession(load_settings({"model": {"name": "openai:scripted"}}), model=model, thread_id="t")
    earlier, left = sys.argv[1], int(sys.argv[2])
    if earlier:
        session.ask(earlier)
    put = PrunedSqliteSaver.put
    def counted(self, *given):
        global left
        done = put(self, *given)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    PrunedSqliteSaver.put = counted
    session.ask("Which door?")
"""


@pytest.mark.parametrize("checkpoint", [1, 2, 3, 4])
@pytest.mark.parametrize("earlier", ["", "Which house?"])
def test_a_turn_killed_after_any_checkpoint_is_resumed_as_itself(
    open_session: Open, earlier: str, checkpoint: int
) -> None:
    command = [sys.executable, "-c", textwrap.dedent(KILLED_AT), earlier, str(checkpoint)]
    child = subprocess.run(command, capture_output=True, cwd=Path(__file__).parents[2])
    assert child.returncode == -signal.SIGKILL
    session = open_session("The blue one.", thread_id="t")
    assert session.pending == "Which door?"
    (*_, done) = session.resume()
    assert isinstance(done, Done)
    assert done.turn.question == "Which door?"
    assert session.pending is None
    assert [turn.question for turn in session.turns()] == [*filter(None, [earlier]), "Which door?"]


def test_a_model_of_ones_own_is_not_taken_for_the_bundled_one(settings: Settings) -> None:
    with ChatSession(settings, model=ScriptedModel(script=["Hello."])) as session:
        assert session.ask("Hi").model == "own:scripted"
        assert not session._runtime.budget.small


def test_nothing_is_changed_under_a_running_turn(open_session: Open, documents: Path) -> None:
    session = open_session("one two three", "four five six")
    session.ask("First")
    thread = session.thread_id
    events = session.stream("Second")
    next(events)
    for change in (
        session.undo,
        session.new_thread,
        lambda: session.use_model("local:default"),
        lambda: session.ingest([documents]),
    ):
        with pytest.raises(SessionBusy):
            change()
    assert list(events)[-1].turn.answer == "four five six"
    assert session.thread_id == thread
    undone = session.undo()
    assert undone is not None
    assert undone.question == "Second"


def test_a_turn_looks_only_where_it_may(open_session: Open, documents: Path) -> None:
    (documents / "boat").mkdir()
    (documents / "boat" / "boat.md").write_text("# The boat\n\nThe door of the boat is painted red.\n")
    session = open_session(*["The door is painted."] * 3)
    session.ingest([documents])
    where = SearchFilter(paths=(str(documents / "boat"),))
    turn = session.ask("What colour is the door painted?", where)
    assert {Path(passage.source).name for passage in turn.passages} == {"boat.md"}
    assert {Path(passage.source).name for passage in session.search("door", where=where).passages} == {"boat.md"}
    turn = session.ask("What colour is the door painted?")
    assert {Path(passage.source).name for passage in turn.passages} == {"boat.md", "house.md"}
    assert asyncio.run(session.aask("What colour is the door?", where)).passages[0].source.endswith("boat.md")


def test_a_conversation_s_topic_is_kept_recorded_and_undone(
    open_session: Open, settings: Settings, documents: Path
) -> None:
    by_rules = settings.knowledge.model_copy(update={"reword": False})
    session = open_session(*["It grows in the garden."] * 4, knowledge=by_rules)
    session.ingest([documents])
    session.ask("Which trees grow in the garden behind the house?")
    turn = session.ask("How many of them?")
    assert "trees" in turn.query
    assert session.records.turns(session.thread_id)[-1].query == turn.query
    session.ask("Who painted the door of the house blue?")
    session.undo()
    session.undo()
    assert "trees" in session.ask("How many of them?").query


def test_a_whole_document_by_name(open_session: Open, documents: Path) -> None:
    session = open_session("Seven apple trees grow in the garden behind the house.")
    session.ingest([documents])
    events = list(session.stream("Summarize house.md"))
    turn = events[-1].turn
    assert turn.citations[0].text == "Seven apple trees grow in the garden behind the house."
    assert len(turn.passages) == 2
    assert session.turns() == [turn]
