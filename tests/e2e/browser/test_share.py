"""The chat to share: who may come in, what a visitor gets, and what he does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.conftest import Visit, shared
from tests.e2e.browser.documents import KEEPER, STORY, WARRANTY
from tests.e2e.browser.share import Login, Share


def entered(share: Login, visit: Visit, person: str) -> Share:
    """The chat, as a person sees it who has just logged in for the first time."""
    chat = Share(visit(share.url, person))
    chat.log_in(share)
    expect(chat.field).to_be_visible()
    return chat


def test_nobody_comes_in_without_the_password(share: Login, visit: Visit) -> None:
    chat = Share(visit(share.url, "stranger"))
    expect(chat.field).to_have_count(0)
    chat.log_in(share, "a guess of mine")
    expect(chat.page.get_by_role("alert")).to_contain_text("do not belong together")
    chat.log_in(share)
    expect(chat.field).to_be_visible()


def test_an_answer_cites_and_a_click_on_the_number_opens_the_exact_passage(share: Login, visit: Visit) -> None:
    chat = entered(share, visit, "reader")
    assert "24 months" in chat.asked(WARRANTY)
    passage = chat.page.locator(".r-source mark").first
    expect(passage).to_be_hidden()
    chat.answer.get_by_role("link", name="[1]").first.click()
    expect(passage).to_be_visible()
    expect(passage).to_contain_text("24 months")
    expect(passage).to_be_in_viewport()
    assert "a home with spaces" not in chat.page.locator("body").inner_text()  # a folder of the owner's


def test_no_tool_acts_for_a_visitor(share: Login, visit: Visit) -> None:
    chat = entered(share, visit, "asker")
    chat.asked("Remember that the visitor likes teal.")
    expect(chat.button("Approve")).to_have_count(0)
    assert "Remembered" not in chat.answer.inner_text()


@pytest.fixture
def talkative(
    homes: Callable[[str], dict[str, str]], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Login]:
    """A chat to share whose model answers at length: without the adapter, which taught it to be brief."""
    with shared(homes(request.node.name) | {"RATCHET_MODEL__ADAPTER": "none"}, tmp_path) as login:
        yield login


def test_stop_ends_the_answer_and_a_reload_finds_the_conversation(talkative: Login, visit: Visit) -> None:
    chat = entered(talkative, visit, "stopper")
    chat.ask(STORY)
    chat.speaking()
    chat.page.reload()
    chat.speaking()
    chat.button("Stop").click()
    chat.finished(1)
    expect(chat.page.get_by_text("Stopped; what was said is kept.").first).to_be_visible()
    expect(chat.page.locator(".r-question")).to_have_text(STORY)


def test_two_answers_are_each_followed_where_they_belong(talkative: Login, visit: Visit) -> None:
    chat = entered(talkative, visit, "changer")
    chat.ask(STORY)
    chat.speaking()
    chat.page.get_by_role("button", name="New conversation").dispatch_event("click")  # in the bar at the side
    expect(chat.page.locator(".r-question")).to_have_count(0)
    chat.ask(KEEPER)
    expect(chat.page.locator(".r-question")).to_have_text(KEEPER)
    chat.page.get_by_role("radio", name=STORY[:20]).dispatch_event("click")
    expect(chat.page.locator(".r-question")).to_have_text(STORY)
    chat.speaking()
    chat.button("Stop").click()
    chat.finished(1)
    chat.page.get_by_role("radio", name=KEEPER[:20]).dispatch_event("click")
    expect(chat.page.locator(".r-question")).to_have_text(KEEPER)
    chat.finished(1)


def test_an_answer_is_followed_again_after_the_server_refused(talkative: Login, visit: Visit) -> None:
    chat = entered(talkative, visit, "unlucky")
    chat.page.route("**/live/*", lambda route: route.fulfill(status=503), times=1)
    chat.ask(STORY)
    chat.speaking()
    chat.button("Stop").click()
    chat.finished(1)


def test_a_visitor_judges_and_corrects(share: Login, visit: Visit) -> None:
    chat = entered(share, visit, "judge")
    chat.asked(WARRANTY)
    chat.button("👎 Not helpful").click()
    chat.page.get_by_label("What should the answer have been?").fill("Two years.")
    chat.button("Save").click()
    expect(chat.page.get_by_label("What should the answer have been?")).to_be_hidden()


def test_visitors_do_not_see_each_other(share: Login, visit: Visit) -> None:
    first, second = entered(share, visit, "one"), entered(share, visit, "another")
    first.asked(WARRANTY)
    second.page.reload()
    expect(second.field).to_be_visible()
    expect(second.page.get_by_text(WARRANTY)).to_have_count(0)
    first.page.reload()
    expect(first.page.locator(".r-question")).to_have_text(WARRANTY)
