"""Following folders: drives that go and come back, also onto the folder where they are mounted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge.watch import changes


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """Ends what is followed after a minute, so that a change that is missed is an error and no hanging test."""
    stop = threading.Event()
    limit = threading.Timer(60, stop.set)
    limit.start()
    yield stop
    limit.cancel()


def folder(path: Path, text: str) -> Path:
    path.mkdir(parents=True)
    (path / "note.txt").write_text(text)
    return path


def follow(roots: list[Path], stop: threading.Event) -> Iterator[None]:
    following = changes(list(map(str, roots)), {".txt"}, stop, look=600)
    next(following)
    return following


def test_a_folder_that_goes_and_comes_back_while_another_is_followed(tmp_path: Path, stop: threading.Event) -> None:
    stays, drive = folder(tmp_path / "stays", "a"), folder(tmp_path / "drive", "b")
    following = follow([stays, drive], stop)
    drive.rename(tmp_path / "unplugged")
    next(following)
    (stays / "new.txt").write_text("c")
    next(following)
    (tmp_path / "unplugged").rename(drive)
    next(following)
    (drive / "new.txt").write_text("d")
    next(following)


def test_a_link_whose_drive_comes_back(tmp_path: Path, stop: threading.Event) -> None:
    drive = folder(tmp_path / "drive", "a")
    link = tmp_path / "link"
    link.symlink_to(drive)
    following = follow([link], stop)
    drive.rename(tmp_path / "unplugged")
    next(following)
    (tmp_path / "unplugged").rename(drive)
    next(following)
    (drive / "new.txt").write_text("b")
    next(following)


def test_another_folder_in_the_place_of_an_empty_one_is_followed(tmp_path: Path, stop: threading.Event) -> None:
    mounted = tmp_path / "drive"
    mounted.mkdir()
    link = tmp_path / "link"
    link.symlink_to(mounted)
    following = follow([link], stop)
    other = folder(tmp_path / "other", "a")
    (tmp_path / "new-link").symlink_to(other)
    (tmp_path / "new-link").rename(link)  # nothing below the folder that was watched has changed
    next(following)
    (other / "new.txt").write_text("b")
    next(following)
