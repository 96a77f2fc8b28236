"""What can be reached after the login, and what the page reaches: the chat and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio")


from agent.errors import ConfigError
from tests.ui.share_parts.served import ASKED, Served, every_route
from ui import share
from ui.share_parts.confined import FOLDER
from ui.share_parts.gate import LARGEST_BODY
from ui.share_parts.limits import TokenBuckets
from ui.share_parts.page import build_page
from ui.share_parts.rules import host_allowed, origin_of, route


def test_only_the_chat_is_served_to_members(served: Served, tmp_path: Path) -> None:
    browser = served.browser()
    for path, methods in every_route(served):
        for method in methods:
            if route(method, path) is None:
                assert browser.request(method, path).status_code == 404, (method, path)
    secret = served.own.home / FOLDER / "owners.db"
    assert secret.is_file()
    for path in (secret, "/etc/passwd", Path(share.__file__), served.own.database, "http://127.0.0.1:1/"):
        for prefix in ("file=", "file/", "proxy=", "stream/"):
            assert browser.get(f"/gradio_api/{prefix}{path}").status_code == 404
    for path in (
        "/assets/../../../../../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/blocks.py",
        "/assets//etc/passwd",
    ):
        assert browser.get(path).status_code in (403, 404)
    assert browser.post("/gradio_api/upload", files={"files": ("x.txt", b"x")}).status_code == 404
    assert browser.get("/monitoring/summary").status_code == 404
    assert browser.post("/gradio_api/run/chat", json={"data": [ASKED]}).status_code == 404


def test_a_later_route_of_gradio_is_not_reachable_by_itself() -> None:
    assert route("GET", "/gradio_api/something-new") is None
    assert route("DELETE", "/") is None
    assert route("POST", "/gradio_api/call/ask") is None
    assert route("HEAD", "/") == ("member", "")


def test_other_names_and_other_sites_are_turned_away(served: Served) -> None:
    browser = served.browser()
    for host in ("evil.example", "127.0.0.1.evil.example", "", "a b", "localhost.evil.example:80"):
        assert browser.get("/config", headers={"host": host}).status_code in (400, 403), host
    assert browser.get("/config", headers={"host": "chat.example.org"}).status_code == 200
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "https://intranet.example.org.evil.example"):
        assert browser.get("/config", headers={"origin": origin}).status_code == 403, origin
    assert browser.get("/config", headers={"origin": "https://intranet.example.org"}).status_code == 200
    assert browser.get("/config", headers={"origin": served.url.rstrip("/")}).status_code == 200
    assert host_allowed("[::1]:80", ()) and host_allowed("192.168.1.5:7860", ()) and not host_allowed("x@127.0.0.1", ())


def test_sites_that_may_embed_are_named_as_browsers_name_them() -> None:
    assert origin_of("https://Example.org/") == "https://example.org"
    assert origin_of("http://localhost:8000") == "http://localhost:8000"
    for wrong in (
        "example.org",
        "*",
        "https://*",
        "javascript:alert(1)",
        "https://a.b/c",
        "https://a;b",
        "https://u@a.b",
    ):
        assert origin_of(wrong) is None, wrong
    with pytest.raises(ConfigError):
        share.door_for("T", [], ["*"])


def test_the_page_loads_nothing_from_elsewhere(served: Served) -> None:
    browser = served.browser()
    page = browser.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy and "img-src 'self' data:" in policy
    assert (
        "frame-ancestors 'self' https://intranet.example.org" in policy
        and "'unsafe-inline'" not in policy.split(";")[1]
    )
    nonce = re.findall(r"'nonce-([^']+)'", policy)[0]
    assert page.text.count("<script") == page.text.count(f'nonce="{nonce}"') > 0
    assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//[^"' >]+""", page.text) == []
    assert browser.get("/").headers["content-security-policy"] != policy
    assert re.findall(r"""url\((?!["']?data:)[^)]*//[^)]*\)""", browser.get("/theme.css").text) == []
    config = browser.get("/config").json()
    assert config["analytics_enabled"] is False
    assert "googleapis" not in json.dumps(config)
    assert served.page.run_history is False and served.page.enable_monitoring is False


def test_no_analytics_are_sent(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    import gradio.analytics

    sent: list[Any] = []
    monkeypatch.setattr(gradio.analytics, "_do_analytics_request", lambda **given: sent.append(given))
    monkeypatch.setattr(gradio.analytics, "version_check", lambda: sent.append("version"))
    page = build_page(served.host, "T")
    assert sent == [] and page.analytics_enabled is False
    assert gradio.analytics.analytics_enabled() is False


def test_too_large_and_too_many_requests_are_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = served.browser()
    large = browser.post("/gradio_api/queue/join", content=b"x" * (LARGEST_BODY + 1))
    assert large.status_code == 413
    monkeypatch.setattr(served.door, "requests", TokenBuckets(1, 2))
    assert [browser.get("/config").status_code for _ in range(3)] == [200, 200, 429]


def test_the_script_for_other_pages_comes_from_here(served: Served) -> None:
    script = served.stranger().get("/embed.js")
    assert script.headers["content-type"].startswith("text/javascript")
    (asset,) = re.findall(r'home \+ "(/assets/[^"]+)"', script.text)
    assert "://" not in script.text
    site = {"host": "chat.example.org", "origin": "https://intranet.example.org"}
    stranger, member = served.stranger(), served.browser()
    for path in ("/embed.js", asset, "/gradio_api/login_check", "/config"):
        for visitor, status in ((stranger, 200 if path in ("/embed.js", asset) else 401), (member, 200)):
            answer = visitor.get(path, headers=site)
            assert answer.status_code == status, path
            assert answer.headers["access-control-allow-origin"] == site["origin"]
            assert answer.headers["access-control-allow-credentials"] == "true"
    assert "gradio-app" in stranger.get(asset).text
