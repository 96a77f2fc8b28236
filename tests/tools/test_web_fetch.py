"""A page becomes text that can be cited, without what it hides; and its address is shown in full before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException

from knowledge.schema import Passage
from tests.knowledge.pdf import write_pdf
from tests.tools.loopback import Server, internet, page, redirect, serving
from tools.resources import Resources
from tools.web.readable_page import readable
from tools.web_fetch import build, hints, preview

PAGE = """<!doctype html><html><head><title>Pumps &amp; valves</title><style>.x{color:red}</style></head><body>
<nav><a href="/">Home</a> Menu</nav><header><h1>The pump</h1></header>
<p>It <b>runs</b> at <a href="/speed">40 rpm</a>.<br>See below.</p>
<ul><li>oil<ul><li>thin</li></ul></li><li>water</li></ul><ol><li>Start</li><li>Stop</li></ol>
<table><caption>Prices</caption><tr><th>Name</th><th>Price</th></tr><tr><td>Pump A</td><td>3 | 4</td></tr></table>
<table><tr><td><h2>Laid out</h2>A cell that is no data.</td></tr></table>
<pre>run  it
  now</pre><script>steal()</script><!-- comment --><footer>Imprint</footer><img src="x.png" alt="A chart">
<article><footer>By Ada</footer></article></body></html>"""
HIDDEN = """<p>seen</p><p hidden>h1</p><p style="display: none">h2</p><p style="color:red;Visibility : Hidden">h3</p>
<p style="font-size:0">h4</p><p style="opacity:0;">h5</p><p aria-hidden="true">h6</p><template>h7</template>
<p style="position:absolute; left:-9999px">h8</p><div style="height:0px">h9</div><p role="navigation">ha</p>
<p style="display:/* */none">hb</p><p style="font-size:0.9em;opacity:0.5;max-width:900px;line-height:1">also seen</p>"""


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def fetch(server: Server, path: str = "/", **more: Any) -> ToolMessage:
    (spec,) = build(Resources(), internet(server))
    call = {
        "name": "web_fetch",
        "args": {"url": f"http://public.example{path}", **more},
        "id": "1",
        "type": "tool_call",
    }
    message = spec.tool.invoke(call)
    assert isinstance(message, ToolMessage)
    return message


def test_a_page_as_its_reader_sees_it() -> None:
    assert readable(PAGE).split("\n\n") == [
        "# The pump",
        "It runs at 40 rpm.\nSee below.",
        "- oil\n  - thin\n- water\n1. Start\n2. Stop",
        "Prices",
        "| Name | Price |\n| --- | --- |\n| Pump A | 3 / 4 |",
        "## Laid out",
        "A cell that is no data.",
        "```\nrun  it\n  now\n```",
        "[image: A chart]",
        "By Ada",
    ]


def test_what_the_page_hides_is_not_read() -> None:
    assert readable(HIDDEN) == "seen\n\nalso seen"


def test_the_title_stands_in_for_a_heading() -> None:
    assert readable("<title> A \n page </title><p>text") == "# A page\n\ntext"


@pytest.mark.parametrize("unit", ["<div>", "<table><tr><td>", "<ul><li>", "<aside>", "<b>", "<p><span hidden>"])
def test_nesting_is_no_danger(unit: str) -> None:
    assert readable("<p>first</p>" + unit * 3000 + "deep").startswith("first")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(re.findall(r"<[^>]*>|[^<]+", PAGE + HIDDEN) + ["<", "</", "<!--", "<![CDATA[", "&#0;"]))
)
def test_any_tag_soup_is_read(pieces: list[str]) -> None:
    assert "begun" in readable("<p>begun</p>" + "".join(pieces))


def test_the_passages_cite_the_address_where_it_ended(server: Server) -> None:
    server.answers["/old"] = redirect("/new?a=1")
    server.answers["/new"] = page(PAGE)
    message = fetch(server, "/old")
    assert message.content.startswith("http://public.example/new?a=1\n\n[line")
    passages = [Passage.from_json(found) for found in message.artifact["passages"]]
    assert {passage.source for passage in passages} == {"http://public.example/new?a=1"}
    lines = readable(PAGE).split("\n")
    for passage in passages:
        assert passage.text == "\n".join(lines[passage.start_line - 1 : passage.end_line])
        assert passage.text in message.content
        assert passage.locator in message.content
    assert passages[-1].heading == "The pump › Laid out"
    assert "steal" not in message.content


def test_long_pages_come_in_portions(server: Server) -> None:
    server.answers["/"] = page("".join(f"<p>Sentence number {number} of a long page.</p>" for number in range(1000)))
    seen, line, portions = "", 1, 0
    while line:
        message = fetch(server, from_line=line)
        assert len(message.content) < 20_000
        seen += str(message.content)
        _, _, rest = str(message.content).rpartition("from_line=")
        line = int(rest.rstrip(".)")) if rest.rstrip(".)").isdigit() else 0
        portions += 1
    assert portions > 2
    assert all(f"number {number} of" in seen for number in range(1000))


@pytest.mark.parametrize(
    ("body", "kind", "path", "text", "locator"),
    [
        (b"plain words\nsecond line", "text/plain", "/notes.txt", "second line", "lines 1-2"),
        (b'{"pump": {"speed": 40}}', "application/json", "/api", "40", "line"),
        (b"name,price\npump,3\n", "text/csv", "/a.csv", "pump", "row"),
    ],
)
def test_other_kinds_of_files(server: Server, body: bytes, kind: str, path: str, text: str, locator: str) -> None:
    server.answers[path] = page(body, kind)
    message = fetch(server, path)
    assert text in message.content
    assert any(locator in found["locator"] for found in message.artifact["passages"])


def test_a_pdf_is_cited_by_its_pages(server: Server, tmp_path: Path) -> None:
    content = write_pdf(tmp_path / "a.pdf", ["Page one says pump.", "Page two says valve."]).read_bytes()
    server.answers["/download"] = page(content, "application/pdf")
    found = fetch(server, "/download").artifact["passages"]
    assert [(each["locator"], each["text"]) for each in found] == [
        ("page 1, line 1", "Page one says pump."),
        ("page 2, line 1", "Page two says valve."),
    ]


def test_a_page_made_by_script_is_said_to_be_one(server: Server) -> None:
    server.answers["/some"] = page("<p>Loading</p><script>run()</script>")
    assert "mostly script" in fetch(server, "/some").content
    server.answers["/none"] = page("<div id=app></div><script>run()</script>")
    with pytest.raises(ToolException, match="running scripts"):
        fetch(server, "/none")
    server.answers["/much"] = page("<script>run()</script>" + "<p>These are words of the page itself.</p>" * 50)
    assert "mostly script" not in fetch(server, "/much").content


def test_what_cannot_be_read_is_said_in_one_line(server: Server) -> None:
    server.answers["/gone"] = page("", status=404)
    server.answers["/film"] = page(b"x", "video/mp4")
    server.answers["/broken"] = page(b"%PDF-1.4 broken", "application/pdf")
    for path, reason in (("/gone", "404"), ("/film", "video/mp4"), ("/broken", "http://public.example/broken")):
        with pytest.raises(ToolException, match=reason) as caught:
            fetch(server, path)
        assert "ratchet-web-" not in str(caught.value)


def test_it_stops_when_the_user_wants_to(server: Server) -> None:
    (spec,) = build(Resources(cancelled=lambda: True), internet(server))
    server.answers["/slow"] = lambda handler: handler.rfile.read(1)  # type: ignore[assignment]
    with pytest.raises(ToolException, match="user asked"):
        spec.tool.invoke({"url": "http://public.example/slow"})


def test_the_preview_shows_all_that_is_told_to_the_host() -> None:
    url = "https://evil.example/a%20b/c?q=my%20secret%3A%2042&empty=&x=%E2%80%AE1#frag"
    shown = preview({"url": url})
    assert url in shown
    for part in ("Host: evil.example", "Path: /a b/c", "q = my secret: 42", "empty = ", r"x = \u202e1"):
        assert part in shown
    assert "(pаypal.example)" in preview({"url": "https://" + "pаypal.example".encode("idna").decode() + "/"})
    assert r"\u202e" in preview({"url": "https://a.example/\u202egpj.exe"})
    assert "refused" in preview({"url": "http://[::1"})
    assert "secret text" in preview({"url": "https://a.example/?secret%20text"})
    long = "https://a.example/?d=" + "x" * 3900
    assert long in preview({"url": long})


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Read https://a.example/b?c=1.", ["https://a.example/b?c=1"]),
        ("What does http://a.example say (see http://b.example/x)?", ["http://a.example", "http://b.example/x"]),
        ("Why does my server at http://127.0.0.1:80/ not start?", None),
        ("Read the manual", None),
    ],
)
def test_hints(question: str, expected: list[str] | None) -> None:
    assert hints(question) == ({"url": expected} if expected else None)


def test_it_declares_its_risk() -> None:
    (spec,) = build(Resources())
    assert (spec.name, spec.risk, spec.untrusted) == ("web_fetch", "network", True)
