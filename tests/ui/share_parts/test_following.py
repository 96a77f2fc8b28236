"""Following an answer: as it grows, only by whom it belongs to, and found again after the connection was lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx
import pytest

pytest.importorskip("gradio")

from tests.ui.share_parts.served import ASKED, SENTENCE, Held, Page, Served


@pytest.fixture
def asked(served: Served, open_page: Callable[..., Page]) -> Iterator[tuple[Page, Held]]:
    """A page whose answer has begun, and its model, which waits."""
    served.model.script.append(SENTENCE)
    held = served.hold()
    page = open_page().click("enter").click("ask", ASKED, follow=False)
    assert held.begun.wait(30)
    address = f"/live/{page.followed}"
    yield page, held
    held.go_on.set()
    page.browser.get(address)  # comes back when the answer has ended


def messages(answer: httpx.Response) -> Iterator[str]:
    """What the events say, in order."""
    lines = answer.iter_lines()
    for line in lines:
        if line == "event: message":
            yield json.loads(next(lines).removeprefix("data: "))


def test_the_answer_is_shown_while_it_grows_and_then_ended(asked: tuple[Page, Held]) -> None:
    page, held = asked
    address = f"/live/{page.followed}"
    with page.browser.stream("GET", address) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        growing = next(shown for shown in messages(answer) if ">One<" in shown)
        assert ASKED in growing and not held.go_on.is_set()
        held.go_on.set()
    assert page.follow()[-1] == "over" and page.browser.get(address).status_code == 204
    assert "twelve" in page.click("settle").transcript and page.values["live"] == ""


def test_who_asks_again_sees_what_was_said_meanwhile(asked: tuple[Page, Held]) -> None:
    page, held = asked
    for _ in range(2):
        with page.browser.stream("GET", f"/live/{page.followed}") as answer:
            assert ASKED in next(messages(answer))
    held.go_on.set()
    assert page.follow()[-1] == "over"


def test_nobody_follows_what_is_not_his(served: Served, asked: tuple[Page, Held]) -> None:
    page, _ = asked
    address = f"/live/{page.followed}"
    assert served.stranger().get(address).status_code == 401
    assert served.browser().get(address).status_code == 404
    for thread in ("nothing", "../records", "a" * 65):
        assert page.browser.get(f"/live/{thread}").status_code == 404


def test_each_time_that_an_answer_is_opened_it_is_followed_anew(asked: tuple[Page, Held]) -> None:
    page, _ = asked
    before = page.values["live"]
    again = page.click("enter", follow=False).values["live"]
    assert page.followed and again != before


def test_a_page_whose_stream_broke_off_is_told_to_follow_again(asked: tuple[Page, Held]) -> None:
    page, held = asked
    before = page.values["live"]
    assert page.click("settle").followed and page.values["live"] != before
    held.go_on.set()
    assert page.follow()[-1] == "over"
    assert "twelve" in page.click("settle").transcript


def test_a_page_that_gradio_forgot_while_it_followed_shows_the_end(served: Served, asked: tuple[Page, Held]) -> None:
    page, held = asked
    del served.page.app.state_holder.session_data[page.session]
    held.go_on.set()
    assert page.follow()[-1] == "over"
    assert "twelve" in page.click("settle").transcript
