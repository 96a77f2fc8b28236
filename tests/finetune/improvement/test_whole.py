"""The loop with the real model, from feedback to a verdict, in a few steps of training."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from agent.config import load_settings
from agent.records import Records
from agent.schema import Turn
from finetune.default.lookups import lookups
from finetune.improve import Improvement
from finetune.improvement.feedback import signals
from finetune.improvement.folder import begin
from finetune.improvement.options import ImproveOptions
from finetune.improvement.watching import Watcher
from finetune.registry import AdapterRegistry
from knowledge.schema import Passage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
pytest.importorskip("torch")


class Notes(Watcher):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def test_from_feedback_to_a_verdict(tmp_path: Path) -> None:
    settings = load_settings({"home": tmp_path / "home"})
    settings.home.mkdir()
    with closing(Records(settings.database)) as records:
        for number, example in enumerate(lookups(99, 60)):
            asked, wanted = example.messages
            passages = tuple(
                Passage(f"p{number}-{at}", "/a.md", text, 1, 1) for at, text in enumerate(asked["passages"])
            )
            turn = Turn(f"t{number}", f"thread{number}", asked["content"], "I think so.", "done", (), passages)
            records.append(turn)
            records.add_feedback(turn.turn_id, -1, correction=wanted["content"])
    options = ImproveOptions(minutes=5, guards=2, threads=1, settings={"steps": "2", "precision": "fp32"})
    notes = Notes()
    run = begin(settings.home, "mine-1", options, signals(settings.database).ids)
    compared = Improvement(settings, run, notes).go()
    assert {result.error for result in (*compared.base.results, *compared.candidate.results)} == {""}
    assert compared.candidate.scores("right", "yours")
    record = AdapterRegistry(settings.adapters_folder).verify("mine-1")
    assert record.base == compared.verdict.lineage["base"]
    assert any("get the same answer in PyTorch and in llama.cpp" in note for note in notes.said)
    assert any("lora: 2 steps" in note for note in notes.said)
    assert run.state == ("waiting" if compared.verdict.promoted else "refused")
