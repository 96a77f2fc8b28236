"""A browser, both servers with the real model, and a home with documents. Skipped where there is no Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
pytest.importorskip("streamlit", reason="the ui extra is not installed")

from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from tests.e2e.browser import serving
from tests.e2e.browser.browsing import executable, launch
from tests.e2e.browser.documents import fill
from tests.e2e.browser.share import Login
from tests.e2e.browser.watching import Watch

PATIENCE = 45_000  # milliseconds: the model answers on whatever processor there is
Visit = Callable[..., Page]


@pytest.fixture(scope="package")
def chromium() -> str:
    """The browser of the system, which is started only when it is asked for: these tests take minutes."""
    if not os.environ.get("BROWSER_TESTS"):
        pytest.skip("the pages are tried in a browser by `make browser`")
    found = executable()
    if found is None:
        pytest.skip("no Chromium on this machine: `make browser` installs it, as root on Debian")
    return found


# Not for the session: Playwright's event loop would run on under the asynchronous tests that follow.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        expect.set_options(timeout=PATIENCE)
        yield started


@pytest.fixture(scope="package")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """One browser for all tests; each opens contexts of its own."""
    started = launch(playwright, chromium)
    yield started
    started.close()


@pytest.fixture(scope="package")
def environment(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> dict[str, str]:
    """Of every server: this checkout, prepared models, nothing of the user's."""
    return {
        **os.environ,
        "PYTHONPATH": str(serving.ROOT),
        "XDG_CONFIG_HOME": str(tmp_path_factory.mktemp("config")),
        "XDG_DATA_HOME": str(tmp_path_factory.mktemp("data")),
        "RATCHET_MODELS": str(models_folder),
    }


@pytest.fixture(scope="package")
def homes(
    chromium: str, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, str]]:
    """Makes homes that hold the same documents and conversations; gives the environment to use one."""
    folder = tmp_path_factory.mktemp("a home with spaces")
    first = environment | {"RATCHET_HOME": str(folder / "first")}
    fill(folder, first)

    def another(name: str) -> dict[str, str]:
        shutil.copytree(folder / "first", folder / name)
        return environment | {"RATCHET_HOME": str(folder / name), "XDG_CONFIG_HOME": str(folder / f"{name} config")}

    return another


@pytest.fixture(scope="package")
def workbench(homes: Callable[[str], dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running workbench."""
    log = tmp_path_factory.mktemp("workbench") / "log.txt"
    with serving.workbench(homes("workbench"), log) as server:
        yield server.url


@pytest.fixture(scope="package")
def share(homes: Callable[[str], dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Login]:
    """A running chat to share, with one account."""
    folder = tmp_path_factory.mktemp("share")
    accounts = folder / "accounts.txt"
    accounts.touch(mode=0o600)
    accounts.write_text("anna:a password of tests\n", encoding="utf-8")
    options = ["--accounts", str(accounts), "--questions", "600"]
    with serving.share(homes("share"), folder / "log.txt", *options) as server:
        yield Login(server.url, "anna", "a password of tests")


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens an address in a browser context of its own; afterwards all pages must have behaved."""
    opened = []

    def visit(url: str, **context: object) -> Page:
        watch = Watch(url.split("/")[2])
        visitor = browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce", **context}
        )
        visitor.set_default_timeout(PATIENCE)
        watch.follow(visitor)
        opened.append((visitor, watch))
        page = visitor.new_page()
        page.goto(url)
        return page

    yield visit
    for visitor, _ in opened:
        visitor.close()
    assert [complaint for _, watch in opened for complaint in watch.complaints] == []
