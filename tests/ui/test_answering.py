"""An answer in progress: seen alike by everybody at any time, stopped, ended, and never waited for in vain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.errors import ServerUnreachable
from agent.schema import Done, Event, Failed, Note, Retrieved, Token, ToolCall, ToolCallFinished, ToolCallProposed, Turn
from knowledge.schema import Passage
from ui.answer_queue import AnswerQueue
from ui.answering import LiveAnswer

PATIENCE = 60.0  # seconds after which a test gives up
PASSAGE = Passage("p1", "/house.md", "The door is blue.", 1, 1)
CALL = ToolCall("t-0", "count", {"text": "x"})


def turn(answer: str, status: Any = "done") -> Turn:
    return Turn("t", "thread", "What?", answer, status)


def live(*events: Event, **more: Any) -> LiveAnswer:
    return LiveAnswer("thread", "What?", lambda live: iter(events), **more)


class Gate:
    """Lets a source of events go on one step at a time."""

    def __init__(self) -> None:
        self._steps = threading.Semaphore(0)

    def open(self, steps: int = 1) -> None:
        self._steps.release(steps)

    def pass_through(self) -> None:
        assert self._steps.acquire(timeout=PATIENCE)


def test_what_is_known_follows_from_the_events() -> None:
    finished = ToolCall("t-0", "count", {"text": "x"}, "1", seconds=0.1)
    answer = live(
        Note("An aside."),
        Retrieved((PASSAGE,), True, 0.1),
        ToolCallProposed(CALL),
        ToolCallFinished(finished),
        Token("The door "),
        Token("is blue"),
        Done(turn("The door is blue. [1]")),
    ).start()
    assert answer.join(PATIENCE)
    assert (answer.status, answer.text, answer.notes) == ("done", "The door is blue. [1]", ["An aside."])
    assert answer.passages == (PASSAGE,)
    assert answer.steps == [finished]
    assert answer.turn == turn("The door is blue. [1]")
    assert answer.failed is None


def test_the_status_goes_from_queued_to_done() -> None:
    gate, seen = Gate(), []

    def source(live: LiveAnswer) -> Iterator[Event]:
        gate.pass_through()
        live.begins()
        gate.pass_through()
        yield ToolCallProposed(CALL)
        gate.pass_through()
        yield Token("Blue.")
        gate.pass_through()
        yield Done(turn("Blue."))

    answer = LiveAnswer("thread", "What?", source).start()
    for _ in range(4):
        seen.append((answer.status, answer.text, [step.status for step in answer.steps]))
        version = answer.version
        gate.open()
        assert answer.wait(version, PATIENCE)
    assert answer.join(PATIENCE)
    assert seen == [
        ("queued", "", []),
        ("retrieving", "", []),
        ("answering", "", ["running"]),
        ("answering", "Blue.", ["running"]),
    ]
    assert answer.status == "done"


def test_everybody_sees_every_event_in_order_whenever_they_come() -> None:
    tokens: list[Event] = [Token(f"{number} ") for number in range(2000)]
    gate, seen = Gate(), {}

    def source(live: LiveAnswer) -> Iterator[Event]:
        for number, token in enumerate(tokens):
            if number == 700:
                gate.pass_through()
            yield token
        yield Done(turn("all"))

    answer = LiveAnswer("thread", "What?", source)
    watchers = [
        threading.Thread(target=lambda name: seen.update({name: list(answer.events(after=name))}), args=(number,))
        for number in range(8)
    ]
    for number, watcher in enumerate(watchers):
        if number == 4:
            answer.start()
        watcher.start()
    gate.open()
    for watcher in watchers:
        watcher.join(PATIENCE)
    whole = [*tokens, Done(turn("all"))]
    assert seen == {number: whole[number:] for number in range(8)}
    assert list(answer.events()) == whole


def test_waiting_ends_with_news_with_the_answer_or_with_patience() -> None:
    gate = Gate()

    def source(live: LiveAnswer) -> Iterator[Event]:
        gate.pass_through()
        yield Token("Blue.")
        gate.pass_through()

    answer = LiveAnswer("thread", "What?", source).start()
    start = answer.version
    assert not answer.wait(start, 0.01)
    gate.open()
    assert answer.wait(start, PATIENCE)
    assert not answer.finished
    gate.open()
    assert answer.join(PATIENCE)
    assert not answer.wait(answer.version, PATIENCE)  # at once: there will be no news


def test_an_answer_is_pictured_at_once_after_each_change_and_where_nothing_changes() -> None:
    gate = Gate()

    def source(live: LiveAnswer) -> Iterator[Event]:
        for word in ("Light ", "blue."):
            gate.pass_through()
            yield Token(word)
        gate.pass_through()

    answer = LiveAnswer("thread", "What?", source)
    pictures, shown = answer.pictures(0.05), []
    for _ in range(2):  # the second one for want of patience
        next(pictures)
        shown.append(answer.text)
    answer.start()
    for expected in ("Light ", "Light blue."):
        gate.open()
        assert next(expected for _ in pictures if answer.text == expected)
    gate.open()
    assert answer.join(PATIENCE)
    assert list(pictures) == [] and shown == ["", ""]
    assert list(answer.pictures(PATIENCE)) == []


def test_an_error_before_the_first_event_is_told() -> None:
    def source(live: LiveAnswer) -> Iterator[Event]:
        raise ServerUnreachable("No answer at 10.0.0.1.", kept="Nothing is lost.", fix="Start it.")
        yield

    answer = LiveAnswer("thread", "What?", source).start()
    assert list(answer.events()) == [Failed("No answer at 10.0.0.1.", "Nothing is lost.", "Start it.", 4)]
    assert answer.status == "failed"
    assert answer.failed is not None


@pytest.mark.filterwarnings("error")
def test_an_unforeseen_error_is_told_as_well(caplog: pytest.LogCaptureFixture) -> None:
    def source(live: LiveAnswer) -> Iterator[Event]:
        yield Token("The")
        raise ZeroDivisionError("oops")

    def break_down(live: LiveAnswer) -> None:
        raise KeyError("books")

    answer = LiveAnswer("thread", "What?", source, on_end=break_down).start()
    assert answer.join(PATIENCE)
    assert answer.status == "failed"
    assert answer.failed is not None and "ZeroDivisionError: oops" in answer.failed.what
    assert answer.text == "The"
    assert len(caplog.records) == 2


def test_a_turn_that_waits_for_a_person_has_ended_for_now() -> None:
    answer = live(ToolCallProposed(CALL), Done(turn("", "waiting"))).start()
    assert answer.join(PATIENCE)
    assert answer.status == "waiting"


def test_what_was_told_before_an_interruption_is_told_again() -> None:
    finished = ToolCallFinished(ToolCall("t-0", "count", {"text": "x"}, "1"))
    answer = live(finished, Done(turn("One.")), earlier=[Token("So far"), ToolCallProposed(CALL)])
    assert (answer.status, answer.text, [step.status for step in answer.steps]) == ("queued", "So far", ["running"])
    answer.start()
    assert list(answer.events())[:3] == [Token("So far"), ToolCallProposed(CALL), finished]
    assert [step.result for step in answer.steps] == ["1"]


def test_stopping_reaches_whatever_stage_the_answer_is_in() -> None:
    gate, stopped = Gate(), []

    def source(live: LiveAnswer) -> Iterator[Event]:
        live.on_stop(lambda: stopped.append("queue"))
        gate.pass_through()
        live.on_stop(lambda: stopped.append("session"))
        yield Token("Blue.")

    answer = LiveAnswer("thread", "What?", source).start()
    while not stopped:  # the source may not have come to its first line
        answer.stop()
    assert answer.stopping
    assert set(stopped) == {"queue"}
    gate.open()
    assert answer.join(PATIENCE)
    assert "session" in stopped  # told so although it came after the stop
    assert answer.stopped and not answer.stopping
    before = list(stopped)
    answer.stop()
    assert stopped == before


class Queued:
    """Somebody who stands in a queue, and holds the place once it is had until it may leave."""

    def __init__(self, queue: AnswerQueue, name: str, log: list[str]) -> None:
        self.may_leave, self.gives_up = threading.Event(), threading.Event()
        self._queue, self._name, self._log = queue, name, log
        self._thread = threading.Thread(target=self._run)
        before, said = queue.length, len(log)
        self._thread.start()
        wait_until(lambda: queue.length > before or len(log) > said)

    def _run(self) -> None:
        with self._queue.place("local", 1, self.gives_up.is_set) as granted:
            self._log.append(f"{self._name} {granted}")
            assert not granted or self.may_leave.wait(PATIENCE)

    def join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_the_queue_is_served_in_order_and_no_faster_than_the_model() -> None:
    queue, log = AnswerQueue(), []
    everybody = [Queued(queue, str(number), log) for number in range(6)]
    wait_until(lambda: queue.length == 5)
    assert log == ["0 True"]
    with queue.place("remote", 1, lambda: False) as granted:
        assert granted  # another model's queue
    for number, one in enumerate(everybody):
        assert log == [f"{other} True" for other in range(number + 1)]
        one.may_leave.set()
        one.join()
        wait_until(lambda: queue.length == max(0, 4 - number))  # noqa: B023
        wait_until(lambda: len(log) == min(6, number + 2))  # noqa: B023


def test_who_gives_up_leaves_the_queue_to_the_others() -> None:
    queue, log = AnswerQueue(), []
    first, second, third = (Queued(queue, name, log) for name in ("first", "second", "third"))
    second.gives_up.set()
    queue.look()
    second.join()
    assert log == ["first True", "second False"]
    first.may_leave.set()
    third.may_leave.set()
    first.join()
    third.join()
    assert log == ["first True", "second False", "third True"]
