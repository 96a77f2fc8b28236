"""Every page in light and dark, wide and narrow: accessible, no wider than its window, and pictured for the docs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import serving
from tests.e2e.browser.conftest import Visit
from tests.e2e.browser.documents import SHORT_THREAD, WARRANTY
from tests.e2e.browser.scanning import WIDTHS, overflow, screenshot, violations
from tests.e2e.browser.share import Login, Share
from tests.e2e.browser.showroom import furnish
from tests.e2e.browser.workbench import Workbench

SCHEMES = ("light", "dark")
PAGES = ("documents", "memory", "improve", "quality", "arena", "settings", "about")
SETTLED = 400  # milliseconds for what moves when the window changes


@pytest.fixture(scope="module")
def showroom(chromium: str, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of servers with a home that looks lived in, at a place whose name may be seen in pictures."""
    with TemporaryDirectory(prefix="ratchet-") as name:
        folder = Path(name)
        own = {"HOME": name, "RATCHET_HOME": str(folder / "ratchet"), "XDG_CONFIG_HOME": str(folder / ".config")}
        furnish(folder, environment | own)
        yield environment | own


@pytest.fixture(scope="module")
def furnished(showroom: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a workbench in the showroom."""
    with serving.workbench(showroom, tmp_path_factory.mktemp("furnished") / "log.txt") as server:
        yield server.url


def assert_presentable(page: Page, name: str, scheme: str) -> None:
    """As it is wide and as it is narrow."""
    for width, size in WIDTHS.items():
        page.set_viewport_size(size)
        page.wait_for_timeout(SETTLED)
        assert overflow(page) <= 0, f"{name} is wider than a {width} window"
        screenshot(page, f"{name}-{width}-{scheme}")
        assert violations(page) == [], f"{name}, {width}, {scheme}"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_empty_chat(furnished: str, visit: Visit, scheme: str) -> None:
    page = visit(furnished, color_scheme=scheme)
    Workbench(page).ready()
    expect(page.locator(".r-welcome")).to_be_visible()
    assert_presentable(page, "welcome", scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_conversation(furnished: str, visit: Visit, scheme: str) -> None:
    page = visit(f"{furnished}/?thread={SHORT_THREAD}", color_scheme=scheme)
    Workbench(page).finished(2)
    page.locator(".r-source > summary").first.click()
    page.locator(".r-step > summary").first.click()
    assert_presentable(page, "chat", scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_approval(furnished: str, visit: Visit, scheme: str) -> None:
    page = visit(furnished, color_scheme=scheme)
    bench = Workbench(page)
    bench.asked("Remember that I prefer short answers.")
    bench.ask("Forget that I prefer short answers.")
    expect(bench.button("Approve")).to_be_visible()
    assert_presentable(page, "approval", scheme)
    bench.button("Approve").click()
    bench.finished(2)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("address", PAGES)
def test_the_other_pages(furnished: str, visit: Visit, address: str, scheme: str) -> None:
    page = visit(f"{furnished}/{address}", color_scheme=scheme)
    expect(page.get_by_role("heading", level=1)).to_have_text(address.capitalize())
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    assert_presentable(page, address, scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_shared_chat(share: Login, visit: Visit, scheme: str) -> None:
    page = visit(share.url, f"viewer in {scheme}", color_scheme=scheme)
    shared = Share(page)
    assert_presentable(page, "share-login", scheme)
    shared.log_in(share)
    expect(shared.field).to_be_visible()
    shared.asked(WARRANTY)
    page.locator(".r-source > summary").first.click()
    assert_presentable(page, "share", scheme)
