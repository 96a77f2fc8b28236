"""The page as a visitor uses it: clicks and questions through the real server and desk."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

pytest.importorskip("gradio")


from agent.records import Records
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
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(30)

    served.model.script.append(SENTENCE)
    served.model._after_first = wait
    browser = served.browser()
    open_page(browser, "before").click("enter").click("ask", ASKED, follow=False)
    assert begun.wait(30)
    page = open_page(browser, "after").click("enter", follow=False)
    assert ASKED in page.values["live"]
    go_on.set()
    page.click("enter")
    assert len(page.turns) == 1


def test_stop_really_stops(served: Served, open_page: Callable[..., Page]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(30)

    served.model.script.append(SENTENCE)
    served.model._after_first = wait
    said = served.model.said
    page = open_page().click("enter").click("ask", "Tell me about numbers, please, would you?", follow=False)
    assert begun.wait(30)
    page.click("stop")
    go_on.set()
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
    records = Records(served.own.database)
    try:
        assert [(each.rating, each.correction) for each in records.feedback(rated)] == [
            (-1, ""),
            (-1, "The door is blue."),
        ]
        assert records.turn(silent) is None
        kept = records.turn(rated)
        assert kept is not None and kept.thread_id.startswith("visitor-") and kept.answer
    finally:
        records.close()


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
