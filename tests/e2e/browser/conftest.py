"""A browser, both servers with the real model, and a home with documents. Skipped where there is no Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
pytest.importorskip("streamlit", reason="the ui extra is not installed")

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from tests.e2e.browser import serving
from tests.e2e.browser.browsing import executable, launch
from tests.e2e.browser.documents import fill
from tests.e2e.browser.scanning import WIDTHS
from tests.e2e.browser.share import Login, shared
from tests.e2e.browser.watching import Watch

PATIENCE = 60_000  # milliseconds: the model answers on whatever processor there is
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
    with shared(homes("share"), tmp_path_factory.mktemp("share")) as login:
        yield login


@pytest.fixture(scope="package")
def contexts(browser: Browser) -> Iterator[Callable[..., tuple[BrowserContext, Watch]]]:
    """Browser contexts, watched: one for each set of options, so that scripts of the pages are loaded once."""
    opened: dict[str, tuple[BrowserContext, Watch]] = {}

    def context(name: str, **options: Any) -> tuple[BrowserContext, Watch]:
        key = f"{name} {sorted(options.items())}"
        if key not in opened:
            usual = {"viewport": WIDTHS["wide"], "reduced_motion": "reduce"}
            made = browser.new_context(**{**usual, **options})
            made.set_default_timeout(PATIENCE)
            watch = Watch()
            watch.follow(made)
            opened[key] = made, watch
        return opened[key]

    yield context
    for made, _ in opened.values():
        made.close()


@pytest.fixture
def visit(contexts: Callable[..., tuple[BrowserContext, Watch]]) -> Iterator[Visit]:
    """Opens an address in a tab of its own; afterwards all pages must have behaved.

    `person` names whose browser it is: what one has logged in to, another has not.
    """
    used: dict[int, tuple[BrowserContext, Watch]] = {}

    def visit(url: str, person: str = "", **options: Any) -> Page:
        context, watch = contexts(person, **options)
        watch.own.add(urlsplit(url).netloc)
        used[id(context)] = context, watch
        page = context.new_page()
        page.goto(url)
        return page

    yield visit
    for context, _ in used.values():
        for page in context.pages:
            page.close()
    assert [complaint for _, watch in used.values() for complaint in watch.told()] == []
