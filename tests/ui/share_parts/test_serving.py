"""The server of the shared chat: for programs, and for the world only behind a login."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("gradio")

import httpx

from agent.errors import ConfigError, RatchetError
from tests.architecture.sources import ROOT
from tests.e2e.markdown import blocks
from tests.ui.share_parts.served import ASKED, BLUE, PASSWORD, Served
from ui import share
from ui.share_parts.accounts import Accounts
from ui.share_parts.page import build_page
from ui.share_parts.serving import Place, close, serve


def test_programs_use_the_same_door(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradio_client import Client
    from gradio_client.exceptions import AppError, AuthenticationError

    served.model.script += [BLUE, "The house was built in 1901 by Ada Byron."]
    quiet = {"verbose": False, "analytics_enabled": False, "download_files": False}
    client = Client(served.url, auth=("guest", PASSWORD), **quiet)
    other = Client(served.url, auth=("guest", PASSWORD), **quiet)
    try:
        assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/chat"]
        reply = client.predict(question=ASKED, api_name="/chat")
        assert reply["status"] == "done" and reply["answer"].startswith(BLUE)
        assert {each["file"] for each in reply["citations"]} == {"house.md"}
        assert "secret-folder" not in json.dumps(reply)
        with pytest.raises(AppError, match="no such conversation"):
            other.predict(question=ASKED, conversation=reply["conversation"], api_name="/chat")
        more = client.predict(question="Who built the house?", conversation=reply["conversation"], api_name="/chat")
        assert more["conversation"] == reply["conversation"] and "Ada Byron" in more["answer"]
    finally:
        client.close()
        other.close()
    with pytest.raises((AuthenticationError, ValueError)):
        Client(served.url, **quiet)
    with pytest.raises((AuthenticationError, ValueError)):
        Client(served.url, auth=("guest", "wrong-wrong-wrong"), **quiet)


def test_a_public_address_is_made_only_for_a_server_that_asks_for_a_login(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradio import networking

    seen: list[int] = []

    def tunnel(host: str, port: int, *rest: Any) -> str:
        seen.append(httpx.get(f"http://{host}:{port}/config").status_code)
        return "https://abc123.gradio.live"

    monkeypatch.setattr(networking, "setup_tunnel", tunnel)
    page, door = build_page(served.host, "T"), share.door_for("T", [], [])
    local, public = serve(page, Accounts({"guest": PASSWORD}), door, Place(public=True))
    try:
        assert seen == [401] and public == "https://abc123.gradio.live/"
        browser = httpx.Client(base_url=local, headers={"host": "abc123.gradio.live"})
        served.opened.append(browser)
        assert browser.get("/").status_code == 401
        browser.post("/login", data={"username": "guest", "password": PASSWORD})
        page_text = browser.get("/", headers={"host": "abc123.gradio.live"}).text
        assert "s3-us-west-2" not in page_text and "assets/index-" in page_text
    finally:
        close(page)


def test_without_a_tunnel_nothing_stays_open(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradio import networking

    ports: list[int] = []

    def broken(host: str, port: int, *rest: Any) -> str:
        ports.append(port)
        raise RuntimeError("no connection\nlong log")

    monkeypatch.setattr(networking, "setup_tunnel", broken)
    page = build_page(served.host, "T")
    with pytest.raises(RatchetError, match="no connection Nothing was shared"):
        serve(page, Accounts({"guest": PASSWORD}), share.door_for("T", [], []), Place(public=True))
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{ports[0]}/")


def test_a_port_in_use_is_told(served: Served) -> None:
    port = int(served.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(ConfigError, match=str(port)):
        serve(
            build_page(served.host, "T"), Accounts({"guest": PASSWORD}), share.door_for("T", [], []), Place(port=port)
        )


def test_the_documented_program_runs(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks(ROOT / "docs" / "sharing.md", "py")
    served.model.script += [BLUE, "The house was built in 1901 by Ada Byron."]
    code = example.code.replace("http://127.0.0.1:7860", served.url).replace("PASSWORD", PASSWORD)
    code = code.replace("How long is the warranty?", ASKED).replace(
        "And how is the filter cleaned?", "Who built the house?"
    )
    names: dict[str, Any] = {}
    exec(compile(code, example.name, "exec"), names)
    names["client"].close()
    said = capsys.readouterr().out
    assert BLUE in said and "1 house.md" in said
    assert "done" in said and "Ada Byron" in said
