"""`ratchet ingest --watch`: what is told of folders that go away and come back. Only the notices are scripted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.cli import app
from tests.knowledge.words import WordEmbedder

Steps = list[Callable[[], Any]]


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.embedder.build_embedder", lambda settings: WordEmbedder())


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    stays, drive = tmp_path / "stays", tmp_path / "drive"
    for folder in (stays, drive):
        folder.mkdir()
        (folder / "note.txt").write_text(f"A note in {folder.name}.")
    return stays, drive


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command; after each step it is told that something has changed, then comes Ctrl-C."""

    def run(steps: Steps, *arguments: str) -> Result:
        def changes(roots: object, endings: object, stop: threading.Event) -> Iterator[None]:
            for step in steps:
                step()
                yield
            raise KeyboardInterrupt

        monkeypatch.setattr("knowledge.watch.changes", changes)
        monkeypatch.setattr("agent.cli.follow._SECONDS_BETWEEN_ATTEMPTS", 0.01)
        done = CliRunner().invoke(app, ["ingest", *arguments, "--watch"])
        assert done.exit_code == 0, done.output
        return done

    return run


def steps(stays: Path, drive: Path) -> Steps:
    away = drive.with_name("unplugged")
    return [
        lambda: drive.rename(away),
        lambda: (stays / "new.txt").write_text("Something new."),
        lambda: away.rename(drive),
        lambda: (drive / "new.txt").write_text("Something newer."),
    ]


@pytest.mark.parametrize("named", [True, False])
def test_a_folder_that_goes_is_told_once_and_the_others_are_followed(
    folders: tuple[Path, Path], follow: Callable[..., Result], named: bool
) -> None:
    if not named:
        follow([], "stays", "drive")
    told = follow(steps(*folders), *(["stays", "drive"] if named else [])).stdout
    assert told.count("drive is not there; what was read from it is kept") == 1
    assert told.count("drive is back") == 1
    assert told.count("1 added") == 2
    assert "removed" not in told


def test_an_emptied_mount_point_is_told_once(folders: tuple[Path, Path], follow: Callable[..., Result]) -> None:
    stays, drive = folders
    note, away = drive / "note.txt", drive.with_name("elsewhere")
    script: Steps = [
        lambda: note.rename(away),
        lambda: (stays / "new.txt").write_text("Something new."),
        lambda: away.rename(note),
    ]
    told = follow(script, "stays", "drive").stdout
    assert told.count("drive is empty") == told.count("drive is back") == told.count("1 added") == 1


def test_reports_name_what_is_missing(folders: tuple[Path, Path], follow: Callable[..., Result]) -> None:
    _, drive = folders
    lines = follow(steps(*folders), "stays", "drive", "--json").stdout.splitlines()
    reports = [json.loads(line) for line in lines]
    assert [(report["missing"], report["added"]) for report in reports] == [
        ([], 2),
        ([str(drive)], 0),
        ([str(drive)], 1),
        ([], 0),
        ([], 1),
    ]


def test_when_all_is_away_nothing_else_is_read(folders: tuple[Path, Path], follow: Callable[..., Result]) -> None:
    stays, drive = folders
    follow([], "stays")
    away = drive.with_name("unplugged")
    (stays / "new.txt").write_text("Not asked for now.")
    script: Steps = [lambda: drive.rename(away), lambda: away.rename(drive)]
    told = follow(script, "drive").stdout
    assert told.count("drive is not there") == told.count("drive is back") == 1
    assert "added" in told.splitlines()[0] and told.count("added") == 1
