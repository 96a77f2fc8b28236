"""A document that attacks the page: nothing is asked from elsewhere, nothing runs, the page stays as it was.

That no page asked for anything from elsewhere, opened a dialog or broke is checked by `visit` after every test.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser.conftest import Visit
from tests.e2e.browser.documents import HOSTILE_THREAD, KEEPER
from tests.e2e.browser.scanning import WIDTHS, overflow
from tests.e2e.browser.share import Login, Share
from tests.e2e.browser.workbench import Workbench

# What the blocks of a turn may consist of besides text; none of it loads or runs anything.
_LOADS_OR_RUNS = ":is(img, script, iframe, form, input, svg, style, link, object, embed, video, audio, meta, base)"
_ADDRESSES = """() => [...document.querySelectorAll(".r a[href]")].map(link => link.getAttribute("href"))"""
_HANDLERS = """() => [...document.querySelectorAll("*")].flatMap(
  element => element.getAttributeNames().filter(name => name.startsWith("on"))).length"""
_SETTLED = 700  # milliseconds in which an image would have been asked for


def assert_unharmed(page: Page) -> None:
    """What stands on the page is text, and the page is still the one it was."""
    for index in range(page.locator("details:not([open]) > summary").count()):
        page.locator("details > summary").nth(index).click()
    page.wait_for_timeout(_SETTLED)
    assert page.evaluate("window.owned") is None
    assert "owned" not in page.title()
    assert page.locator(f".r {_LOADS_OR_RUNS}").count() == 0
    assert page.locator('[src*="tracker.example"], [style*="tracker.example"]').count() == 0
    assert page.evaluate(_HANDLERS) == 0
    for address in page.evaluate(_ADDRESSES):
        assert address.startswith(("#", "http://", "https://", "mailto:")), address
    shown = page.locator("body").inner_text()
    assert not {"\u202e", "\u200b", "\x1b"} & set(shown)
    for name, width in WIDTHS.items():
        page.set_viewport_size(width)
        assert overflow(page) <= 0, name


def test_a_recorded_turn_in_the_workbench(workbench: str, visit: Visit) -> None:
    page = visit(f"{workbench}/?thread={HOSTILE_THREAD}")
    Workbench(page).finished(1)
    expect(page.locator(".r-answer")).to_contain_text("The keeper is Marta")
    expect(page.locator(".r-answer")).to_contain_text("<script>")
    assert_unharmed(page)


def test_an_answer_from_the_document_in_the_workbench(workbench: str, visit: Visit) -> None:
    page = visit(workbench)
    assert "Marta" in Workbench(page).asked(KEEPER)
    expect(page.locator(".r-source").first).to_contain_text("onerror=alert(1)")
    assert_unharmed(page)


def test_the_list_of_documents_in_the_workbench(workbench: str, visit: Visit) -> None:
    page = visit(f"{workbench}/documents")
    expect(page.get_by_text("onerror=alert(1)").first).to_be_visible()
    assert_unharmed(page)


@pytest.mark.parametrize("address", ["improve", "quality", "arena"])
def test_other_pages_of_the_workbench_that_show_texts_of_others(workbench: str, visit: Visit, address: str) -> None:
    page = visit(f"{workbench}/{address}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert_unharmed(page)


def test_an_answer_from_the_document_in_the_shared_chat(share: Login, visit: Visit) -> None:
    shared = Share(visit(share.url, "victim"))
    shared.log_in(share)
    assert "Marta" in shared.asked(KEEPER)
    expect(shared.page.locator(".r-source").first).to_contain_text("onerror=alert(1)")
    assert_unharmed(shared.page)
