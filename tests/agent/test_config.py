"""Settings come from file, environment and flags, in that order; a typo is named, a secret is not."""

from pathlib import Path

import pytest

from agent.config import (
    decided_by_variables,
    describe,
    find_config_file,
    load_settings,
    named_config,
    settings_of,
)
from agent.errors import ConfigError


def test_precedence(tmp_path: Path) -> None:
    file = tmp_path / "ratchet.toml"
    file.write_text('[model]\nname = "ollama:a"\nmax_tokens = 11\nseed = 7\n')
    environ = {"RATCHET_MODEL__NAME": "ollama:b", "RATCHET_MODEL__MAX_TOKENS": "22"}
    settings = load_settings({"model": {"name": "ollama:c", "adapter": None}}, file=file, environ=environ)
    assert (settings.model.name, settings.model.max_tokens, settings.model.seed) == ("ollama:c", 22, 7)


def test_variables_of_other_tools_are_read_only_where_ours_are_unset(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[model]\napi_key = "mine"\n')
    environ = {"OPENAI_API_KEY": "theirs", "OPENAI_BASE_URL": "http://theirs", "RATCHET_MODEL__BASE_URL": "http://b"}
    model = load_settings(file=file, environ=environ).model
    assert (model.api_key.get_secret_value(), model.base_url) == ("mine", "http://b")
    assert load_settings(environ={"OPENAI_BASE_URL": "http://theirs"}).model.base_url == "http://theirs"


def test_a_variable_named_like_a_section_does_not_break_its_keys() -> None:
    environ = {"RATCHET_MODEL": "x", "RATCHET_MODEL__NAME": "ollama:y"}
    assert load_settings(environ=environ).model.name == "ollama:y"


def test_the_nearest_file_upward_is_found(tmp_path: Path) -> None:
    (tmp_path / "ratchet.toml").write_text("")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_config_file(below) == tmp_path / "ratchet.toml"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"modle": {}}, 'Did you mean "model"?'),
        ({"model": {"temprature": 1}}, 'Did you mean "model.temperature"?'),
        ({"model": {"temperature": 9}}, "RATCHET_MODEL__TEMPERATURE"),
        ({"knowledge": {"collection": "../../etc"}}, "knowledge.collection"),
        ({"agent": {"max_steps": "many"}}, "valid integer"),
        ({"tools": {"only": ["calculater"]}}, "there is no calculater"),
    ],
)
def test_a_wrong_setting_names_itself_and_the_remedy(values: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=".+") as caught:
        load_settings(values, environ={})
    assert says in str(caught.value)
    assert caught.value.fix


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ratchet.toml"
    file.write_bytes(b"[model\n\xff")
    with pytest.raises(ConfigError, match=r"ratchet\.toml"):
        load_settings(file=file, environ={})


def test_secrets_are_never_shown() -> None:
    settings = load_settings(environ={"OPENAI_API_KEY": "sk-canary"})
    assert settings.model.api_key.get_secret_value() == "sk-canary"
    assert "sk-canary" not in repr(settings) + str(describe(settings)) + settings.model_dump_json()
    with pytest.raises(ConfigError) as caught:
        load_settings({"model": {"api_key": ["sk-canary"]}}, environ={})
    assert "sk-canary" not in str(caught.value)


def test_the_description_lists_every_setting_with_a_meaning() -> None:
    rows = describe(load_settings({"model": {"seed": 3}}, environ={}))
    assert all(description for _, _, _, description in rows)
    assert ("model.seed", "3", "set") in [row[:3] for row in rows]


def test_a_text_is_judged_as_the_file_that_would_say_it(tmp_path: Path) -> None:
    environ = {"RATCHET_MODEL__SEED": "3"}
    model = settings_of('[model]\nname = "ollama:a"\nseed = 1\n', tmp_path / "ratchet.toml", environ=environ).model
    assert (model.name, model.seed) == ("ollama:a", 3)
    for text, says in (("[model", "cannot be read"), ("[model]\ntemperature = 9", "model.temperature")):
        with pytest.raises(ConfigError, match=says):
            settings_of(text, tmp_path / "ratchet.toml", environ={})


def test_what_variables_decide_is_known(tmp_path: Path) -> None:
    environ = {"RATCHET_MODEL__NAME": "a", "RATCHET_HOME": "b", "RATCHET_CONFIG": "c", "OPENAI_API_KEY": "d"}
    assert decided_by_variables(environ) == {"model.name", "home"}
    assert (named_config(environ), named_config({})) == (Path("c"), None)
