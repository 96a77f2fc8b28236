"""Twelve kills at random moments; `python -m benchmarks.index_kills` does two hundred."""

from __future__ import annotations

import pytest

from benchmarks.index_kills import run


@pytest.mark.slow
def test_a_killed_writer_leaves_the_old_index_or_the_new_one():
    outcome = run(kills=12, seed=0)
    assert outcome.broken == 0, outcome.details
    assert (outcome.in_ingest, outcome.in_compaction, outcome.in_reindex) == (4, 4, 4)
    assert outcome.commits_acknowledged > 0
    assert outcome.left_old + outcome.left_new + outcome.left_between_commits == 12
