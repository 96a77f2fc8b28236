"""The desk: answers that outlive pages, tabs and servers; a queue that is fair; conversations and their models."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.config import Settings
from agent.errors import ApprovalError, DocumentError, QuestionError, RecordError, ServerUnreachable, SessionBusy
from agent.schema import Done, Token
from agent.session import ChatSession
from knowledge.schema import SearchFilter
from tests.agent.scripted import ScriptedModel
from tests.agent.witness import Witness, witnessed
from ui import session_pool
from ui.answering import LiveAnswer
from ui.asked import Asked, AskedQuestions
from ui.desk import Desk

PATIENCE = 150.0  # seconds after which a test gives up
LONG = " ".join(map(str, range(400)))

OpenDesk = Callable[..., Desk]


class Speaker:
    """Lets a scripted model say one piece at a time once it is held; stops holding when told so."""

    def __init__(self, model: ScriptedModel) -> None:
        self.speaking = threading.Event()
        self._free = threading.Event()
        self._pieces = threading.Semaphore(0)
        model._after_first = self._hold

    def _hold(self) -> None:
        self.speaking.set()
        while not self._free.is_set() and not self._pieces.acquire(timeout=0.01):
            pass

    def say(self, pieces: int = 1) -> None:
        self._pieces.release(pieces)

    def free(self) -> None:
        self._free.set()


@pytest.fixture
def open_desk(settings: Settings) -> Iterator[OpenDesk]:
    opened: list[Desk] = []

    def open_one(*script: Any, model: ScriptedModel | None = None, **tools: Any) -> Desk:
        update = {
            "model": settings.model.model_copy(update={"name": "openai:scripted"}),
            "tools": settings.tools.model_copy(update=tools),
        }
        model = model or ScriptedModel(script=list(script))
        opened.append(Desk(settings.model_copy(update=update), model=model))
        return opened[-1]

    yield open_one
    for desk in opened:
        desk.close()


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    witness = Witness()
    with witnessed(witness, monkeypatch):
        yield witness


def ended(live: LiveAnswer | None) -> LiveAnswer:
    assert live is not None
    assert live.join(PATIENCE)
    return live


def model_of(desk: Desk) -> ScriptedModel:
    model = desk._answers._model
    assert isinstance(model, ScriptedModel)
    return model


def wait_until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_answer_is_given_recorded_and_listed(open_desk: OpenDesk) -> None:
    desk = open_desk("I am Ratchet.")
    thread = desk.new_thread()
    assert desk.view(thread) == desk.view("another") and desk.resume(thread) is None
    live = ended(desk.ask(thread, "Who are you?"))
    assert (live.status, live.text) == ("done", "I am Ratchet.")
    assert [turn.answer for turn in desk.turns(thread)] == ["I am Ratchet."]
    assert desk.turns(thread) == [live.turn]
    assert desk.live(thread) is None and desk.resume(thread) is None
    assert [(each.thread_id, each.title, each.turns) for each in desk.threads()] == [(thread, "Who are you?", 1)]
    assert list((desk.settings.home / "asked").iterdir()) == []


def test_a_page_that_reloads_finds_the_answer_where_it_stands(open_desk: OpenDesk) -> None:
    desk = open_desk("One.", LONG)
    thread = desk.new_thread()
    ended(desk.ask(thread, "First"))
    speaker = Speaker(model_of(desk))
    live = desk.ask(thread, "Count")
    assert speaker.speaking.wait(PATIENCE)
    speaker.say(5)
    wait_until(lambda: live.text.startswith("0 1 2"))
    again = desk.view(thread)
    assert again.live is live is desk.resume(thread)
    assert [turn.question for turn in again.turns] == ["First"]
    assert desk.threads()[0].thread_id == thread
    speaker.free()
    events = list(live.events())
    assert "".join(event.text for event in events if isinstance(event, Token)) == LONG
    assert [turn.answer for turn in desk.turns(thread)] == ["One.", LONG]


def test_no_turn_is_shown_twice_or_missed_at_any_moment(open_desk: OpenDesk) -> None:
    desk = open_desk(*["A short answer."] * 12)
    thread, wrong, over = desk.new_thread(), [], threading.Event()

    def watch() -> None:
        while not over.is_set():
            view = desk.view(thread)
            asked = [turn.question for turn in view.turns] + ([view.live.question] if view.live else [])
            if asked != [f"Question {number}" for number in range(len(asked))]:
                wrong.append(asked)

    watchers = [threading.Thread(target=watch) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    seen = 0
    for number in range(12):
        ended(desk.ask(thread, f"Question {number}"))
        view = desk.view(thread)
        assert view.live is None and len(view.turns) == (seen := seen + 1)
    over.set()
    for watcher in watchers:
        watcher.join(PATIENCE)
    assert wrong == []


def test_stopping_keeps_what_was_said(open_desk: OpenDesk) -> None:
    desk = open_desk(LONG, "Next.")
    thread, speaker = desk.new_thread(), Speaker(model_of(desk))
    live = desk.ask(thread, "Count")
    assert speaker.speaking.wait(PATIENCE)
    speaker.say(3)
    wait_until(lambda: live.text.startswith("0 1"))
    live.stop()
    speaker.free()
    ended(live)
    assert model_of(desk).said < 20
    (turn,) = desk.turns(thread)
    assert (live.status, turn.status) == ("done", "cancelled")
    assert turn.answer and LONG.startswith(turn.answer)
    assert desk.resume(thread) is None
    assert ended(desk.ask(thread, "And now?")).text == "Next."


def test_a_thread_has_one_answer_at_a_time(open_desk: OpenDesk) -> None:
    desk = open_desk(LONG)
    thread, speaker = desk.new_thread(), Speaker(model_of(desk))
    live = desk.ask(thread, "Count")
    assert speaker.speaking.wait(PATIENCE)
    for refused in (lambda: desk.ask(thread, "More"), lambda: desk.regenerate(thread)):
        with pytest.raises(SessionBusy):
            refused()
    speaker.free()
    assert ended(live).status == "done"
    assert len(desk.turns(thread)) == 1


@pytest.mark.parametrize("question", ["", "  ", "x" * 100_000])
def test_questions_that_cannot_be_asked_leave_nothing(open_desk: OpenDesk, question: str) -> None:
    desk = open_desk()
    with pytest.raises(QuestionError):
        desk.ask("thread", question)
    assert desk.threads() == [] and desk.live("thread") is None


def test_threads_queue_for_the_model_and_each_is_served_in_its_turn(open_desk: OpenDesk) -> None:
    desk = open_desk(*[LONG] * 6)
    speaker = Speaker(model_of(desk))
    lives = []
    for number in range(6):
        lives.append(desk.ask(f"thread-{number}", f"Question {number}"))
        wait_until(lambda: desk._answers._queue.length >= len(lives) - 2)
    wait_until(lambda: [live.status for live in lives].count("answering") == 2)
    assert [live.status for live in lives] == ["answering"] * 2 + ["queued"] * 4
    assert desk.threads("Question 5")[0].thread_id == "thread-5"
    lives[3].stop()
    assert ended(lives[3]).status == "failed" and lives[3].failed is not None
    begun: list[int] = []
    order = threading.Thread(
        target=lambda: [begun.append(n) for n in (2, 4, 5) for _ in [lives[n].wait(lives[n].version, PATIENCE)]]
    )
    order.start()
    speaker.free()
    for number in (0, 1, 2, 4, 5):
        assert ended(lives[number]).text == LONG
    order.join(PATIENCE)
    assert begun == [2, 4, 5]
    again = ended(desk.resume("thread-3"))
    assert again.question == "Question 3"


def test_a_question_stopped_in_the_queue_is_not_asked_by_a_restart(open_desk: OpenDesk) -> None:
    desk = open_desk(LONG, LONG)
    speaker = Speaker(model_of(desk))
    for number in range(2):
        desk.ask(f"thread-{number}", "Count")
    waiting = desk.ask("thread-2", "Never mind")
    waiting.stop()
    assert ended(waiting).status == "failed"
    assert AskedQuestions(desk.settings.home).get("thread-2") is None
    speaker.free()


def test_a_failure_is_told_and_tried_again(open_desk: OpenDesk) -> None:
    desk = open_desk(ServerUnreachable("No answer.", fix="Start it."), "Here I am.")
    thread = desk.new_thread()
    live = ended(desk.ask(thread, "Are you there?"))
    assert live.status == "failed" and live.failed is not None and live.failed.fix == "Start it."
    assert desk.view(thread).live is live and desk.turns(thread) == []
    again = ended(desk.resume(thread))
    assert again is not live and again.text == "Here I am."
    assert [turn.answer for turn in desk.turns(thread)] == ["Here I am."]


CRASHING = """
import os, sys
from agent.config import load_settings, with_model
from tests.agent.scripted import ScriptedModel
from ui.desk import Desk

model = ScriptedModel(script=["one two three"] * 9)
model._after_first = (lambda: os._exit(7)) if "first" in sys.argv else (lambda: None)
desk = Desk(with_model(load_settings(), "openai:scripted", None), model=model)
if "queued" in sys.argv:
    desk._answers._queue.place = lambda *given: os._exit(7)
desk.ask("crashed", "Count to three").join(60)
"""


@pytest.mark.parametrize("when", ["first", "queued"])
def test_what_a_killed_server_was_answering_is_answered_by_the_next_one(open_desk: OpenDesk, when: str) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", textwrap.dedent(CRASHING), when],
        env=os.environ | {"PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 7, done.stderr.decode()
    desk = open_desk("one two three")
    assert [(thread.thread_id, thread.title) for thread in desk.threads()] == [("crashed", "Count to three")]
    assert desk.turns("crashed") == [] and desk.live("crashed") is None
    both = [desk.resume("crashed") for _ in range(2)]
    assert both[0] is both[1]
    assert ended(both[0]).text == "one two three"
    assert [turn.question for turn in desk.turns("crashed")] == ["Count to three"]
    assert desk.resume("crashed") is None


def test_what_an_ending_server_cut_off_is_answered_whole_by_the_next_one(open_desk: OpenDesk) -> None:
    desk = open_desk(LONG)
    speaker = Speaker(model_of(desk))
    where = SearchFilter(paths=("/somewhere/*",))
    live = desk.ask("cut", "Count", where)
    assert speaker.speaking.wait(PATIENCE)
    speaker.say(4)
    wait_until(lambda: live.text.startswith("0 1"))
    closing = threading.Thread(target=desk.close)
    closing.start()
    wait_until(lambda: live.stopped)
    with pytest.raises(SessionBusy):
        desk.ask("late", "Anything")
    speaker.free()
    closing.join(PATIENCE)
    assert live.finished
    after = open_desk(LONG)
    assert [turn.status for turn in after.turns("cut")] == ["cancelled"]
    kept = AskedQuestions(after.settings.home).get("cut")
    assert kept is not None and kept.search_filter == where
    again = after.resume("cut")
    assert after.turns("cut") == []  # what was cut off gives way to what is being said
    assert ended(again).text == LONG
    assert [(turn.status, turn.answer) for turn in after.turns("cut")] == [("done", LONG)]


def test_a_recorded_answer_is_not_given_again(open_desk: OpenDesk) -> None:
    desk = open_desk("One.")
    before = Asked("thread", "Question")
    ended(desk.ask("thread", "Question"))
    AskedQuestions(desk.settings.home).keep(before)  # as if the server had ended before it could forget the question
    assert desk.resume("thread") is None
    assert AskedQuestions(desk.settings.home).all() == []


def test_a_cut_answer_is_left_alone_once_the_conversation_has_gone_on(open_desk: OpenDesk) -> None:
    desk = open_desk("One.", "Two.")
    asked = Asked("thread", "First")
    cut = ended(desk.ask("thread", "First")).turn
    assert cut is not None
    ended(desk.ask("thread", "Second"))
    AskedQuestions(desk.settings.home).keep(replace(asked, instead=cut.turn_id))
    assert desk.resume("thread") is None
    assert len(desk.turns("thread")) == 2


def test_a_turn_that_another_program_finished_is_shown_once(open_desk: OpenDesk) -> None:
    desk = open_desk(ServerUnreachable("No answer."), "Here.")
    live = ended(desk.ask("thread", "Are you there?"))
    assert desk.view("thread").live is live
    with ChatSession(desk.settings, thread_id="thread", model=model_of(desk)) as other:
        list(other.resume())
    view = desk.view("thread")
    assert view.live is None
    assert [turn.answer for turn in view.turns] == ["Here."]


def test_what_another_living_server_answers_is_left_to_it(open_desk: OpenDesk) -> None:
    desk = open_desk("One.")
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # noqa: S603
    try:
        import psutil

        began = psutil.Process(other.pid).create_time()
        AskedQuestions(desk.settings.home).keep(Asked("thread", "Question", process=(other.pid, began)))
        assert desk.resume("thread") is None
    finally:
        other.communicate(b"\n", timeout=PATIENCE)
    assert ended(desk.resume("thread")).text == "One."


def test_a_call_waits_for_a_decision_and_outlasts_the_server(open_desk: OpenDesk, witness: Witness) -> None:
    desk = open_desk([("save", {"text": "a"})], "Saved.")
    live = ended(desk.ask("thread", "Save it"))
    assert live.status == "waiting" and desk.live("thread") is live
    assert [(step.name, step.status) for step in live.steps] == [("save", "running")]
    assert desk.resume("thread") is live
    desk.close()

    after = open_desk("Saved.")
    assert [thread.thread_id for thread in after.threads()] == ["thread"]
    (request,) = after.waiting("thread")
    found = ended(after.resume("thread"))
    assert (found.status, found.question) == ("waiting", "Save it")
    assert [(step.name, step.status) for step in found.steps] == [("save", "running")]
    assert len(after._answers.pool) == 0  # nothing was loaded for it
    assert witness.ran == []
    done = after.decide("thread", request, "approve")
    assert [step.name for step in done.steps] == ["save"]  # seen all the while
    ended(done)
    assert (done.status, done.text) == ("done", "Saved.")
    assert witness.ran == [("save", "a")]
    assert [step.status for step in done.steps] == ["ok"]
    assert after.waiting("thread") == [] and after.live("thread") is None


def test_a_decision_holds_for_what_was_shown_and_once(open_desk: OpenDesk, witness: Witness) -> None:
    desk = open_desk([("save", {"text": "a"})], "Well.", [("save", {"text": "c"})], "Rejected.")
    ended(desk.ask("thread", "Save it"))
    (request,) = desk.waiting("thread")
    with pytest.raises(ApprovalError, match="another conversation"):
        desk.decide("elsewhere", request, "approve")
    with pytest.raises(ApprovalError):
        desk.decide("thread", request, "edit", arguments={"words": 1})
    live = desk.decide("thread", request, "edit", arguments={"text": "b"})
    with pytest.raises(ApprovalError, match="already"):
        desk.decide("thread", request, "reject")
    assert ended(live).text == "Well."
    assert witness.ran == [("save", "b")]
    ended(desk.ask("thread", "Save more"))
    (request,) = desk.waiting("thread")
    assert ended(desk.decide("thread", request, "reject", reason="No.")).text == "Rejected."
    assert witness.ran == [("save", "b")]


def test_several_calls_are_decided_one_by_one(open_desk: OpenDesk, witness: Witness) -> None:
    desk = open_desk([("save", {"text": "a"}), ("send", {"text": "b"})], "Both done.")
    live = ended(desk.ask("thread", "Save and send"))
    for _ in range(2):
        (request,) = desk.waiting("thread")
        live = ended(desk.decide("thread", request, "approve"))
    assert live.text == "Both done."
    assert [step.name for step in live.steps] == ["save", "send"]
    assert witness.ran == [("save", "a"), ("send", "b")]


def test_another_question_withdraws_what_waited(open_desk: OpenDesk, witness: Witness) -> None:
    desk = open_desk([("save", {"text": "a"})], "Something else.")
    ended(desk.ask("thread", "Save it"))
    (request,) = desk.waiting("thread")
    assert ended(desk.ask("thread", "Never mind, hello")).text == "Something else."
    assert desk.waiting("thread") == []
    with pytest.raises(ApprovalError, match="withdrawn"):
        desk.decide("thread", request, "approve")
    assert witness.ran == []


def test_regenerating_replaces_the_last_answer(open_desk: OpenDesk) -> None:
    desk = open_desk("One.", "Two.", "Better.")
    with pytest.raises(RecordError):
        desk.regenerate("thread")
    for question in ("First", "Second"):
        ended(desk.ask("thread", question))
    old = desk.turns("thread")[-1]
    live = desk.regenerate("thread")
    assert [turn.question for turn in desk.turns("thread")][:1] == ["First"]
    assert ended(live).text == "Better."
    assert [turn.answer for turn in desk.turns("thread")] == ["One.", "Better."]
    assert desk.session("thread").records.turn(old.turn_id) == old
    assert [str(message.content) for message in model_of(desk).prompts[-1]][1:] == ["First", "One.", "Second"]


def test_an_answer_that_cannot_be_regenerated_is_tried_again_in_its_place(open_desk: OpenDesk) -> None:
    desk = open_desk("One.", ServerUnreachable("No answer."), "Better.")
    ended(desk.ask("thread", "First"))
    assert ended(desk.regenerate("thread")).status == "failed"
    assert ended(desk.regenerate("thread")).text == "Better."
    assert [turn.answer for turn in desk.turns("thread")] == ["Better."]


def test_an_earlier_question_is_asked_otherwise_in_a_thread_of_its_own(open_desk: OpenDesk) -> None:
    desk = open_desk("One.", "Two.", "Three.", "Other.")
    for question in ("First", "Second", "Third"):
        ended(desk.ask("thread", question))
    before = desk.turns("thread")
    desk.use_model("thread", "openai:scripted", "")
    into, live = desk.fork("thread", before[1].turn_id, "Second, but otherwise")
    assert ended(live).text == "Other."
    assert desk.model_of(into) == ("openai:scripted", "")
    assert [turn.question for turn in desk.turns(into)] == ["First", "Second, but otherwise"]
    assert [str(message.content) for message in model_of(desk).prompts[-1]][1:3] == ["First", "One."]
    assert desk.turns("thread") == before
    with pytest.raises(RecordError):
        desk.fork("thread", "nothing", "What?")
    with pytest.raises(QuestionError):
        desk.fork("thread", before[1].turn_id, " ")
    assert len(desk.threads()) == 2


def test_a_deleted_thread_is_gone_even_in_the_middle_of_an_answer(open_desk: OpenDesk) -> None:
    desk = open_desk("One.", LONG, "Anew.")
    ended(desk.ask("thread", "First"))
    speaker = Speaker(model_of(desk))
    live = desk.ask("thread", "Count")
    assert speaker.speaking.wait(PATIENCE)
    deleting = threading.Thread(target=desk.delete, args=("thread",))
    deleting.start()
    wait_until(lambda: live.stopped)
    speaker.free()
    deleting.join(PATIENCE)
    assert desk.threads() == [] and desk.turns("thread") == [] and desk.resume("thread") is None
    assert b"0 1 2" not in desk.settings.database.read_bytes()
    desk.delete("thread")  # once more is no error
    assert ended(desk.ask("thread", "Who are you?")).text == "Anew."


def test_a_thread_is_not_deleted_under_a_later_question(open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = open_desk("One.", "Meanwhile.")
    live = ended(desk.ask("thread", "First"))
    speaker, asked = Speaker(model_of(desk)), []
    monkeypatch.setitem(desk._answers._live, "thread", live)  # as it stood when the deletion began

    def late(timeout: float) -> bool:  # another tab is quicker
        asked.append(desk.ask("thread", "And now?"))
        return speaker.speaking.wait(PATIENCE)

    monkeypatch.setattr(live, "join", late)
    with pytest.raises(SessionBusy):
        desk.delete("thread")
    speaker.free()
    assert ended(asked[0]).text == "Meanwhile."
    assert len(desk.turns("thread")) == 2


def test_sessions_are_closed_when_there_are_too_many_but_never_one_that_answers(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_pool, "MOST_OPEN", 3)
    desk = open_desk(LONG, *["Short."] * 9)
    desk._answers.pool._rest = 0.0
    speaker = Speaker(model_of(desk))
    live = desk.ask("long", "Count")
    assert speaker.speaking.wait(PATIENCE)
    kept = desk.session("long")
    for number in range(6):
        desk.session(f"idle-{number}")
        assert len(desk._answers.pool) <= 3
    assert desk.session("long") is kept
    speaker.free()
    assert ended(live).text == LONG
    for number in range(5):
        ended(desk.ask(f"idle-{number}", "Hello"))
    assert len(desk._answers.pool) == 3
    assert desk.session("idle-4") is desk.session("idle-4")


def test_a_thread_can_be_answered_by_another_model(open_desk: OpenDesk) -> None:
    desk = open_desk("One.", "Two.", "Three.")
    ended(desk.ask("thread", "First"))
    assert desk.model_of("thread") == ("openai:scripted", "")
    desk.use_model("thread", "local:/nowhere/model.gguf")
    live = ended(desk.ask("thread", "Second"))
    assert live.failed is not None and "model.gguf" in live.failed.what
    assert desk.model_of("other") == ("openai:scripted", "")
    assert open_desk().model_of("thread") == ("local:/nowhere/model.gguf", "")  # as after a restart
    assert ended(desk.ask("other", "Hello")).text == "Two."
    desk.use_model("thread", *open_desk().model_of("other"))
    assert ended(desk.ask("thread", "Third")).text == "Three."
    assert "local:default" in desk.models() and desk.models()[0] == "openai:scripted"
    assert desk.adapters()[:2] == ["", "none"]


def test_feedback_and_wrong_citations_are_recorded(open_desk: OpenDesk) -> None:
    desk = open_desk("One.")
    turn = ended(desk.ask("thread", "First")).turn
    assert turn is not None
    desk.feedback(turn.turn_id, 1)
    desk.flag_citation(turn.turn_id, 2)
    found = desk.session("thread").records.feedback(turn.turn_id)
    assert [(each.rating, each.comment) for each in found] == [(1, ""), (-1, "wrong citation [2]")]
    with pytest.raises(RecordError):
        desk.feedback("nothing", 1)


def test_threads_are_found_by_their_words_and_renamed(open_desk: OpenDesk) -> None:
    desk = open_desk("The ÉTOILE shines.", "Nothing.")
    ended(desk.ask("stars", "What shines?"))
    ended(desk.ask("other", "What else?"))
    assert [thread.thread_id for thread in desk.threads()] == ["other", "stars"]
    assert [thread.thread_id for thread in desk.threads("étoile WHAT")] == ["stars"]
    assert desk.threads("étoile else") == []
    desk.rename("stars", "Night sky")
    assert [thread.title for thread in desk.threads("night")] == ["Night sky"]


def test_a_thread_may_be_named_anything(open_desk: OpenDesk) -> None:
    desk = open_desk("One.")
    name = "../../etc/passwd\0%s'\";--"
    assert ended(desk.ask(name, "Hello\udc80")).question == "Hello?"
    assert [turn.answer for turn in desk.turns(name)] == ["One."]
    assert {path.name for path in desk.settings.home.iterdir()} >= {"asked", "ratchet.db"}
    assert not (desk.settings.home.parent.parent / "etc").exists()


def test_uploads_are_kept_under_plain_names_and_asked_about(open_desk: OpenDesk) -> None:
    desk = open_desk(*["The door of the house is painted blue."] * 2)
    assert desk.suggestions() == []
    told: list[str] = []
    report = desk.add_files(
        [
            ("../../house.md", b"# The house\n\n## The door of the house\n\nThe door of the house is painted blue.\n"),
            ("house.md", b"# Another house\n\nIt has no door.\n"),
            ("C:\\temp\\bo\u202eat.txt", b"The boat is red.\n"),
            ("movie.mp4", b"\0\1"),
            ("empty.md", b""),
        ],
        lambda progress: told.append(progress.phase),
    )
    assert (report.added, [Path(failure.source).name for failure in report.failed]) == (3, ["movie.mp4", "empty.md"])
    assert told
    kept = desk.settings.home / "uploads"
    assert sorted(path.name for path in kept.iterdir()) == ["bo_at.txt", "house-2.md", "house.md"]
    assert b"painted blue" in (kept / "house.md").read_bytes()
    again = desk.add_files([("house.md", b"# Another house\n\nIt has no door.\n")])
    assert (again.added, again.unchanged) == (0, 1)
    assert len(list(kept.iterdir())) == 3
    wait_until(lambda: any("door of the house" in question for question in desk.suggestions()))
    turn = ended(desk.ask("thread", "What colour is the door of the house?")).turn
    assert turn is not None and turn.citations[0].source == str(kept / "house.md")
    assert isinstance(list(ended(desk.regenerate("thread")).events())[-1], Done)


@pytest.mark.parametrize("uploads", [[], [("movie.mp4", b"\0")], [("empty.md", b"")]])
def test_uploads_that_cannot_be_taken_change_nothing(open_desk: OpenDesk, uploads: list[tuple[str, bytes]]) -> None:
    desk = open_desk()
    with pytest.raises(DocumentError) as caught:
        desk.add_files(uploads)
    assert caught.value.fix
    assert not (desk.settings.home / "uploads").exists()
