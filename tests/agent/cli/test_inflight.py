"""A chat that was killed while answering leaves a trace; a living one does not count."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.inflight import FOLDER, answering, take_interrupted


def dead_pid() -> int:
    """The id of a process that has ended."""
    return int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))


def test_nothing_is_left_after_an_orderly_turn(tmp_path: Path) -> None:
    with answering(tmp_path, "t1"):
        assert [mark.read_text() for mark in (tmp_path / FOLDER).iterdir()] == ["t1"]
    assert take_interrupted(tmp_path) is None
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError), answering(tmp_path, "t1"):
        raise ValueError
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_dead_chat_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / str(dead_pid())).write_text("t7")
    assert take_interrupted(tmp_path) == "t7"
    assert take_interrupted(tmp_path) is None


def test_a_living_chat_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    mark = tmp_path / FOLDER / str(os.getppid())
    mark.write_text("t8")
    assert take_interrupted(tmp_path) is None
    assert mark.exists()


def test_a_home_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    with answering(tmp_path, "t1"):
        pass
    assert take_interrupted(tmp_path) is None
