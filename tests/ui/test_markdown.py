"""Markdown as the pages show it: faithful to the text, with sentences marked and citations to follow."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from tests.ui.allowed import parsed
from ui.markdown import Mark, to_html


def shown(text: str, **more: object) -> BeautifulSoup:
    return parsed(to_html(text, **more))  # type: ignore[arg-type]


def mark(text: str, part: str, kind: str = "not") -> Mark:
    start = text.index(part)
    return Mark(start, start + len(part), kind, f"Why {kind}")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "selector", "said"),
    [
        ("a **bold** word", "p > strong", "bold"),
        ("an *italic* word", "p > em", "italic"),
        ("~~gone~~", "s", "gone"),
        ("`code`", "p > code", "code"),
        ("> quoted", "blockquote > p", "quoted"),
        ("- one\n- two", "ul > li:nth-of-type(2)", "two"),
        ("7. seven\n8. eight", "ol[start='7'] > li", "seven"),
        ("one\\\ntwo", "p", "one\ntwo"),
        ("    indented", "pre > code", "indented"),
        ("| a |\n|---|\n| 1 |", ".r-scroll > table td", "1"),
    ],
)
def test_what_people_write_in_markdown(text: str, selector: str, said: str) -> None:
    found = shown(text).select_one(selector)
    assert found is not None
    assert found.get_text("\n" if found.br else "").strip() == said


def test_headings_stand_below_those_of_the_page() -> None:
    page = shown("# One\n\n## Two\n\n###### Six")
    assert [heading.name for heading in page.select("h3, h4, h5, h6")] == ["h3", "h4", "h6"]


def test_columns_keep_their_alignment_without_styles() -> None:
    page = shown("| a | b | c |\n|:--|--:|:-:|\n| 1 | 2 | 3 |")
    assert [cell.get("class") for cell in page.select("td")] == [None, ["r-right"], ["r-center"]]


def test_wide_blocks_scroll_and_can_be_reached_by_keyboard() -> None:
    page = shown("| a |\n|---|\n\n```\nx\n```")
    boxes = page.select("[tabindex='0'][role=group][aria-label]")
    assert [box.name for box in boxes] == ["div", "pre"]


def test_programs_are_coloured_by_language_and_read_the_same() -> None:
    program = 'def f(x):\n\n    return "a" + 1  # why\n\n'
    code = shown(f"```python\n{program}```").code
    assert code is not None
    assert code.get_text() == program
    assert {name for span in code.select("span") for name in span["class"]} >= {"r-c-k", "r-c-f", "r-c-s", "r-c-c"}


@pytest.mark.parametrize("language", ["", "nonsense", "python onload=alert(1)", '"><script>', "PYTHON"])
def test_any_language_is_shown(language: str) -> None:
    code = shown(f"```{language}\nx = 1\n```").code
    assert code is not None
    assert code.get_text() == "x = 1\n"


def test_a_citation_leads_to_its_source_and_only_where_there_is_one() -> None:
    page = shown("It is so [1], and so [2]. `[1]`", citations={1: "t9-s1-text"})
    assert [(link["href"], link.get_text()) for link in page.select("a.r-cite")] == [("#t9-s1-text", "[1]")]
    assert "[2]" in page.get_text()


def test_a_definition_in_the_text_does_not_capture_a_citation() -> None:
    page = shown("So it is [1].\n\n[1]: https://elsewhere.example/", citations={1: "t9-s1"})
    assert {link["href"] for link in page.select("a")} == {"#t9-s1"}
    assert "https://elsewhere.example/" in page.get_text()


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("[docs](https://docs.example.org/start)", "(docs.example.org)"),
        ("[https://good.example](https://bad.example)", "(bad.example)"),
        ("[x](https://bad.example/c?secret=42)", "(bad.example/c?secret=42)"),
        ("[x](https://bad.example/#secret)", "(bad.example/#secret)"),
        (f"[x](https://bad.example/{'s' * 50})", f"(bad.example/{'s' * 50})"),
        ("[x](https://bad.example 'a title')", "(bad.example “a title”)"),
        ("[good.example](https://good.example/)", ""),
        ("<https://good.example/a?b=c>", ""),
        ("[write](mailto:a@b.example?body=secret)", "(a@b.example?body=secret)"),
        ("<a@b.example>", ""),
    ],
)
def test_a_link_says_where_it_leads(text: str, note: str) -> None:
    page = shown(text)
    said = page.select_one("a + .r-address")
    assert page.select("a")
    assert (said.get_text().strip() if said else "") == note


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[start](docs/start.md)", "start (docs/start.md)"),
        ("[x](//bad.example/y)", "x (//bad.example/y)"),
        ("[https://good.example](https://good.example@bad.example)", None),
        ("[x](ftp://a.example)", "x (ftp://a.example)"),
        ("![a plot](plots/one.png)", "a plot (plots/one.png)"),
        ("![a plot](https://a.example/p.png 'by hand')", "a plot (https://a.example/p.png “by hand”)"),
    ],
)
def test_what_cannot_be_followed_is_shown_as_words(text: str, said: str | None) -> None:
    page = shown(text)
    assert not page.select("a, img")
    assert said is None or page.get_text().strip() == said


@pytest.mark.parametrize(
    ("text", "wanted", "said"),
    [
        ("One is so. Two is not. Three is.", "Two is not.", "Two is not."),
        ("One. **Two is** not *so*. Three.", "**Two is** not *so*.", "Two is not so."),
        ("**“Two” is not.** Three.", "**“Two” is not.**", "“Two” is not."),
        ("- One is so.\n- Two is not.\n- Three.", "- Two is not.", "Two is not."),
        ("1. **Two:** it is not.\n2. Three.", "1. **Two:** it is not.", "Two: it is not."),
        ("> Two is not.\n\nThree.", "> Two is not.", "Two is not."),
        ("# Two is not\n\nThree.", "# Two is not", "Two is not"),
        ("Two is\nnot so. Three.", "Two is\nnot so.", "Two isnot so."),
        ("| a | b |\n|---|---|\n| Two | not |\n| c | d |", "| Two | not |", "Twonot"),
        ("See `two` there. Three.", "See `two` there.", "See  there."),
        ("二は違う。三。", "二は違う。", "二は違う。"),
        ("A [link](https://a.example) is not. Three.", "A [link](https://a.example) is not.", "A link is not."),
    ],
)
def test_a_sentence_is_marked_whole_and_alone(text: str, wanted: str, said: str) -> None:
    page = shown(text, marks=[mark(text, wanted)])
    assert page.get_text() == shown(text).get_text()
    spans = page.select("span.r-not")
    assert "".join(span.get_text() for span in spans) == said
    assert {span["title"] for span in spans} == {"Why not"}
    assert [sign["aria-label"] for sign in page.select(".r-sign")] == ["not in your documents"]


def test_marks_of_each_kind_stand_beside_each_other() -> None:
    text = "One is so. Two is partly. Three is not."
    marks = [mark(text, "Three is not."), mark(text, "One is so.", "supported"), mark(text, "Two is partly.", "partly")]
    page = shown(text, marks=marks)
    assert [(span["class"], span.get_text()) for span in page.select("p > span[title]")] == [
        (["r-supported"], "One is so."),
        (["r-partly"], "Two is partly."),
        (["r-not"], "Three is not."),
    ]


def test_a_citation_in_a_marked_sentence_can_be_followed() -> None:
    text = "Two is not [1] so."
    page = shown(text, marks=[mark(text, text)], citations={1: "t1-s1"})
    assert page.select_one("span.r-not > a.r-cite") is not None


@pytest.mark.parametrize("start", range(0, 34))
@pytest.mark.parametrize("length", [1, 3, 9])
def test_a_mark_anywhere_never_changes_what_is_read(start: int, length: int) -> None:
    text = "# A\n\n- **b** `c` [d](https://e.org) &amp; \\* ![f](g)\n\n```py\nh\n```\n\n|i|j|\n|-|-|\n|k|l|\n"
    offset = start * len(text) // 34
    plain = shown(text).get_text()
    marks = [Mark(offset, offset + length, "not", ""), Mark(offset + length, offset + 3 * length, "partly", "")]
    assert shown(text, marks=marks).get_text() == plain


@pytest.mark.parametrize("bounds", [(-5, 3), (3, 3), (5, 2), (0, 10**9), (10**8, 10**9)])
def test_offsets_out_of_range_do_no_harm(bounds: tuple[int, int]) -> None:
    assert shown("Some words.", marks=[Mark(*bounds, "not", "")]).get_text().strip() == "Some words."


def test_marks_over_one_another_are_not_nested() -> None:
    text = "One two three four."
    page = shown(text, marks=[Mark(0, 13, "not", "a"), Mark(4, 18, "partly", "b")])
    assert [span.get_text() for span in page.select("p > span[title]")] == ["One two three"]


def test_a_text_with_every_sign_in_it_is_shown_without_marks() -> None:
    text = "One. \U00012470\U00012471\U00012472\U00012473\U00012474 Two."
    page = shown(text, marks=[mark(text, "Two.")])
    assert page.get_text().strip() == text
    assert not page.select("span.r-not")


def test_a_sign_in_the_text_is_no_mark() -> None:
    text = "One \U00012470 is. Two is not."
    page = shown(text, marks=[mark(text, "Two is not.")])
    assert page.get_text().strip() == text
    assert [span.get_text() for span in page.select("span.r-not")] == ["Two is not."]
