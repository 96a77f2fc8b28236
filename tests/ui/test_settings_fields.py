"""What the forms offer is what the settings allow, and what is loosened is said."""

from __future__ import annotations

from typing import Any

import pytest

from agent.config import Settings, load_settings
from ui.settings_fields import GROUPS, KEYS, differing, fields_of, key_is_set, loosened
from ui.settings_file import SECRETS


@pytest.mark.parametrize("group", GROUPS)
def test_every_field_has_a_label_a_meaning_and_a_value_it_may_have(group: str, settings: Settings) -> None:
    for field in fields_of(group, settings):
        assert field.label and field.meaning
        assert field.kind != "choice" or field.value in field.choices
        assert field.least is None or field.value >= field.least
        assert field.key not in SECRETS


def test_limits_are_those_of_the_settings(settings: Settings) -> None:
    fields = {field.key: field for group in GROUPS for field in fields_of(group, settings)}
    assert (fields["model.temperature"].least, fields["model.temperature"].most) == (0, 2)
    assert fields["tools.execute"].choices == ("allow", "ask", "deny")
    assert fields["knowledge.strict"].kind == "switch" and fields["model.max_tokens"].kind == "whole"


def test_only_what_was_changed_is_written(settings: Settings) -> None:
    fields = {field.key: field for field in fields_of("Model", settings)}
    entered = {key: field.value for key, field in fields.items()} | {"model.name": " ollama:a ", "model.adapter": " "}
    assert differing(fields, entered) == {"model.name": "ollama:a"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tools.execute": "allow"}, ["Tools that run code"]),
        ({"tools.execute": "deny", "tools.read": "allow"}, []),
        ({"tools.policy.run_python": "allow"}, ["run_python"]),
        ({"tools.policy.web_fetch": "allow"}, []),
        ({"tools.network": "allow"}, []),
        ({"tools.policy.run_python": None}, []),
    ],
)
def test_what_runs_unasked_from_now_on_is_named(changes: dict[str, Any], named: list[str]) -> None:
    settings = load_settings({"tools": {"network": "allow", "policy": {"web_fetch": "allow"}}})
    assert loosened(changes, settings) == named


def test_keys_are_the_secrets() -> None:
    assert set(KEYS) == SECRETS
    settings = load_settings({"model": {"api_key": "sk-canary"}})
    assert key_is_set(settings, "model.api_key") and not key_is_set(settings, "tools.search_key")
