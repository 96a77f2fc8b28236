"""What servers and name servers do wrong, or on purpose, and what becomes of a fetch then."""

from __future__ import annotations

import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from knowledge import fetch
from knowledge.errors import DocumentError
from knowledge.fetch import Network, fetch_snapshot
from knowledge.loaders import lazy_load
from tests.knowledge.test_fetch import PUBLIC, Routed, internet, page, refused, server
from tests.knowledge.test_fetch import Server as Server

__all__ = ["server"]
SILENT = "93.184.215.15"


class HalfSilent(Routed):
    """The internet of a test, with an address that never takes a connection."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == SILENT:
            raise httpx.ConnectTimeout("timed out")
        return super().handle_request(request)


def test_an_address_that_is_silent_is_followed_by_the_next(tmp_path: Path, server: Server) -> None:
    network = Network(lambda host, port: [SILENT, PUBLIC], lambda: HalfSilent(server.port))
    assert fetch_snapshot("http://public.example/", tmp_path, network=network).is_file()
    many = Network(lambda host, port: [SILENT] * 50 + [PUBLIC], lambda: HalfSilent(server.port))
    refused("http://public.example/", tmp_path, many)


def test_hosts_that_share_an_address_share_no_cookies(tmp_path: Path, server: Server) -> None:
    sent: list[str | None] = []

    def note(handler: BaseHTTPRequestHandler) -> None:
        sent.append(handler.headers["Cookie"])
        page()(handler)

    other = f"http://other.example:{server.port}/to"
    server.answers["/from"] = page(b"", 302, Location=other, Set_Cookie="session=theirs; Path=/")
    server.answers["/to"] = note
    shared = Network(lambda host, port: ["127.0.0.1"])
    fetch_snapshot(f"http://one.example:{server.port}/from", tmp_path, allow_private=True, network=shared)
    assert sent == [None]


def test_packed_content_is_whole_or_refused(tmp_path: Path, server: Server) -> None:
    packed = gzip.compress(b"<p>one " * 50_000)
    server.answers["/half"] = page(packed[: len(packed) // 2], Content_Encoding="gzip")
    server.answers["/none"] = page(b"", Content_Encoding="gzip")
    server.answers["/two"] = page(packed + gzip.compress(b"<p>two") + b"\0\0", Content_Encoding="gzip")
    for path in ("half", "none"):
        assert "breaks off" in refused(f"http://public.example/{path}", tmp_path, internet(server))
    kept = fetch_snapshot("http://public.example/two", tmp_path, network=internet(server))
    assert kept.read_bytes() == b"<p>one " * 50_000 + b"<p>two"


def test_the_time_counts_names_and_connections_too(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is over nothing new is begun, however the time was spent."""
    monkeypatch.setattr(fetch, "MAX_SECONDS", 0.2)

    def slow(host: str, port: int) -> list[str]:
        time.sleep(0.4)
        return [PUBLIC]

    late = Network(slow, lambda: Routed(server.port))
    assert "longer than 0.2 seconds" in refused("http://public.example/", tmp_path, late)
    assert server.hits == []


def test_the_same_page_may_be_fetched_twice_at_a_time(tmp_path: Path, server: Server) -> None:
    bodies = [b"<p>" + bytes([letter]) * 200_000 for letter in b"abcdefgh"]
    left = iter(bodies * 4)
    failures: list[DocumentError] = []
    server.answers["/"] = lambda handler: page(next(left))(handler)

    def fetch_some() -> None:
        for _ in range(4):
            try:
                fetch_snapshot("http://public.example/", tmp_path, network=internet(server))
            except Exception as error:
                failures.append(error)  # type: ignore[arg-type]

    threads = [threading.Thread(target=fetch_some) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    (kept,) = tmp_path.rglob("*.html")
    assert kept.read_bytes() in bodies
    assert not list(tmp_path.rglob("*.part"))


def test_what_a_server_says_cannot_drive_a_terminal(tmp_path: Path, server: Server) -> None:
    server.answers["/"] = page(b"x", Content_Type="\x9b31mapplication/evil\x9d")
    said = refused("http://public.example/", tmp_path, internet(server))
    assert "evil" in said and said.isprintable()


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999"])
def test_a_port_that_does_not_exist_is_named(tmp_path: Path, server: Server, port: str) -> None:
    assert "no such port" in refused(f"http://public.example:{port}/", tmp_path, internet(server))
    assert server.hits == []


@pytest.mark.parametrize("charset", ["punycode", "idna", "no-such"])
def test_a_charset_that_is_none_is_not_used(tmp_path: Path, server: Server, charset: str) -> None:
    server.answers["/"] = page(b"<p>one-two", Content_Type=f"text/html; charset={charset}")
    path = fetch_snapshot("http://public.example/", tmp_path, network=internet(server))
    assert path.read_bytes() == b"<p>one-two"


def test_a_header_that_says_latin_is_read_as_browsers_do(tmp_path: Path, server: Server) -> None:
    server.answers["/"] = page("<p>“It’s › œuvre”".encode("cp1252"), Content_Type="text/html; charset=iso-8859-1")
    path = fetch_snapshot("http://public.example/", tmp_path, network=internet(server))
    assert next(iter(lazy_load(path))).page_content == "“It’s › œuvre”"
