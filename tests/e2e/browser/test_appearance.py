"""Every page in light and dark, wide and narrow: accessible, no wider than its window, and pictured for the docs."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser.conftest import Visit
from tests.e2e.browser.documents import SHORT_THREAD, WARRANTY
from tests.e2e.browser.scanning import WIDTHS, overflow, screenshot, violations
from tests.e2e.browser.share import Login, Share
from tests.e2e.browser.workbench import Workbench

SCHEMES = ("light", "dark")
PAGES = ("documents", "memory", "improve", "quality", "arena", "settings", "about")
SETTLED = 400  # milliseconds for what moves when the window changes


def assert_presentable(page: Page, name: str, scheme: str) -> None:
    """As it is wide and as it is narrow."""
    for width, size in WIDTHS.items():
        page.set_viewport_size(size)
        page.wait_for_timeout(SETTLED)
        assert overflow(page) <= 0, f"{name} is wider than a {width} window"
        screenshot(page, f"{name}-{width}-{scheme}")
        assert violations(page) == [], f"{name}, {width}, {scheme}"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_empty_chat(workbench: str, visit: Visit, scheme: str) -> None:
    page = visit(workbench, color_scheme=scheme)
    Workbench(page).ready()
    expect(page.locator(".r-welcome")).to_be_visible()
    assert_presentable(page, "welcome", scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_conversation(workbench: str, visit: Visit, scheme: str) -> None:
    page = visit(f"{workbench}/?thread={SHORT_THREAD}", color_scheme=scheme)
    Workbench(page).finished(2)
    page.locator(".r-source > summary").first.click()
    page.locator(".r-step > summary").first.click()
    assert_presentable(page, "chat", scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_approval(workbench: str, visit: Visit, scheme: str) -> None:
    page = visit(workbench, color_scheme=scheme)
    bench = Workbench(page)
    bench.ask("Remember that I prefer short answers.")
    expect(bench.button("Approve")).to_be_visible()
    assert_presentable(page, "approval", scheme)
    bench.button("Reject").click()
    bench.finished(1)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("address", PAGES)
def test_the_other_pages(workbench: str, visit: Visit, address: str, scheme: str) -> None:
    page = visit(f"{workbench}/{address}", color_scheme=scheme)
    expect(page.get_by_role("heading", level=1)).to_have_text(address.capitalize())
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    assert_presentable(page, address, scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_shared_chat(share: Login, visit: Visit, scheme: str) -> None:
    page = visit(share.url, color_scheme=scheme)
    shared = Share(page)
    assert_presentable(page, "share-login", scheme)
    shared.log_in(share)
    expect(shared.field).to_be_visible()
    shared.asked(WARRANTY)
    page.locator(".r-source > summary").first.click()
    assert_presentable(page, "share", scheme)
