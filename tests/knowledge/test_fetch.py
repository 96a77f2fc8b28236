"""The guarded fetcher against a real server on this machine, which it must never reach unless told that it may."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from knowledge import fetch
from knowledge.addresses import is_public, is_usable
from knowledge.errors import DocumentError
from knowledge.fetch import Network, fetch_snapshot, snapshot_url
from knowledge.loaders import lazy_load
from tests.tools.loopback import PUBLIC, Routed

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A web server of this machine that counts who comes."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.hits: list[tuple[str, str]] = []
        self.answers: dict[str, Answer] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.hits.append((self.headers["Host"], self.path))
                server.answers.get(self.path.partition("?")[0], page())(self)

            def log_message(self, *args: object) -> None:
                pass

        ThreadingHTTPServer.daemon_threads = True
        self.http = ThreadingHTTPServer((host, 0), Handler)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def page(body: bytes = b"<h1>Pump</h1><p>It runs.", status: int = 200, **headers: str) -> Answer:
    given = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": "text/html", "Content-Length": str(len(body)), **given}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def redirect(to: str, status: int = 302) -> Answer:
    return page(b"", status, Location=to)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def victim() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def internet(server: Server, **hosts: str) -> Network:
    """Names to addresses; "public.example" is the server's. Numbers in any spelling are left to the system."""

    def resolve(host: str, port: int) -> list[str]:
        known = {"public.example": PUBLIC, **hosts}
        return known[host].split() if host in known else fetch.resolve_host(host, port)

    return Network(resolve, lambda: Routed(server.port))


HOSTS = """
127.0.0.1 127.1 127.0.1 127.000.000.001 0127.0.0.1 0177.0.0.1 0x7f.0.0.1 0x7f.1 0x7f000001 0X7F000001 2130706433
017700000001 127.255.255.254 127.0.0.2 0.0.0.0 0 0x0 00.0 localhost LOCALHOST localhost. LocalHost
[::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [::127.0.0.1] [::7f00:1]
[64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [2002:7f00:1::] [2002:7f00:0001::1] [fe80::1] [fe80::1%25lo] [fc00::1] [fd00::1]
[ff02::1] [fec0::1] [::ffff:0:127.0.0.1] [2001:0:7f00:1::] [fd00:ec2::254] 10.0.0.1 10.255.255.255 172.16.0.1
172.31.255.254 192.168.0.1 192.168.1.254 169.254.169.254 169.254.170.2 100.64.0.1 100.100.100.200 192.0.0.1
192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 168.63.129.16 0xa9fea9fe 2852039166
①②⑦.⓪.⓪.① １２７.0.0.1 127。0。0。1 inside.example ip6.example mixed.example mapped.example
""".split()
URLS = (
    """
file:///etc/passwd file://127.0.0.1/etc/passwd ftp://127.0.0.1:PORT/ gopher://127.0.0.1:PORT/ dict://127.0.0.1:PORT/
javascript:alert(1) data:text/html,x http:// http:///x //127.0.0.1:PORT/ 127.0.0.1:PORT http:127.0.0.1:PORT/
http://public.example@127.0.0.1:PORT/ http://127.0.0.1:PORT@public.example/ http://a:b@127.0.0.1:PORT/
http://public.example#@127.0.0.1:PORT/ http://127.0.0.1:PORT\\@public.example/ http://public.example\\@127.0.0.1:PORT/
http://127.0.0.1:PORT\t/ http://127.0.0.1\n:PORT/ http://127.0.0.1%00.example:PORT/ http://127.0.0.1%2f:PORT/
http://[::1:PORT/ http://127.0.0.1:99999/ http://127.0.0.1:PORT:80/ http://127.0.0.1:-1/
""".strip("\n")
    .replace("\n", " ")
    .split(" ")
)
NAMES = {
    "inside.example": "127.0.0.1",
    "ip6.example": "::1",
    "mixed.example": f"{PUBLIC} 127.0.0.1",
    "mapped.example": "::ffff:127.0.0.1",
}


def refused(url: str, folder: Path, network: Network) -> str:
    with pytest.raises(DocumentError) as caught:
        fetch_snapshot(url, folder, network=network)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_spelling_of_an_inner_address_reaches_it(tmp_path: Path, server: Server, victim: Server) -> None:
    network = internet(server, **NAMES)
    for host in HOSTS:
        refused(f"http://{host}:{victim.port}/secret", tmp_path, network)
    for url in URLS:
        if not url.startswith("http://public.example#"):
            refused(url.replace("PORT", str(victim.port)), tmp_path, network)
    assert len(HOSTS) + len(URLS) >= 90
    assert victim.hits == server.hits == []
    assert not list(tmp_path.rglob("*.html"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_leads_inside(tmp_path: Path, server: Server, victim: Server, status: int) -> None:
    network = internet(server, **NAMES)
    for number, host in enumerate(HOSTS):
        server.answers[f"/{number}"] = redirect(f"http://{host}:{victim.port}/secret", status)
        if host.isascii():
            refused(f"http://public.example/{number}", tmp_path, network)
    server.answers["/file"] = redirect("file:///etc/passwd", status)
    server.answers["/twice"] = redirect("/file", status)
    server.answers["/slashes"] = redirect(f"//127.0.0.1:{victim.port}/", status)
    for path in ("file", "twice", "slashes"):
        refused(f"http://public.example/{path}", tmp_path, network)
    assert victim.hits == []
    assert len(server.hits) >= 60


def test_a_name_that_changes_its_address_is_not_followed(tmp_path: Path, server: Server, victim: Server) -> None:
    """The address that was checked is the one connected to: the second answer of the name server is never asked for."""
    asked: list[str] = []

    def flip(host: str, port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC if len(asked) == 1 else "127.0.0.1"]

    network = Network(flip, lambda: Routed(server.port))
    fetch_snapshot(f"http://rebinding.example:{victim.port}/", tmp_path, network=network)
    assert asked == ["rebinding.example"]
    assert server.hits == [(f"rebinding.example:{victim.port}", "/")]
    refused(f"http://rebinding.example:{victim.port}/", tmp_path, network)
    assert victim.hits == []


def test_the_server_is_reached_when_that_is_allowed(tmp_path: Path, victim: Server) -> None:
    url = f"http://127.0.0.1:{victim.port}/docs/pump.html?x=1#top"
    path = fetch_snapshot(url, tmp_path, allow_private=True)
    assert victim.hits == [(f"127.0.0.1:{victim.port}", "/docs/pump.html?x=1")]
    assert path.parent == tmp_path / f"127.0.0.1_{victim.port}"
    assert path.name.startswith("pump-") and path.suffix == ".html"
    assert next(iter(lazy_load(path))).page_content == "# Pump\n\nIt runs."
    assert snapshot_url(path) == url
    with pytest.raises(DocumentError):
        fetch_snapshot(f"http://169.254.169.254:{victim.port}/", tmp_path, allow_private=True)


def test_redirects_on_the_public_side_are_followed_to_a_limit(tmp_path: Path, server: Server) -> None:
    network = internet(server)
    server.answers["/old"] = redirect("/new")
    path = fetch_snapshot("http://public.example/old", tmp_path, network=network)
    note = json.loads((path.parent / f".{path.name}.json").read_text())
    assert (note["url"], note["final_url"]) == ("http://public.example/old", "http://public.example/new")
    server.answers["/loop"] = redirect("/loop")
    assert "redirects more than 5 times" in refused("http://public.example/loop", tmp_path, network)
    assert sum(path == "/loop" for _, path in server.hits) == 6


def test_an_unchanged_page_leaves_its_file_alone(tmp_path: Path, server: Server) -> None:
    network = internet(server)
    path = fetch_snapshot("http://public.example/", tmp_path, network=network)
    before = path.stat().st_mtime_ns
    assert fetch_snapshot("http://public.example/", tmp_path, network=network) == path
    assert path.stat().st_mtime_ns == before
    server.answers["/"] = page(b"%PDF-1.4", Content_Type="application/pdf")
    other = fetch_snapshot("http://public.example/", tmp_path, network=network)
    assert (other.suffix, path.exists()) == (".pdf", False)
    assert fetch_snapshot("http://public.example/?page=2", tmp_path, network=network) != other


@pytest.mark.parametrize(
    ("kind", "path", "suffix"),
    [
        ("text/html; charset=utf-8", "/a.php", ".html"),
        ("text/plain", "/notes.md", ".md"),
        ("text/plain", "/notes", ".txt"),
        ("text/x-unknown", "/a", ".txt"),
        ("application/json", "/book.ipynb", ".ipynb"),
        ("application/json", "/api", ".json"),
        ("application/octet-stream", "/a.pdf", ".pdf"),
        ("application/pdf", "/download", ".pdf"),
    ],
)
def test_the_type_of_a_page_becomes_a_suffix(tmp_path: Path, server: Server, kind: str, path: str, suffix: str) -> None:
    server.answers[path] = page(b"text", Content_Type=kind)
    assert fetch_snapshot(f"http://public.example{path}", tmp_path, network=internet(server)).suffix == suffix


def test_what_cannot_be_kept_is_refused(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    network = internet(server)
    server.answers["/film"] = page(b"x", Content_Type="video/mp4")
    assert "video/mp4" in refused("http://public.example/film", tmp_path, network)
    server.answers["/gone"] = page(b"", 404)
    assert "404" in refused("http://public.example/gone", tmp_path, network)
    server.answers["/bomb"] = page(gzip.compress(b"a" * 2**20), Content_Encoding="gzip")
    server.answers["/odd"] = page(b"x", Content_Encoding="br")
    assert "encoding" in refused("http://public.example/odd", tmp_path, network)
    monkeypatch.setattr(fetch, "MAX_BYTES", 2**19)
    assert "longer than" in refused("http://public.example/bomb", tmp_path, network)
    assert "cannot be found" in refused("http://nowhere.invalid/", tmp_path, network)


def test_the_encoding_of_the_header_is_not_lost(tmp_path: Path, server: Server) -> None:
    server.answers["/a"] = page(
        "<p>Příliš žluťoučký".encode("iso-8859-2"), Content_Type="text/html; charset=iso-8859-2"
    )
    path = fetch_snapshot("http://public.example/a", tmp_path, network=internet(server))
    assert next(iter(lazy_load(path))).page_content == "Příliš žluťoučký"


def test_a_server_that_drips_is_left(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        for letter in b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000:
            handler.wfile.write(bytes([letter]))
            if ended.wait(0.02):
                return

    server.answers["/drip"] = drip
    monkeypatch.setattr(fetch, "MAX_SECONDS", 0.5)
    try:
        assert "longer than 0.5 seconds" in refused("http://public.example/drip", tmp_path, internet(server))
    finally:
        ended.set()


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::6810:84e5", "2a00:1450:4001::1"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address) and is_usable(address)


def test_every_inner_network_is_refused_at_both_ends() -> None:
    for first, last in (
        ("10.0.0.0", "10.255.255.255"),
        ("172.16.0.0", "172.31.255.255"),
        ("192.168.0.0", "192.168.255.255"),
        ("127.0.0.0", "127.255.255.255"),
        ("100.64.0.0", "100.127.255.255"),
        ("224.0.0.0", "255.255.255.255"),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fe80::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("192.0.0.0", "192.0.0.255"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ):
        assert not is_public(first) and not is_public(last)
    assert not is_public("not an address") and not is_usable("")


@pytest.mark.parametrize(
    "carrier", ["64:ff9b::{}", "64:ff9b:1::{}", "::ffff:0:{}", "::{}", "::ffff:{}", "2002:a9fe:a9fe::"]
)
def test_the_keys_of_a_cloud_are_out_of_reach_by_every_way(carrier: str) -> None:
    for host in ("169.254.169.254", "192.0.0.192", "168.63.129.16"):
        assert not is_usable(carrier.format(host)) and not is_public(carrier.format(host))
        assert not is_usable(host) and not is_public(host)
    assert not is_usable("fd20:ce::254") and not is_usable("fd00:ec2::254")
    assert is_usable("::1") and is_usable("::ffff:10.0.0.1") and is_usable("fd12::1")
