"""One server for all tests of the shared chat; each test has its own visitors."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx

    from tests.ui.share_parts.served import Page, Served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Iterator[Served]:
    pytest.importorskip("gradio")
    from tests.agent.scripted import ScriptedModel
    from tests.ui.share_parts.served import HOUSE, PASSWORD, Served, permissive
    from ui import share
    from ui.desk import Desk
    from ui.share_parts.accounts import Accounts
    from ui.share_parts.confined import confined
    from ui.share_parts.following import Following
    from ui.share_parts.host import Host
    from ui.share_parts.limits import TokenBuckets
    from ui.share_parts.page import build_page
    from ui.share_parts.serving import Place, close, serve
    from ui.share_parts.visitors import Reception

    folder = tmp_path_factory.mktemp("share")
    (folder / "secret-folder").mkdir()
    (folder / "secret-folder" / "house.md").write_text(HOUSE)
    own = permissive(folder / "home", models_folder)
    model = ScriptedModel(script=[])
    owner = Desk(own, model=model)
    owner.session("owners").ingest([folder / "secret-folder"])
    owner.close()
    desk = Desk(confined(own), model=model)
    host = Host(Reception(desk, own.database), TokenBuckets(6000, 6000))
    door = share.door_for("Ask <b>us</b>", ["chat.example.org"], ["https://intranet.example.org"])
    page = build_page(host, "Ask <b>us</b>")
    local, public = serve(
        page, Accounts({"guest": PASSWORD, "anna": "another-long-word"}), door, Place(), [Following(host).route]
    )
    assert public == ""
    yield Served(local, page, desk, own, model, door, host)
    close(page)
    desk.close()


@pytest.fixture(autouse=True)
def fresh(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nobody has guessed or asked anything yet, and nobody stays."""
    if "served" not in request.fixturenames:
        yield
        return
    from ui.share_parts.gate import REQUESTS_PER_MINUTE
    from ui.share_parts.limits import LoginGuard, TokenBuckets

    served: Served = request.getfixturevalue("served")
    served.door.guard = LoginGuard()
    served.door.requests = TokenBuckets(REQUESTS_PER_MINUTE, REQUESTS_PER_MINUTE)
    served.model.script.clear()
    served.model._after_first = None
    yield
    while served.opened:
        served.opened.pop().close()


@pytest.fixture
def open_page(served: Served) -> Callable[..., Page]:
    """Opens the page in a browser, a new one if none is given."""
    from tests.ui.share_parts.served import Page

    def open_one(browser: httpx.Client | None = None, session: str = "") -> Page:
        return Page(served, browser or served.browser(), session or secrets.token_hex(6))

    return open_one
