"""What a page can offer, and that looking for it holds nobody up."""

from __future__ import annotations

import contextlib
import threading

import pytest

from agent.cli.models import Available
from agent.config import Settings
from ui.offers import Offers

PATIENCE = 60.0  # seconds after which a test gives up


def test_a_page_need_not_wait_for_servers_that_are_asked_for_their_models(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()

    def slow(settings: Settings) -> list[Available]:
        assert answers.wait(PATIENCE)
        return [Available("ollama:late", True, ""), Available("openai:NAME", True, ""), Available("x:y", False, "")]

    monkeypatch.setattr("agent.cli.models.available", slow)
    offers, configured = Offers(settings), list(dict.fromkeys([settings.model.name, "local:default"]))
    assert offers.models(patience=0) == configured
    answers.set()
    assert offers.models() == [*configured, "ollama:late"] == offers.models(patience=0)
    offers.close()


def test_an_error_in_looking_is_told_to_who_waits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(settings: Settings) -> list[Available]:
        raise OSError("no network at all")

    monkeypatch.setattr("agent.cli.models.available", broken)
    offers = Offers(settings)
    with pytest.raises(OSError, match="no network"):
        offers.models()
    configured = list(dict.fromkeys([settings.model.name, "local:default"]))
    assert offers.models(patience=0) == configured  # a page that does not wait is drawn
    monkeypatch.setattr("agent.cli.models.available", lambda settings: [Available("ollama:back", True, "")])
    with contextlib.suppress(OSError):  # of the look that has just begun
        offers.models()
    assert "ollama:back" in offers.models()
    offers.close()
