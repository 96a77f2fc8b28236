"""The page as a visitor uses it: clicks and questions through the real server and desk."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("gradio")


from agent.errors import DatabaseError
from agent.records import Records
from agent.schema import Feedback
from tests.ui.share_parts.served import ASKED, BLUE, FORM, PASSWORD, SENTENCE, Elements, Page, Served


def test_a_question_is_answered_with_its_source_and_no_path(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script.append(BLUE)
    page = open_page().click("enter")
    assert "What would you like to know?" in page.transcript
    page.click("ask", ASKED)
    assert "painted blue" in page.transcript and "house.md" in page.transcript
    assert "secret-folder" not in json.dumps(page.values) and str(served.own.home) not in json.dumps(page.values)
    assert page.turns and page.values["live"] == ""
    assert [title for title, _ in page.threads] == [ASKED]


def test_the_conversation_is_there_after_a_reload_and_a_new_login(
    served: Served, open_page: Callable[..., Page]
) -> None:
    served.model.script.append(BLUE)
    browser = served.browser()
    open_page(browser, "first").click("enter").click("ask", ASKED)
    assert "painted blue" in open_page(browser, "reloaded").click("enter").transcript
    for name in list(browser.cookies.keys()):
        if name.startswith("access-token"):
            browser.cookies.delete(name)
    assert browser.post("/login", data={"username": "guest", "password": PASSWORD}, headers=FORM).status_code == 303
    assert "painted blue" in open_page(browser, "again").click("enter").transcript


def test_a_reload_finds_the_answer_in_progress(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script.append(SENTENCE)
    held = served.hold()
    browser = served.browser()
    open_page(browser, "before").click("enter").click("ask", ASKED, follow=False)
    assert held.begun.wait(30)
    page = open_page(browser, "after").click("enter", follow=False)
    assert ASKED in page.values["live"]
    held.go_on.set()
    page.click("enter")
    assert len(page.turns) == 1


def test_a_question_asked_while_the_page_is_being_loaded_is_not_covered_by_what_is_loaded(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ui.share_parts import handlers
    from ui.share_parts.visitors import Visitor

    opening, asked, plain, loaded = threading.Event(), threading.Event(), handlers.opening_html, list[Any]()

    def slow(questions: Sequence[str]) -> str:
        opening.set()
        assert asked.wait(30)
        return plain(questions)

    desk = served.host.reception.of(Visitor.of("guest", "hasty", "10.0.0.1"))
    monkeypatch.setattr(type(served.host), "desk", lambda self, request: desk)
    monkeypatch.setattr(handlers, "opening_html", slow)
    do: Any = next(fn.fn for fn in served.page.fns.values() if fn.name == "enter").__self__
    request = SimpleNamespace(session_hash="hasty")
    loading = threading.Thread(target=lambda: loaded.append(do.enter("", "", "", request)))
    loading.start()
    assert opening.wait(30)
    served.model.script.append(BLUE)
    thread = do.ask("", "", "", ASKED, request)[do._show.thread]
    asked.set()
    loading.join(30)
    assert do._show.transcript not in loaded[0] and do._show.thread not in loaded[0]
    live = desk.live(thread)
    assert live is None or live.join(30)
    assert "painted blue" in do.settle(thread, "", "", request)[do._show.transcript]
    assert do.enter("", "", "", request)[do._show.thread] == thread


def test_who_watches_too_many_answers_is_told_and_finds_this_one_later(
    served: Served, open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    served.model.script.append(BLUE)
    page = open_page().click("enter")
    with monkeypatch.context() as none:
        none.setattr("ui.share_parts.host.MOST_WATCHED", 0)
        page.click("ask", ASKED)
    assert "too many answers" in page.values["live"] and "painted blue" not in page.transcript
    assert "painted blue" in page.click("enter").transcript and page.values["live"] == ""


def test_a_page_shows_its_whole_answer_though_more_has_been_asked_in_another_tab(
    served: Served, open_page: Callable[..., Page]
) -> None:
    browser = served.browser()
    served.model.script += [BLUE, SENTENCE]
    page = open_page(browser).click("enter").click("ask", ASKED, follow=False)
    assert page.follow()[-1] == "over"
    held = served.hold()
    other = open_page(browser).click("enter")
    other.click("ask", "Tell me about numbers, please, would you?", follow=False)
    assert held.begun.wait(30)
    assert "painted blue" in page.click("settle").transcript
    held.go_on.set()
    assert len(other.click("enter").turns) == 2


def test_the_end_of_an_answer_does_not_disturb_another_conversation(
    served: Served, open_page: Callable[..., Page]
) -> None:
    served.model.script.append(SENTENCE)
    held = served.hold()
    page = open_page().click("enter")
    page.click("ask", "Tell me about numbers, please, would you?", follow=False)
    left = page.followed
    assert held.begun.wait(30)
    before = dict(page.click("new").values)
    held.go_on.set()
    page.browser.get(f"/live/{left}")  # comes back when the answer has ended
    page.click("settle")
    assert page.values == before


def test_stop_really_stops(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script.append(SENTENCE)
    held = served.hold()
    said = served.model.said
    page = open_page().click("enter").click("ask", "Tell me about numbers, please, would you?", follow=False)
    assert held.begun.wait(30)
    page.click("stop")
    held.go_on.set()
    page.click("enter")
    assert served.model.said - said < 4
    assert len(page.turns) == 1


def test_an_earlier_question_is_edited_in_a_conversation_of_its_own(
    served: Served, open_page: Callable[..., Page]
) -> None:
    served.model.script += [BLUE, "Ada Byron built it in 1901.", "The house was built in 1901 by Ada Byron."]
    page = open_page().click("enter").click("ask", ASKED).click("ask", "Who built the house?")
    first = page.turns[0]
    page.act("edit", first)
    assert page.values["question"] == ASKED
    page.click("ask", "When was the house built?")
    assert len(page.turns) == 1 and "1901" in page.transcript
    assert len(page.threads) == 2


def test_a_question_that_is_emptied_stays_as_it_was(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script += [BLUE, "The house was built in 1901 by Ada Byron."]
    page = open_page().click("enter").click("ask", ASKED)
    page.act("edit", page.turns[0])
    page.click("ask", " ")
    assert "stays as it was" in page.notice
    page.click("ask", "When was the house built?")
    assert len(page.turns) == 2 and len(page.threads) == 1


def test_answering_again_replaces_the_last_answer(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script += [BLUE, "The house was built in 1901 by Ada Byron."]
    page = open_page().click("enter").click("ask", ASKED)
    page.act("again", page.turns[-1])
    assert len(page.turns) == 1 and served.model.script == []


def test_feedback_reaches_the_owner_and_nothing_else_does(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script += [BLUE, BLUE]
    page = open_page().click("enter").click("ask", ASKED).click("ask", "Which colour does the door have?")
    rated, silent = page.turns
    page.act("down", rated)
    page.click("correct", "The door is blue.")
    assert "passed on" in page.notice
    given = [(each.rating, each.correction) for each in _feedback(served, rated)]
    assert given == [(-1, ""), (-1, "The door is blue.")]
    with closing(Records(served.own.database)) as records:
        assert records.turn(silent) is None
        kept = records.turn(rated)
        assert kept is not None and kept.thread_id.startswith("visitor-") and kept.answer


def test_a_conversation_is_renamed_exported_and_deleted(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script.append(BLUE)
    page = open_page().click("enter").click("ask", ASKED).click("rename", "About <i>doors</i>")
    assert page.threads[0][0] == "About <i>doors</i>"
    page.click("export")
    assert "data:text/markdown;base64," in json.dumps(page.values)
    page.click("delete")
    assert page.threads == [] and page.turns == []


def test_hostile_text_stays_text(served: Served, open_page: Callable[..., Page]) -> None:
    hostile = (
        "<script>alert(1)</script> ![x](http://evil.example/x.png) <img src=http://evil.example onerror=alert(1)> "
        "[click](javascript:alert(1)) <iframe src=//evil.example></iframe> {{constructor}} ${alert(1)} \u202egnp"
    )
    served.model.script.append(hostile)
    page = open_page().click("enter").click("ask", f"Say it: {hostile}")
    found = Elements()
    found.feed(page.transcript + page.notice)
    assert found.names.isdisjoint({"script", "img", "iframe", "object", "embed", "link", "style", "form", "base"})
    assert not [name for name in found.attributes if name.startswith("on") or name in ("src", "srcset", "style")]
    assert all(link.startswith(("#", "http://", "https://", "mailto:")) for link in found.links)
    assert "\u202e" not in page.transcript


def test_too_many_questions_are_refused_with_the_question_kept(
    served: Served, open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    served.model.script += [BLUE, BLUE]
    monkeypatch.setattr(served.host.questions, "_size", 1.0)
    monkeypatch.setattr(served.host.questions, "_rate", 1 / 60)
    served.host.questions._levels.clear()
    page = open_page(served.browser("10.7.7.7")).click("enter").click("ask", ASKED)
    page.values["question"] = "kept"
    page.click("ask", "And who built the house?")
    assert "Wait" in page.notice and page.values["question"] == "kept" and len(page.turns) == 1
    other = open_page(served.browser("10.7.7.8")).click("enter").click("ask", ASKED)
    assert len(other.turns) == 1


def test_an_earlier_conversation_is_opened_again(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script += [BLUE, "The house was built in 1901 by Ada Byron."]
    page = open_page().click("enter").click("ask", ASKED)
    page.click("new")
    assert page.turns == [] and "What would you like to know?" in page.transcript
    page.click("ask", "Who built the house?")
    earlier = next(thread for title, thread in page.threads if title == ASKED)
    page.click("open", earlier)
    assert len(page.turns) == 1 and "What colour" in page.transcript and "Who built" not in page.transcript


def test_what_a_page_sends_in_place_of_a_click_does_no_harm(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script.append(BLUE)
    page = open_page().click("enter").click("ask", ASKED)
    for event in (
        None,
        [],
        "up",
        7,
        {"what": 7},
        {"what": "flag", "turn": page.turns[0], "text": "٣x"},
        {"what": "edit"},
    ):
        page.click("act", event=event)
    page.act("up", "0" * 32)
    assert "no such conversation" in page.notice
    assert len(page.turns) == 1


def test_conversations_are_found_by_their_words(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script += [BLUE, "The house was built in 1901 by Ada Byron."]
    page = open_page().click("enter").click("ask", ASKED).click("new").click("ask", "Who built the house?")
    page.click("search", "painted BLUE")
    assert [title for title, _ in page.threads] == [ASKED]
    page.click("open", page.threads[0][1])
    assert len(page.turns) == 1 and [title for title, _ in page.threads] == [ASKED]  # what is searched for stays
    page.click("search", "nowhere to be found")
    assert page.threads == [] and "No conversation holds" in page.changes["threads"]["label"]
    page.click("search", "")
    assert len(page.threads) == 2


def test_a_page_that_gradio_has_forgotten_goes_on_in_its_conversation(
    served: Served, open_page: Callable[..., Page]
) -> None:
    served.model.script += [BLUE, "The house was built in 1901 by Ada Byron."]
    page = open_page().click("enter").click("ask", ASKED)
    del served.page.app.state_holder.session_data[page.session]
    page.click("ask", "Who built the house?")
    assert len(page.turns) == 2 and len(page.threads) == 1


def test_a_correction_that_is_too_long_is_told_of_and_not_cut(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script.append(BLUE)
    page = open_page().click("enter").click("ask", ASKED)
    (turn,) = page.turns
    page.act("down", turn).click("correct", "x" * 20_001)
    assert "At most 20,000 characters" in page.notice
    assert [each.correction for each in _feedback(served, turn)] == [""]
    page.click("correct", "x" * 20_000)
    assert [len(each.correction) for each in _feedback(served, turn)] == [0, 20_000]


def test_a_wrong_source_does_not_take_back_what_was_said_before(served: Served, open_page: Callable[..., Page]) -> None:
    served.model.script.append(BLUE)
    page = open_page().click("enter").click("ask", ASKED)
    (turn,) = page.turns
    page.act("down", turn).click("correct", "The door is blue.").act("flag", turn, "1").act("flag", turn, "2")
    page.act("down", turn)
    (*_, last) = _feedback(served, turn)
    assert (last.rating, last.correction) == (-1, "The door is blue.")
    assert last.comment.splitlines() == ["wrong citation [1]", "wrong citation [2]"]
    page.act("up", turn)
    (*_, last) = _feedback(served, turn)
    assert (last.rating, last.correction, last.comment) == (1, "", "")


def _feedback(served: Served, turn: str) -> list[Feedback]:
    with closing(Records(served.own.database)) as records:
        return records.feedback(turn)


def test_judgements_without_end_are_refused(
    served: Served, open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    served.model.script.append(BLUE)
    monkeypatch.setattr(served.host.judgements, "_size", 2.0)
    page = open_page(served.browser("10.7.7.9")).click("enter").click("ask", ASKED)
    for _ in range(2):
        assert "passed on" in page.act("up", page.turns[0]).notice
    assert "too many judgements" in page.act("up", page.turns[0]).notice
    assert len(_feedback(served, page.turns[0])) == 2


def test_trouble_on_the_way_in_is_told_in_general_terms(
    served: Served, open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(visitor: object) -> set[str]:
        raise DatabaseError("/srv/private/owners.db is locked.")

    page = open_page()
    monkeypatch.setattr(served.host.reception.ownership, "threads", broken)
    for name in ("enter", "new"):
        page.click(name)
        assert "Something went wrong on the computer that answers." in page.notice and "/srv" not in page.notice
