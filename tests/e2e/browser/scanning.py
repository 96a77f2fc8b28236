"""What a page is judged by: accessibility (axe-core), whether it fits its window; and pictures of it."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.e2e.browser.serving import ROOT

SCREENSHOTS = ROOT / "docs" / "screenshots"
WIDTHS = {"wide": {"width": 1280, "height": 800}, "narrow": {"width": 390, "height": 844}}
_SERIOUS = {"serious", "critical"}
_COLORS = 128  # of a palette: a screenshot of text needs no more


def violations(page: Page) -> list[str]:
    """What axe-core calls serious or critical, one line for each kind."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{item['id']} ({item['impact']}): {item['help']}: "
        + "; ".join(node["html"][:200] for node in item["nodes"][:4])
        for item in found
        if item["impact"] in _SERIOUS
    ]


def overflow(page: Page) -> int:
    """How many pixels the page is wider than its window; scrolling boxes inside the page do not count."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def screenshot(page: Page, name: str) -> None:
    """Keep a picture for the documentation, if TAKE_SCREENSHOTS is set."""
    if not os.environ.get("TAKE_SCREENSHOTS"):
        return
    from PIL import Image

    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide")))
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    small = picture.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
    small.save(path := Path(SCREENSHOTS / f"{name}.png"), optimize=True)
    assert path.stat().st_size < 400_000
