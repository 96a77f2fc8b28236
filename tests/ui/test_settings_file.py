"""The user's settings file is changed value by value: comments stay, mistakes are refused, nothing is half written."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest

from agent.config import load_settings, user_folder
from agent.errors import ConfigError, StorageError
from ui.settings_file import changed, read_settings_file, save

MINE = """# What I like.
[model]
name = "local:default"  # the small one
api_key = "sk-canary"

# Limits.
[tools.mcp.time]
command = ["mcp-server-time"]
"""


@pytest.fixture
def own() -> Path:
    """The user's own file, as the user wrote it."""
    path = user_folder() / "ratchet.toml"
    path.parent.mkdir(parents=True)
    path.write_text(MINE)
    return path


def test_a_value_is_changed_and_everything_else_stays(own: Path) -> None:
    settings = save(read_settings_file(), {"model.name": "ollama:llama3.2", "knowledge.strict": True})
    assert (settings.model.name, settings.knowledge.strict) == ("ollama:llama3.2", True)
    assert load_settings().model.name == "ollama:llama3.2"
    text = own.read_text()
    assert "# What I like." in text and "# Limits." in text and 'name = "ollama:llama3.2"  # the small one' in text
    assert (own.parent / "ratchet.toml.bak").read_text() == MINE


def test_none_takes_a_value_out(own: Path) -> None:
    save(read_settings_file(), {"model.name": None, "tools.policy.run_python": None})
    assert "name" not in tomllib.loads(own.read_text())["model"]


def test_the_first_file_is_made_where_the_users_own_belongs() -> None:
    file = read_settings_file()
    assert not file.exists and file.path == user_folder() / "ratchet.toml"
    save(file, {"tools.policy.run_python": "deny"})
    assert load_settings().tools.policy == {"run_python": "deny"}
    assert not list(file.path.parent.glob("*.bak"))


@pytest.mark.skipif(os.name == "nt", reason="no such permissions")
def test_file_and_backup_are_the_users_alone(own: Path) -> None:
    own.chmod(0o644)
    save(read_settings_file(), {"model.seed": 4})
    for path in (own, own.with_name("ratchet.toml.bak")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "changes",
    [
        {"model.temperature": 9.0},
        {"model.temprature": 1.0},
        {"tools.execute": "perhaps"},
        {"knowledge.collection": "../../etc"},
        {"modle.name": "x"},
    ],
)
def test_what_the_settings_refuse_is_not_written(own: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as refused:
        save(read_settings_file(), changes)
    assert "Nothing was changed" in refused.value.kept and refused.value.fix
    assert own.read_text() == MINE
    assert [path.name for path in own.parent.iterdir()] == ["ratchet.toml"]


def test_a_key_that_is_changed_or_forgotten_is_in_no_file_any_more(own: Path) -> None:
    save(read_settings_file(), {"model.api_key": "sk-new"})
    assert load_settings().model.api_key.get_secret_value() == "sk-new"
    assert "sk-canary" not in "".join(path.read_text() for path in own.parent.iterdir())
    save(read_settings_file(), {"model.api_key": None})
    assert not any("sk-" in path.read_text() for path in own.parent.iterdir())
    assert not read_settings_file().holds("model.api_key")


def test_a_file_that_came_with_a_folder_is_never_changed(tmp_path: Path, own: Path) -> None:
    theirs = tmp_path / "ratchet.toml"
    theirs.write_text("[model]\nseed = 4\n")
    file = read_settings_file()
    assert file.path == theirs and "ratchet config trust" in file.why_not
    with pytest.raises(ConfigError, match="not changed"):
        save(file, {"tools.execute": "allow"})
    assert theirs.read_text() == "[model]\nseed = 4\n" and own.read_text() == MINE


def test_a_file_that_the_user_named_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "elsewhere.toml"
    named.write_text("[model]\nseed = 4\n")
    monkeypatch.setenv("RATCHET_CONFIG", str(named))
    save(read_settings_file(), {"model.seed": 5})
    assert load_settings().model.seed == 5


def test_what_a_variable_decides_cannot_be_changed_in_the_file(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_MODEL__NAME", "ollama:theirs")
    file = read_settings_file()
    assert "model.name" in file.decided and "model.seed" not in file.decided
    with pytest.raises(ConfigError, match="RATCHET_MODEL__NAME"):
        save(file, {"model.name": "local:default"})
    save(file, {"model.seed": 3})
    assert load_settings().model.name == "ollama:theirs"


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(own: Path) -> None:
    file = read_settings_file()
    own.write_text(MINE + "\n[agent]\nmax_steps = 9\n")
    with pytest.raises(ConfigError, match="changed meanwhile"):
        save(file, {"model.seed": 4})
    assert "max_steps = 9" in own.read_text()


def test_a_disk_that_refuses_leaves_the_file_as_it_was(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = read_settings_file()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ui.settings_file.os.replace", full)
    with pytest.raises(StorageError, match="No space left"):
        save(file, {"model.seed": 4})
    assert own.read_text() == MINE
    assert [path.name for path in own.parent.iterdir()] == ["ratchet.toml"]


def test_a_link_stays_a_link(own: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "ratchet.toml"
    real.parent.mkdir()
    own.rename(real)
    own.symlink_to(real)
    save(read_settings_file(), {"model.seed": 4})
    assert own.is_symlink() and "seed = 4" in real.read_text()


def test_line_ends_stay(own: Path) -> None:
    own.write_bytes(b"# mine\r\n[model]\r\nseed = 1\r\n")
    save(read_settings_file(), {"model.seed": 2})
    assert own.read_bytes() == b"# mine\r\n[model]\r\nseed = 2\r\n"


def test_a_broken_file_is_named_and_left(own: Path) -> None:
    own.write_text("[model\n")
    with pytest.raises(ConfigError, match=r"ratchet\.toml"):
        read_settings_file()
    assert own.read_text() == "[model\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        'model.name = "a"\n',
        'tools = {read = "ask"}  # mine\n',
        '[tools.mcp.a]\nurl = "x"\n[model]\nseed = 1\n[tools]\nread = "ask"\n',
        "[model]\nseed = 1\n\n# the end\n",
        '[tools.policy]\n"run_python" = "ask"  # careful\n[tools]\nread = "ask"\n',
    ],
)
def test_however_it_is_written_only_what_was_asked_changes(text: str) -> None:
    changes = {"model.seed": 7, "tools.write": "deny", "tools.policy.run_python": "allow", "knowledge.top_k": 3}
    new = changed(text, changes)
    before, after = tomllib.loads(text), tomllib.loads(new)
    assert after["model"].pop("seed") == 7 and after["tools"].pop("write") == "deny"
    assert after["tools"]["policy"].pop("run_python") == "allow" and after["knowledge"] == {"top_k": 3}
    for section in ("model", "tools"):
        before.setdefault(section, {})
    before["model"].pop("seed", None)
    before["tools"].setdefault("policy", {}).pop("run_python", None)
    assert after == before | {"knowledge": {"top_k": 3}}
    assert all(line.partition("#")[2] in new for line in text.splitlines() if "#" in line)


def test_a_value_in_place_of_a_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be changed from here"):
        changed('model = "local:default"\n', {"model.name": "x"})
