"""Ten kills at random moments; `python -m benchmarks.kills` does a hundred."""

from __future__ import annotations

import pytest

from benchmarks.kills import run


@pytest.mark.slow
def test_what_was_acknowledged_survives_kill_nine_and_the_thread_goes_on():
    outcome = run(kills=10, seed=0)
    assert outcome.broken == 0, outcome.details
    assert (outcome.in_turn, outcome.in_ingest) == (5, 5)
    assert outcome.turns_acknowledged > 0
    assert outcome.ingests_acknowledged > 0
