"""What an installation says of itself."""

from __future__ import annotations

from agent.about import facts_about, licences, version
from agent.config import load_settings


def test_no_secret_is_told_and_every_folder_is() -> None:
    settings = load_settings({"model": {"api_key": "sk-canary"}})
    told = facts_about(settings)
    assert "sk-canary" not in str(told)
    assert told["Version"] == version() and told["Model"] == "local:default"
    assert str(settings.home.name) in told["Data folder"]


def test_packages_say_their_licences() -> None:
    found = {name.lower(): licence for name, _, licence in licences()}
    assert {"pydantic", "langgraph", "rich"} <= found.keys()
    assert "MIT" in found["rich"]
    assert all(licence and "\n" not in licence for licence in found.values())
