"""Nobody comes in without a password, and guessing one is slow."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("gradio")


from tests.ui.share_parts.served import FORM, PASSWORD, Served, every_route
from ui.share_parts.limits import FREE_GUESSES


def test_a_stranger_reaches_nothing_but_the_login_page(served: Served) -> None:
    stranger, reached = served.stranger(), set()
    for path, methods in every_route(served):
        for method in methods:
            answer = stranger.request(method, path)
            if answer.status_code < 400:
                reached.add(re.sub(r"^/(static|assets|svelte)/.*", r"/\1/", path))
    public = {"/favicon.ico", "/robots.txt", "/theme.css", "/gradio_api/theme.css", "/manifest.json"}
    assert reached <= public | {"/static/", "/assets/", "/svelte/", "/logout", "/gradio_api/startup-events"}
    page = stranger.get("/")
    assert page.status_code == 401
    assert "<script" not in page.text and "gradio" not in page.text.lower()
    assert "<b>us</b>" not in page.text and "Ask &lt;b&gt;us&lt;/b&gt;" in page.text


def test_a_forged_login_is_none(served: Served) -> None:
    stranger, app = served.stranger(), served.page.app
    for token in ("", "x", "None", "null"):
        for name in (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}"):
            assert stranger.get("/config", headers={"cookie": f"{name}={token}"}).status_code == 401


def test_a_wrong_password_fails_and_then_costs_time(served: Served) -> None:
    stranger = served.stranger("10.9.9.9")
    for _ in range(FREE_GUESSES):
        answer = stranger.post("/login", data={"username": "guest", "password": "wrong-wrong-wrong"})
        assert answer.status_code == 400 and not answer.cookies
    answer = stranger.post("/login", data={"username": "guest", "password": PASSWORD})
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1 and not answer.cookies
    shown = stranger.post("/login", data={"username": "guest", "password": PASSWORD}, headers=FORM)
    assert shown.status_code == 429 and "Too many wrong passwords" in shown.text
    served.browser("10.8.8.8").close()  # somebody else may log in meanwhile


@pytest.mark.parametrize("name", ["nobody", "GUEST", "anna", "guest\0", "' or 1=1 --"])
def test_a_password_opens_only_its_own_account(served: Served, name: str) -> None:
    answer = served.stranger().post("/login", data={"username": name, "password": PASSWORD}, headers=FORM)
    assert answer.status_code == 400
    assert "do not belong together" in answer.text


def test_logging_out_ends_this_login_alone(served: Served) -> None:
    one, other = served.browser(), served.browser()
    before = one.cookies.get("ratchet-visitor")
    assert before
    left = one.get("/logout")
    assert left.status_code == 303
    deleted = {line.partition("=")[0]: line.lower() for line in left.headers.get_list("set-cookie")}
    assert len(deleted) == 4
    for name in (f"access-token-{served.page.app.cookie_id}", "ratchet-visitor-secure"):
        assert "samesite=none" in deleted[name] and "secure" in deleted[name]  # else it stays in an embedded chat
    assert one.get("/config").status_code == 401
    assert other.get("/config").status_code == 200
    assert one.cookies.get("ratchet-visitor") is None


def test_a_login_ends_by_itself(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = served.browser()
    assert browser.get("/config").status_code == 200
    monkeypatch.setattr("ui.share_parts.gate.LOGIN_LASTS", -1.0)
    assert browser.get("/config").status_code == 401


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_elsewhere_cannot_log_a_visitor_out(served: Served, site: str) -> None:
    browser = served.browser()
    secret = browser.cookies.get("ratchet-visitor")
    led = browser.get("/logout", headers={"sec-fetch-site": site, "sec-fetch-mode": "navigate"})
    assert led.status_code == 403
    assert browser.get("/config").status_code == 200 and browser.cookies.get("ratchet-visitor") == secret
    embedded = browser.get("/logout", headers={"sec-fetch-site": site, "origin": "https://intranet.example.org"})
    assert embedded.status_code == 303


def test_a_login_counts_from_when_it_was_made_and_no_more_are_kept_than_that(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.share_parts.gate.MOST_KEYS", 3)
    browsers = [served.browser() for _ in range(5)]  # none of which has asked for anything since
    assert len(served.page.app.tokens) == len(served.door.logins) == 3
    assert [browser.get("/config").status_code for browser in browsers] == [401, 401, 200, 200, 200]
