"""Whose conversation it is: nobody but its visitor reaches it."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

pytest.importorskip("gradio")


from agent.errors import RecordError, SessionBusy
from tests.ui.share_parts.served import ASKED, BLUE, SENTENCE, Page, Served
from ui.share_parts.host import MOST_WATCHED
from ui.share_parts.ownership import Visitor
from ui.share_parts.visitors import MOST_AT_ONCE, VisitorDesk


def _verbs(thread: str, turn: str) -> dict[str, Callable[[VisitorDesk], Any]]:
    return {
        "view": lambda desk: desk.view(thread),
        "live": lambda desk: desk.live(thread),
        "ask": lambda desk: desk.ask(thread, ASKED),
        "resume": lambda desk: desk.resume(thread),
        "regenerate": lambda desk: desk.regenerate(thread),
        "fork": lambda desk: desk.fork(thread, turn, ASKED),
        "stop": lambda desk: desk.stop(thread),
        "rename": lambda desk: desk.rename(thread, "mine now"),
        "delete": lambda desk: desk.delete(thread),
        "feedback": lambda desk: desk.feedback(thread, turn, 1),
        "flag_citation": lambda desk: desk.flag_citation(thread, turn, 1),
        "turn": lambda desk: desk.turn(thread, turn),
    }


def test_no_visitor_reaches_a_conversation_of_another_by_any_verb(served: Served) -> None:
    public = {name for name in vars(VisitorDesk) if not name.startswith("_")}
    assert public - {"threads", "suggestions"} == set(_verbs("", "")), "a verb is missing here"
    served.model.script.append(BLUE)
    reception = served.host.reception
    one = reception.of(Visitor.of("guest", "first secret", "10.0.0.1"))
    live = one.ask("", ASKED)
    assert live.join(60) and live.turn is not None
    others = [
        Visitor.of("guest", "second secret", "10.0.0.1"),
        Visitor.of("anna", "first secret", "10.0.0.1"),
        Visitor.of("guest", "", "10.0.0.1"),
    ]
    for other in map(reception.of, others):
        assert other.threads() == []
        for name, verb in _verbs(live.thread_id, live.turn.turn_id).items():
            with pytest.raises(RecordError, match="no such conversation"):
                verb(other)
            assert len(one.view(live.thread_id).turns) == 1, name
    with pytest.raises(RecordError):
        one.view("owners")  # the owner's own
    with pytest.raises(RecordError):
        reception.ownership.claim(live.thread_id, others[0])


def test_no_visitor_listens_to_the_session_of_another(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script.append(BLUE)
    open_page(served.browser(), "victim").click("enter").click("ask", ASKED)
    thief = served.browser()
    assert thief.get("/gradio_api/queue/data", params={"session_hash": "victim"}).status_code == 403
    assert thief.get("/gradio_api/heartbeat/victim").status_code == 403
    assert thief.get("/gradio_api/call/chat/victim").status_code == 403
    for path in ("/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/call/chat"):
        body = {"data": [], "fn_index": 0, "session_hash": "victim", "event_id": "x"}
        assert thief.post(path, json=body).status_code == 403, path
    endless = {"data": [], "fn_index": 0, "session_hash": "x" * 100_000}
    assert thief.post("/gradio_api/queue/join", json=endless).status_code == 403  # not a thing to keep in mind


def test_one_visitor_has_few_answers_at_once(served: Served) -> None:
    served.model.script += [SENTENCE] * 3
    held = served.hold()
    desk = served.host.reception.of(Visitor.of("guest", "busy", "10.0.0.1"))
    lives = [desk.ask("", "Tell me something about the numbers, will you?") for _ in range(2)]
    assert held.begun.wait(30)
    with pytest.raises(SessionBusy):
        desk.ask("", ASKED)
    held.go_on.set()
    assert all(live.join(60) for live in lives)
    served.model._after_first = None
    assert desk.ask("", "Now tell me about the numbers again, please.").join(60)


def test_one_visitor_cannot_take_all_threads_of_the_server_by_watching(served: Served) -> None:
    host = served.host
    greedy = host.reception.of(Visitor.of("guest", "greedy", "10.0.0.1"))
    modest = host.reception.of(Visitor.of("guest", "modest", "10.0.0.1"))
    with ExitStack() as tabs:
        allowed = [tabs.enter_context(host.watching(greedy)) for _ in range(MOST_WATCHED + 1)]
        assert allowed == [True] * MOST_WATCHED + [False]
        assert tabs.enter_context(host.watching(modest))
    with host.watching(greedy) as again:
        assert again


def test_questions_sent_at_the_same_moment_do_not_get_around_the_limit(served: Served) -> None:
    go_on, together = threading.Event(), threading.Barrier(6)
    served.model.script += [SENTENCE] * 6
    served.model._after_first = lambda: go_on.wait(30)
    desk = served.host.reception.of(Visitor.of("guest", "hasty", "10.0.0.1"))
    begun: list[Any] = []

    def ask() -> None:
        together.wait(30)
        try:
            begun.append(desk.ask("", "Tell me something about the numbers, will you?"))
        except SessionBusy:
            pass

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    go_on.set()
    assert len(begun) == MOST_AT_ONCE and all(live.join(60) for live in begun)


def test_nothing_is_kept_in_memory_of_answers_that_are_finished(served: Served) -> None:
    served.model.script.append(BLUE)
    live = served.host.reception.of(Visitor.of("guest", "gone", "10.0.0.1")).ask("", ASKED)
    assert live.join(60)
    left = weakref.ref(live)
    live._thread.join(60)
    del live
    gc.collect()
    assert left() is None


def test_a_visitor_searches_his_own_conversations_alone(served: Served) -> None:
    served.model.script += [BLUE, BLUE]
    one, other = (served.host.reception.of(Visitor.of("guest", secret, "10.0.0.1")) for secret in ("mine", "yours"))
    assert all(desk.ask("", ASKED).join(60) for desk in (one, other))
    (found,) = one.threads("blue DOOR")
    assert found.thread_id == one.threads()[0].thread_id != other.threads("blue")[0].thread_id
    assert one.threads("nowhere") == []
