"""One service, asked as its kind wants it, at its own address only, with a key that shows up nowhere else."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException

from tests.tools.loopback import Server, page, redirect, serving
from tools.resources import Resources, SearchService
from tools.web import search_service
from tools.web_search import build, hints, unavailable

KEY = "canary-5f0c2d"
HITS = [
    {"url": "https://a.example/1", "title": "First <b>hit</b>", "content": "About &amp; pumps\n and\u202e valves"},
    {"url": "https://a.example/1", "title": "Again", "content": "the same"},
    {"url": "javascript:alert(1)", "title": "No page", "content": "x"},
    {"url": "https://b.example/2", "title": "", "content": None},
    "no hit",
]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def answered(server: Server, kind: str) -> None:
    hits: Any = [{**hit, "description": hit["content"]} if isinstance(hit, dict) else hit for hit in HITS]
    answer = {"web": {"results": hits}} if kind == "brave" else {"results": hits}
    server.otherwise = page(json.dumps(answer), "application/json")


def ask(url: str, kind: Any = "searxng", key: str = "", query: str = "pumps", results: int = 5) -> ToolMessage:
    (spec,) = build(Resources(search_service=SearchService(kind, url, key)))
    call = {"name": "web_search", "args": {"query": query, "results": results}, "id": "1", "type": "tool_call"}
    message = spec.tool.invoke(call)
    assert isinstance(message, ToolMessage)
    return message


@pytest.mark.parametrize("kind", ["searxng", "brave", "tavily"])
def test_each_kind_is_asked_in_its_way(server: Server, kind: str) -> None:
    answered(server, kind)
    message = ask(server.url, kind, KEY, "pumps & valves")
    ((method, path, headers, body),) = server.requests
    if kind == "tavily":
        assert (method, path, headers["Authorization"]) == ("POST", "/search", f"Bearer {KEY}")
        assert json.loads(body) == {"query": "pumps & valves", "max_results": 5}
    else:
        assert method == "GET"
        assert "q=pumps+%26+valves" in path.replace("%20", "+")
        assert path.startswith("/search?" if kind == "searxng" else "/res/v1/web/search?")
        assert ("format=json" in path, "count=5" in path) == (kind == "searxng", kind == "brave")
        assert headers["X-Subscription-Token" if kind == "brave" else "Authorization"].endswith(KEY)
    assert KEY not in path
    assert message.content == (
        "1. First hit\nhttps://a.example/1\nAbout & pumps and valves\n\n"
        "2. https://b.example/2\nhttps://b.example/2\n(no description)"
    )
    assert [found["source"] for found in message.artifact["passages"]] == ["https://a.example/1", "https://b.example/2"]
    assert message.artifact["passages"][0]["text"] == "About & pumps and valves"


def test_as_many_as_wanted_and_no_more_than_ten(server: Server) -> None:
    hits = [{"url": f"http://a.example/{number}", "title": "t", "content": "c" * 5000} for number in range(30)]
    server.otherwise = page(json.dumps({"results": hits}), "application/json")
    assert ask(server.url, results=2).content.count("http://") == 2
    message = ask(server.url, results=1000)
    assert message.content.count("http://") == 10
    assert len(message.content) < 10_000
    server.otherwise = page('{"results": []}', "application/json")
    assert 'Nothing was found for "pumps"' in ask(server.url).content


def failing(server: Server) -> list[tuple[str, str]]:
    """Path of the service → what is wrong with it."""
    server.answers |= {
        "/moved/search": redirect("http://a.example/search"),
        "/near/search": redirect(f"{server.url}/search"),
        "/denied/search": page(f"bad key {KEY}", status=403),
        "/late/search": page("", status=429),
        "/html/search": page("<p>no API here"),
        "/list/search": page("[]", "application/json"),
        "/deep/search": page("[" * 100_000, "application/json"),
        "/none/search": page('{"answer": 42}', "application/json"),
        "/long/search": page(b" " * (search_service.MAX_BYTES + 1), "application/json"),
        "/cut/search": lambda handler: handler.connection.close(),
    }
    return [
        ("/moved", "redirects elsewhere"),
        ("/near", "redirects elsewhere"),
        ("/denied", "403"),
        ("/late", "try later"),
        ("/html", "JSON"),
        ("/list", "JSON object"),
        ("/deep", "JSON"),
        ("/none", "searxng service"),
        ("/long", "2 MB"),
        ("/cut", "broke off"),
    ]


def test_failures_are_told_and_never_with_the_key(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    for path, reason in failing(server):
        with pytest.raises(ToolException, match=reason) as caught:
            ask(server.url + path, key=KEY)
        told += [str(caught.value), repr(caught.value.__cause__)]
    server.otherwise = page(json.dumps({"results": [{"url": f"http://a.example/{KEY}", "title": KEY, "content": KEY}]}))
    repeated = ask(server.url, key=KEY)
    told += [str(repeated.content), json.dumps(repeated.artifact), repr(SearchService("brave", server.url, KEY))]
    assert server.connections == len(failing(server)) + 1
    assert all(KEY in str(headers) for _, _, headers, _ in server.requests)  # the control: it was sent each time
    assert KEY not in "\n".join(told)
    assert len(caplog.records) > 10
    assert KEY not in caplog.text
    assert not any(KEY in str(vars(record)) for record in caplog.records)


def test_a_service_that_drips_is_left(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def drip(handler: Any) -> None:
        for letter in b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000:
            handler.wfile.write(bytes([letter]))
            if ended.wait(0.05):
                return

    server.otherwise = drip
    monkeypatch.setattr(search_service, "MAX_SECONDS", 0.5)
    try:
        with pytest.raises(ToolException, match="broke off|in time"):
            ask(server.url)
    finally:
        ended.set()


@pytest.mark.parametrize(
    ("kind", "url", "key", "reason"),
    [
        ("brave", "https://api.example/", "", "needs tools.search_key"),
        ("tavily", "http://api.example/", KEY, "unencrypted"),
        ("searxng", "http://192.0.2.1.example/", KEY, "unencrypted"),
        ("searxng", "http://8.8.8.8/", KEY, "unencrypted"),
        ("searxng", "ftp://api.example/", "", "http or https"),
        ("searxng", "http://[::1", "", "not a web address"),
        ("brave", "https://api.example/", f"{KEY}\r\nX-More: 1", "characters"),
    ],
)
def test_settings_that_cannot_work_are_told(kind: Any, url: str, key: str, reason: str) -> None:
    resources = Resources(search_service=SearchService(kind, url, key))
    assert build(resources) == []
    assert reason in unavailable(resources)
    assert KEY not in unavailable(resources)


def test_without_a_service_the_settings_are_named() -> None:
    assert build(Resources()) == []
    for setting in ("tools.search", "tools.search_url", "tools.search_key"):
        assert setting in unavailable(Resources())


def test_a_query_is_neither_empty_nor_endless(server: Server) -> None:
    for query in ("", "x" * 401):
        with pytest.raises(ToolException, match="400 characters"):
            ask(server.url, query=query)
    assert server.connections == 0


def test_the_preview_names_service_and_query() -> None:
    (spec,) = build(Resources(search_service=SearchService("brave", "https://api.example/x", KEY)))
    assert spec.preview is not None
    assert spec.preview({"query": "my secret"}) == "Ask brave at api.example:\nmy secret"
    assert spec.preview({"query": "a\u200bb\u202e"}).endswith(r"a\u200bb\u202e")
    assert (spec.risk, spec.untrusted) == ("network", True)


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("Search the web for pump prices", "pump prices"),
        ("please look up pump prices online", "pump prices"),
        ("google pump prices", "pump prices"),
        ("search my documents for pump prices", None),
        ("What is a web search?", None),
    ],
)
def test_hints(question: str, query: str | None) -> None:
    assert hints(question) == ({"query": [query]} if query else None)
