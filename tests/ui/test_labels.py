"""Labels show texts of others as they are, whatever Markdown would make of them."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from ui.labels import label_of, shortened


@pytest.mark.parametrize(
    "text",
    [
        "![](https://evil.example/x.png)",
        "[click](https://evil.example)",
        "**bold** _it_ `code` ~~no~~ $x$",
        "<img src=x onerror=alert(1)>",
        "1. not a list # not a heading",
        ":red[warning] :material/delete:",
        "back\\slash",
    ],
)
def test_markdown_is_shown_as_it_is_written(text: str) -> None:
    shown = MarkdownIt("commonmark").renderInline(label_of(text))
    assert re.sub(r"<|>", "", shown) == shown, "no element is made"
    unescaped = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    assert unescaped == text


def test_what_is_hidden_or_turns_the_text_around_is_made_visible() -> None:
    assert "\u202e" not in label_of("invoice\u202efdp.exe")
    assert "202e" in label_of("invoice\u202efdp.exe")


def test_a_label_is_one_line_of_limited_length() -> None:
    assert label_of("one\n two\tthree") == "one two three"
    assert shortened("abcdef", 4) == "abc…"
    assert label_of("x" * 200, 10) == "x" * 9 + "…"
