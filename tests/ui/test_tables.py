"""Tables and labelled texts: nothing that others wrote becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser

from ui.tables import folded_html, labelled_html, table_html

HOSTILE = '"><script>alert(1)</script><img src=http://example.com/x onerror=alert(1)> & \u202egnp.exe'


class Tags(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_table_has_heads_a_name_and_plain_cells() -> None:
    page = Tags(table_html(HOSTILE, ("Name", HOSTILE), [(HOSTILE, "x"), ("y", HOSTILE)]))
    assert page.tags.count("tr") == 3 and page.tags.count("th") == 4 and page.tags.count("td") == 2
    assert not {"script", "img"} & set(page.tags)
    assert ("scope", "row") in page.attributes and ("scope", "col") in page.attributes
    assert page.text.count("alert(1)") == 3 * 2 and "\u202e" not in page.text
    assert all(name in {"class", "tabindex", "role", "aria-label", "scope", "dir"} for name, _ in page.attributes)


def test_labelled_and_folded_texts() -> None:
    page = Tags(labelled_html("Answer", f"one\n  two {HOSTILE}") + folded_html("2 passages", [HOSTILE, "b"]))
    assert not {"script", "img"} & set(page.tags)
    assert "one\n  two" in page.text and page.tags.count("details") == page.tags.count("summary") == 1
