"""`python -m ui.share`: what it is told, and what it refuses before anything is opened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio")

import httpx
from typer.testing import CliRunner

from agent.config import Settings
from agent.errors import ConfigError
from ui import share
from ui.share_parts import serving
from ui.share_parts.confined import FOLDER
from ui.share_parts.serving import Place


def test_nothing_is_opened_before_the_accounts_are_known(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(serving, "serve", lambda *given: started.append(given))
    with pytest.raises(ConfigError):
        share.run(settings, {}, (share.door_for("T", [], []), Place(public=True), 10), announce=False)
    assert started == []
    assert not (settings.home / FOLDER).exists()


def test_the_command_explains_itself_and_refuses_what_makes_no_sense(tmp_path: Path) -> None:
    runner = CliRunner()
    shown = runner.invoke(share.app, ["--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0 and "--share" in shown.output and "python -m ui.share --share" in shown.output
    both = runner.invoke(share.app, ["--user", "anna", "--accounts", str(tmp_path / "none.txt")])
    assert both.exit_code == 2 and "one of --user and --accounts" in both.output
    assert runner.invoke(share.app, ["--accounts", str(tmp_path / "none.txt")]).exit_code == 2
    assert runner.invoke(share.app, ["--embed", "*"]).exit_code == 2


def test_it_says_once_where_and_with_what_password_and_ends_in_order(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[int, int]] = []
    passwords, made_up = share.passwords_for([], None)

    def visited() -> None:
        nonlocal url
        said = capsys.readouterr().out
        assert said.count(passwords["guest"]) == 1 and "no documents" in said
        url = re.findall(r"http://\S+", said)[0]
        with httpx.Client(base_url=url) as browser:
            first = browser.get("/config").status_code
            browser.post("/login", data={"username": "guest", "password": passwords["guest"]})
            seen.append((first, browser.get("/config").status_code))

    url = ""
    monkeypatch.setattr(serving, "stay_open", visited)
    share.run(settings, passwords, (share.door_for("T", [], []), Place(), 10), announce=made_up)
    assert seen == [(401, 200)]
    with pytest.raises(httpx.TransportError):
        httpx.get(url)
