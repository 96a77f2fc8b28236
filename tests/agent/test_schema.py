"""Turns as plain JSON, those recorded by earlier versions too."""

from __future__ import annotations

import json

from agent.schema import Turn, Verdict


def test_a_turn_with_verdicts_survives_json() -> None:
    verdicts = (Verdict(0, 9, "supported", 1), Verdict(14, 30, "partly", None, "number not found: 3.12"))
    turn = Turn("t1", "h1", "q?", "It works. [1] It needs 3.12.", "done", verdicts=verdicts)
    assert Turn.from_json(json.loads(json.dumps(turn.to_json()))) == turn


def test_a_turn_recorded_before_there_were_verdicts_has_none() -> None:
    data = Turn("t1", "h1", "q?", "An answer.", "done").to_json()
    del data["verdicts"]
    assert Turn.from_json(data).verdicts == ()
