"""How the browser is found and started, and what both front ends share in their pages."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

ANSWER = ".r-answer"  # the box of an answer, finished or being written
# Chromium asks Google's hosts for many things of its own at every start.
_QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]


def executable() -> str | None:
    """The browser of the system, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def launch(playwright: Playwright, path: str) -> Browser:
    """Start it without a window."""
    return playwright.chromium.launch(executable_path=path, args=_QUIET)
