"""A run that a page started: it goes on by itself, is paused in the middle of training, and resumed to a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.config import Settings, load_settings
from agent.records import Records
from agent.schema import Turn
from finetune.improvement.lookups import lookups
from knowledge.schema import Passage
from ui import improvement
from ui.improvement import ImproveOptions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
pytest.importorskip("torch")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(ROOT)
    own_home.mkdir()
    settings = load_settings()
    with closing(Records(settings.database)) as records:
        for number, example in enumerate(lookups(99, 60)):
            asked, wanted = example.messages
            passages = tuple(
                Passage(f"p{number}-{at}", "/a.md", text, 1, 1) for at, text in enumerate(asked["passages"])
            )
            turn = Turn(f"t{number}", f"thread{number}", asked["content"], "I think so.", "done", (), passages)
            records.append(turn)
            records.add_feedback(turn.turn_id, -1, correction=wanted["content"])
    return settings


def test_start_pause_resume_and_verdict(settings: Settings) -> None:
    job = improvement.improve_job(settings)

    def until(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 600
        while not holds():
            assert time.monotonic() < deadline, job.log()
            time.sleep(0.2)

    steps = {"steps": "20", "precision": "fp32", "step_targets": "64"}
    options = ImproveOptions(minutes=5, guards=1, rehearsal=0, threads=1, settings=steps)
    improvement.start(settings, options)
    until(lambda: bool(improvement.curves(settings, "mine-1")) or not job.running)
    assert job.running, (job.log(), job.outcome())
    assert improvement.runs(settings)[0].at_work and improvement.pause(settings)
    until(lambda: not job.running)
    (paused,) = improvement.runs(settings)
    assert (paused.state, paused.at_work, job.outcome()) == ("running", False, None)
    (before,) = improvement.curves(settings, "mine-1")
    assert 0 < len(before.steps) < 20

    improvement.resume(settings)
    until(lambda: not job.running)
    outcome = job.outcome()
    assert outcome is not None, job.log()
    (after,) = improvement.curves(settings, "mine-1")
    assert after.steps[: len(before.steps)] == before.steps and len(after.steps) == 20, "nothing is trained twice"
    found = improvement.verdict(settings, "mine-1")
    assert found is not None and found.promoted is (outcome["state"] == "waiting")
    assert {one.suite for one in improvement.answers(settings, "mine-1")} >= {"yours"}
