"""The example page: the chat in a frame and as a web component of a page on another server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import serving
from tests.e2e.browser.conftest import Visit
from tests.e2e.browser.documents import WARRANTY

PASSWORD = "a password of tests"


@pytest.fixture
def example(homes: Callable[[str], dict[str, str]], tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Addresses of the example page, and of the chat that it shows."""
    site = tmp_path / "site"
    site.mkdir()
    page = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(site)))
    origin = f"http://localhost:{page.server_address[1]}"
    accounts = tmp_path / "accounts.txt"
    accounts.touch(mode=0o600)
    accounts.write_text(f"anna:{PASSWORD}\n", encoding="utf-8")
    options = ["--accounts", str(accounts), "--embed", origin]
    with serving.share(homes("embedded"), tmp_path / "log.txt", *options) as server:
        chat = f"http://localhost:{server.port}"
        text = (serving.ROOT / "ui" / "embed.html").read_text(encoding="utf-8")
        (site / "embed.html").write_text(text.replace("http://localhost:7860", chat), encoding="utf-8")
        threading.Thread(target=page.serve_forever, daemon=True).start()
        yield f"{origin}/embed.html", chat
        page.shutdown()
        page.server_close()


def test_another_page_shows_the_chat(example: tuple[str, str], visit: Visit) -> None:
    address, chat = example
    visit(chat, "embedded").close()  # so that the chat's own server counts as one that the page may ask
    page = visit(address, "embedded")
    page.get_by_role("button", name="Show it here").click()
    component = page.locator("gradio-app")
    expect(component.get_by_role("link", name="Log in to the chat")).to_have_attribute("href", f"{chat}/")

    frame = page.frame_locator("iframe")
    frame.get_by_label("User name").fill("anna")
    frame.get_by_label("Password").fill(PASSWORD)
    frame.get_by_role("button", name="Log in").click()
    expect(frame.get_by_role("textbox", name="Your question")).to_be_visible()

    page.evaluate("dispatchEvent(new Event('focus'))")  # the visitor comes back to the page
    field = component.get_by_role("textbox", name="Your question")
    expect(field).to_be_visible()
    field.fill(WARRANTY)
    component.get_by_role("button", name="Send").click()
    expect(component.locator(".r-answer").last).to_contain_text("24 months")
    expect(component.get_by_role("button", name="👍 Helpful")).to_have_count(1)

    component.locator("a[href=logout]").dispatch_event("click")  # in the bar at the side, which is closed
    expect(page.frame_locator("iframe").get_by_label("User name")).to_be_visible()
    assert urlsplit(page.url).path == "/embed.html"
