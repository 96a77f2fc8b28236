"""The page About: the checks of the doctor, the versions and the licences."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("streamlit")

from agent import checks
from agent.checks import Check
from agent.config import Settings
from agent.errors import ModelNotFound
from tests.ui.pages import Page, opened


def about() -> None:
    from ui import about_page

    about_page.page()


@pytest.fixture
def page(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    with opened(about, settings, monkeypatch) as page:
        yield page.run()


def missing(name: str, settings: Settings) -> Check:
    raise ModelNotFound("There is no model <b>x</b>.", fix="Run `ratchet models pull`.")


def test_it_says_what_is_installed_and_under_which_licence(page: Page, settings: Settings) -> None:
    assert "Data folder" in page.html and "Apache-2.0" in page.html and "pydantic" in page.html
    assert "Looks at the packages" in page.text


def test_the_checks_run_in_the_page(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    real = {name: checks.CHECKS[name] for name in ("python", "packages", "disk", "database", "conversations")}
    monkeypatch.setattr(checks, "CHECKS", real)
    page.click("Check everything")
    assert "Everything is in order" in page.text
    assert page.html.count("✓ in order") == len(real)


def test_what_is_wrong_says_what_to_do(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CHECKS", {"python": checks.CHECKS["python"], "model": missing})
    page.click("Check everything")
    assert "One thing needs your attention" in page.text
    assert "There is no model &lt;b&gt;x&lt;/b&gt;." in page.html and "ratchet models pull" in page.html
