"""Commands that outlive the page: found again, stopped, and their outcome read."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from agent.adapters import write_json
from agent.errors import RatchetError
from ui.job import Job

ROOT = Path(__file__).resolve().parents[2]


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)


def stands_in(job: Job, program: str) -> subprocess.Popen[bytes]:
    """A process of our own in place of the command's."""
    job.folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-c", program])
    began = psutil.Process(process.pid).create_time()
    write_json(job.folder / "process.json", {"pid": process.pid, "began": began, "words": ["improve"]})
    return process


@pytest.fixture
def job(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(ROOT)
    return Job(own_home, "test")


def test_what_a_command_prints_is_its_outcome(job: Job) -> None:
    assert not job.running and job.outcome() is None and job.words == ()
    job.start(["improve", "status", "--json"])
    assert job.words == ("improve", "status", "--json")
    until(lambda: not job.running)
    outcome = job.outcome()
    assert outcome is not None and outcome["signals"] == 0, job.log()
    job.forget()
    assert job.words == () and job.outcome() is None and job.log() == []


def test_an_error_is_raised_as_it_was_told(job: Job) -> None:
    job.start(["improve", "show", "nobody", "--json"])
    until(lambda: not job.running)
    with pytest.raises(RatchetError, match='There is no adapter "nobody"') as raised:
        job.outcome()
    assert "none yet" in raised.value.fix


def test_another_page_finds_it_and_stops_it(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    process = stands_in(job, "import time; time.sleep(60)")
    other = Job(job.home, "test")
    assert other.running and other.outcome() is None
    with pytest.raises(RatchetError, match="under way already"):
        other.start(["improve", "status", "--json"])
    other.forget()
    assert other.words == ("improve",), "what runs is not forgotten"
    monkeypatch.setattr(psutil.Process, "terminate", lambda self: asked.append(self.pid))
    other.stop()
    job.stop()
    assert job.stopping and asked == [process.pid], "a second time would end it at once"
    process.terminate()
    assert process.wait(30) != 0
    assert not job.running and job.outcome() is None
    job.stop()


def test_one_that_dies_says_so(job: Job) -> None:
    process = stands_in(job, "raise SystemExit(1)")
    process.wait(30)
    (job.folder / "log.txt").write_text("Reading\nMemoryError\n")
    with pytest.raises(RatchetError, match="ended before it was done. The last that it told: MemoryError"):
        job.outcome()


def test_a_number_that_the_system_gave_to_another_is_not_it(job: Job) -> None:
    process = stands_in(job, "import time; time.sleep(60)")
    write_json(job.folder / "process.json", {"pid": process.pid, "began": 1.0, "words": ["improve"]})
    assert not job.running
    job.stop()
    assert process.poll() is None, "a stranger is left alone"
    process.kill()
    process.wait()


def test_what_cannot_be_read_is_nothing(job: Job) -> None:
    job.folder.mkdir(parents=True)
    for text in ("", "{", "[]", '{"pid": "x"}'):
        (job.folder / "process.json").write_text(text)
        (job.folder / "out.json").write_text(text[:2])
        assert not job.running and job.outcome() is None and job.words == ()


def test_only_the_end_of_a_log_is_read(job: Job) -> None:
    job.folder.mkdir(parents=True)
    (job.folder / "log.txt").write_text("\n".join(f"line {number}" for number in range(10_000)) + "\n\n")
    assert job.log(2) == ["line 9998", "line 9999"]
