"""No address leads `web_fetch` to this machine, where the user's own search service may well be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from langchain_core.tools import ToolException

from knowledge.fetch import Network
from tests.tools.loopback import PUBLIC, Server, internet, page, redirect, serving
from tools import web_fetch, web_search
from tools.resources import Resources, SearchService

# Every host here is followed by the port of a server that really listens on 127.0.0.1.
HOSTS = """
127.0.0.1 127.1 127.0.1 127.000.000.001 0127.0.0.1 0177.0.0.1 0177.1 0x7f.0.0.1 0x7f.1 0x7F000001 0x7f000001 2130706433
017700000001 00000000177.0.0.01 127.0.0.2 127.255.255.254 127.0.0.1. 127.1. 2130706433. 0.0.0.0 0 00 0x0 0.
localhost LOCALHOST LocalHost localhost. localhost.localdomain ip6-localhost
[::1] [::] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::1%25lo] [::ffff:127.0.0.1] [::ffff:7f00:1]
[0:0:0:0:0:ffff:127.0.0.1] [::FFFF:7F00:0001] [::127.0.0.1] [::7f00:1] [::ffff:0:127.0.0.1] [::ffff:0:7f00:1]
[64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b:1::127.0.0.1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2002:7f00:0001::1]
[2001:0:7f00:1::] [2001:0:0:0:0:0:80ff:fffe] [2001::80ff:fffe] [fe80::1] [fe80::1%25lo] [fec0::1]
[fc00::1] [fd00:ec2::254]
169.254.169.254 169.254.169.254. 0xa9fea9fe 2852039166 0251.0376.0251.0376 [::ffff:169.254.169.254] 169.254.170.2
10.0.0.1 172.16.0.1 192.168.0.1 100.64.0.1 192.0.0.192 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255
100.100.100.200 168.63.129.16
１２７.0.0.1 １２７．０．０．１ 127。0。0。1 127．0．0．1 127｡0｡0｡1 ①②⑦.⓪.⓪.① ⑯⑨.②⑤④.⑯⑨.②⑤④ ٢١٣٠٧٠٦٤٣٣
ⓛⓞⓒⓐⓛⓗⓞⓢⓣ ｌｏｃａｌｈｏｓｔ
inside.example inside.example. ip6.example mapped.example mixed.example mixed6.example wild.example
""".split()
NAMES = {
    "inside.example": "127.0.0.1",
    "inside.example.": "127.0.0.1",
    "ip6.example": "::1",
    "mapped.example": "::ffff:127.0.0.1",
    "mixed.example": f"{PUBLIC} 127.0.0.1",
    "mixed6.example": f"{PUBLIC} ::1",
    "wild.example": "0.0.0.0",
}
URLS = [
    "http://127.0.0.1\u200b:PORT/",
    "http://127.0.0.1\u00ad:PORT/",
    "http://local\u200dhost:PORT/",
    "http://\ufeff127.0.0.1:PORT/",
    "http://public.example@127.0.0.1:PORT/",
    "http://public.example:80@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT@public.example/",
    "http://user:word@127.0.0.1:PORT/",
    "http://public.example%40127.0.0.1:PORT/",
    "http://public.example\\@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@public.example/",
    "http://127.0.0.1:PORT\\.public.example/",
    "http://127.0.0.1%00.public.example:PORT/",
    "http://127.0.0.1%2f:PORT/",
    "http://127.0.0.1\t:PORT/",
    "http://127.0.0.1\r\nHost: public.example\r\n:PORT/",
    " http://127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:/\\127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "127.0.0.1:PORT",
    "HTTP://127.0.0.1:PORT/",
    "hTTp://LOCALHOST:PORT/",
    "https://127.0.0.1:PORT/",
    "http://127.0.0.1:0PORT/",
    "http://127.0.0.1:PORT:80/",
    "http://127.0.0.1:+PORT/",
    "http://[::1:PORT/",
    "http://[127.0.0.1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/?u=http://public.example/",
    "ftp://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_GET",
    "dict://127.0.0.1:PORT/stat",
    "ws://127.0.0.1:PORT/",
    "unix:///run/docker.sock",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "file://localhost/etc/passwd",
    "jar:http://127.0.0.1:PORT/!/",
    "view-source:http://127.0.0.1:PORT/",
    "data:text/html,<script>fetch('http://127.0.0.1:PORT')</script>",
    "javascript:fetch('http://127.0.0.1:PORT')",
    "",
]


@pytest.fixture
def victim() -> Iterator[Server]:
    """What must not be reached; it would answer anybody."""
    with serving() as server:
        yield server


@pytest.fixture
def public() -> Iterator[Server]:
    """What "public.example" leads to."""
    with serving() as server:
        yield server


def fetch(url: str, network: Network | None) -> str:
    (spec,) = web_fetch.build(Resources(), network)
    return str(spec.tool.invoke({"url": url}))


def refused(url: str, network: Network | None) -> None:
    with pytest.raises(ToolException) as caught:
        fetch(url, network)
    assert "\n" not in str(caught.value), url


def test_the_corpus_is_large() -> None:
    assert len(set(HOSTS)) + len(set(URLS)) >= 130


def test_no_spelling_of_an_inner_address_is_reached(public: Server, victim: Server) -> None:
    network = internet(public, **NAMES)
    for host in HOSTS:
        refused(f"http://{host}:{victim.port}/secret", network)
    for url in URLS:
        refused(url.replace("PORT", str(victim.port)), network)
    assert victim.connections == public.connections == 0


def test_nor_through_the_system_s_own_resolver(victim: Server) -> None:
    """As the agent builds the tool: no test network in between."""
    for host in HOSTS:
        if "example" not in host and not host.endswith((".", "domain")):  # those would ask a name server
            refused(f"http://{host}:{victim.port}/", None)
    assert victim.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_leads_inside(public: Server, victim: Server, status: int) -> None:
    network = internet(public, **NAMES)
    targets = [f"http://{host}:{victim.port}/secret" for host in HOSTS if host.isascii()]
    targets += [url.replace("PORT", str(victim.port)) for url in URLS if url.isascii() and url.isprintable() and url]
    public.otherwise = page("", status=404)  # where a relative one ends, which leads on within the public host
    for number, target in enumerate(targets):
        public.answers[f"/{number}"] = redirect(target, status)
        refused(f"http://public.example/{number}", network)
    assert victim.connections == 0
    assert public.connections >= len(targets) >= 100


def test_nor_a_chain_of_them(public: Server, victim: Server) -> None:
    network = internet(public, **NAMES)
    for number, status in enumerate((301, 302, 307, 308)):
        public.answers[f"/{number}"] = redirect(f"http://public.example/{number + 1}", status)
    public.answers["/4"] = redirect(f"http://inside.example:{victim.port}/")
    refused("http://public.example/0", network)
    public.answers["/loop"] = redirect("/loop")
    refused("http://public.example/loop", network)
    assert victim.connections == 0
    assert public.connections == 5 + 6


def test_a_name_that_changes_its_address_between_look_ups(public: Server, victim: Server) -> None:
    """What was checked is what is connected to, on the first hop and after a redirect to the same name."""
    network = internet(public, **{"flips.example": f"{PUBLIC}|127.0.0.1"})
    assert "It runs." in fetch(f"http://flips.example:{victim.port}/", network)
    refused(f"http://flips.example:{victim.port}/", network)
    public.answers["/again"] = redirect(f"http://flips.example:{victim.port}/secret")
    refused(f"http://flips.example:{victim.port}/again", network)
    assert victim.connections == 0
    assert public.connections == 2


def test_no_proxy_of_the_environment_is_used(public: Server, victim: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, victim.url)
    assert "It runs." in fetch("http://public.example/", internet(public))
    refused("http://10.0.0.1/", None)
    assert victim.connections == 0


def test_the_same_server_is_reached_where_that_is_meant(public: Server, victim: Server) -> None:
    """The positive control: the counter counts, the guard lets the public side through, and the setting counts."""
    assert "It runs." in fetch("http://public.example/", internet(public))
    assert public.connections == 1
    victim.answers["/search"] = page('{"results": [{"url": "http://a.example/", "title": "A", "content": "a"}]}')
    (spec,) = web_search.build(Resources(search_service=SearchService("searxng", victim.url)))
    assert "http://a.example/" in spec.tool.invoke({"query": "pumps"})
    assert victim.connections == 1
