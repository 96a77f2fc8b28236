"""Commands that need no model: help, settings, exit codes, error reports."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner, Result

from agent.cli import app, exit_codes
from agent.cli.seam import Json, Seam, invocation
from agent.errors import DatabaseError, ModelNotFound, QuestionError, RatchetError, SourceMissing


def ratchet(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    group = group or get_command(app)
    for name, command in group.commands.items():
        yield (*path, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_command_explains_itself_with_examples(path: tuple[str, ...]) -> None:
    shown = ratchet(*path, "--help")
    assert shown.exit_code == 0
    examples = shown.stdout.partition("Examples:\n")[2].strip().splitlines()
    assert examples
    assert all("ratchet" in line for line in examples)


def test_exit_codes_in_the_help_are_those_of_the_errors() -> None:
    shown = ratchet("--help").stdout
    for error, code in ((QuestionError, 2), (SourceMissing, 3), (ModelNotFound, 4), (DatabaseError, 5)):
        assert error.exit_code == code
        assert f"\n    {code} " in shown
    assert f"{exit_codes.INTERRUPTED}" in shown


def test_settings_from_file_variable_and_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[model]\nname = "ollama:a"\ntemperature = 0.5\n')
    monkeypatch.setenv("RATCHET_MODEL__NAME", "ollama:b")
    done = ratchet("--config", str(file), "--home", "data", "config", "--json")
    rows = {row["key"]: row for row in json.loads(done.stdout)}
    assert rows["model.name"]["value"] == "ollama:b"
    assert rows["model.temperature"]["value"] == "0.5"
    assert rows["home"]["value"] == str(tmp_path / "data")
    assert rows["knowledge.top_k"]["source"] == "default"


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    for arguments in (("config",), ("config", "--json"), ("models", "--json")):
        assert "sk-canary" not in ratchet(*arguments).output


def test_the_written_configuration_changes_nothing_and_is_not_overwritten(tmp_path: Path) -> None:
    assert ratchet("config", "init").exit_code == 0
    file = tmp_path / "ratchet.toml"
    assert tomllib.loads(file.read_text()) == {"model": {}, "knowledge": {}, "agent": {}, "tools": {}}
    assert ratchet("config", "path").stdout.strip() == str(file)
    before = file.read_text()
    again = ratchet("config", "init")
    assert (again.exit_code, file.read_text()) == (2, before)
    assert "exists already" in again.stderr


def test_every_line_of_the_written_configuration_is_a_valid_setting(tmp_path: Path) -> None:
    ratchet("config", "init")
    file = tmp_path / "ratchet.toml"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line.removeprefix("# ") if "=" in line else line for line in lines))
    assert ratchet("config", "trust").exit_code == 0
    assert ratchet("config", "show").exit_code == 0


def test_a_misspelt_setting_is_named_with_its_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_MODEL__NMAE", "x")
    done = ratchet("config")
    assert done.exit_code == 2
    assert "✗ There is no setting" in done.stderr
    assert '→ Did you mean "model.name"?' in done.stderr
    assert done.stdout == ""


def test_errors_are_json_for_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_MODEL__NMAE", "x")
    done = ratchet("config", "show", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["fix"] == 'Did you mean "model.name"?'
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments", [("aks",), ("ask", "--jsno", "x"), ("search",), ("chat", "--new", "--thread", "x")]
)
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    assert ratchet(*arguments).exit_code == 2


def test_a_missing_configuration_file_is_an_error() -> None:
    done = ratchet("--config", "absent.toml", "config")
    assert done.exit_code == 2
    assert "absent.toml" in done.stderr


def broken(error: BaseException) -> typer.Typer:
    """A command line behind the same seam whose only command raises."""
    command_line = typer.Typer(cls=Seam, rich_markup_mode=None, pretty_exceptions_enable=False)

    @command_line.callback()
    def root(ctx: typer.Context, debug: bool = False) -> None:
        invocation(ctx).debug = debug

    @command_line.command()
    def fail(as_json: Json = False) -> None:
        raise error

    return command_line


def test_a_fault_is_short_for_users() -> None:
    done = CliRunner().invoke(broken(ZeroDivisionError("a \x1b[31mfault")), ["fail"])
    assert done.exit_code == 1
    assert "ZeroDivisionError: a fault" in done.stderr
    assert "--debug" in done.stderr
    assert "Traceback" not in done.output


def test_a_fault_is_complete_for_developers() -> None:
    error = ZeroDivisionError("a fault")
    done = CliRunner().invoke(broken(error), ["--debug", "fail"])
    assert done.exception is error


@pytest.mark.parametrize("error", [DatabaseError("w", kept="k", fix="f"), ModelNotFound("w", kept="k", fix="f")])
def test_known_errors_exit_with_their_code(error: RatchetError) -> None:
    done = CliRunner().invoke(broken(error), ["fail"])
    assert done.exit_code == error.exit_code
    assert done.stderr == "✗ w\n  k\n  → f\n"
    scripted = CliRunner().invoke(broken(error), ["fail", "--json"])
    assert scripted.exit_code == error.exit_code
    assert json.loads(scripted.stdout) == {"error": {"what": "w", "kept": "k", "fix": "f"}}


def test_ctrl_c_is_130() -> None:
    assert CliRunner().invoke(broken(KeyboardInterrupt()), ["fail"]).exit_code == exit_codes.INTERRUPTED
