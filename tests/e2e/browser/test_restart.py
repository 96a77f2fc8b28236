"""A server that is killed in the middle of an answer: the page comes back, and the answer goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.browser import serving
from tests.e2e.browser.conftest import Visit
from tests.e2e.browser.documents import STORY, TALKATIVE, WARRANTY
from tests.e2e.browser.workbench import Workbench


def test_nothing_is_lost_when_the_server_is_killed(
    homes: Callable[[str], dict[str, str]], visit: Visit, tmp_path: Path
) -> None:
    with serving.workbench(homes("killed"), tmp_path / "log.txt") as server:
        page = visit(server.url)
        bench = Workbench(page)
        bench.asked(WARRANTY)
        bench.choose_adapter(TALKATIVE)
        bench.ask(STORY)
        bench.speaking()
        address = page.url
        server.kill()
        server.start()
        server.wait()
        page.goto(address)
        expect(page.get_by_text(STORY).last).to_be_visible()
        bench.finished(2)
        expect(page.locator(".r-question")).to_have_text([WARRANTY, STORY])
