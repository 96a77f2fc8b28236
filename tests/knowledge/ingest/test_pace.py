from __future__ import annotations

import pytest

from knowledge.ingest.pace import Pace
from knowledge.ingest.scan import Found
from knowledge.schema import IngestProgress


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_number_of_passages_is_estimated_from_the_first_word_and_exact_at_the_end() -> None:
    files = [Found(f"/docs/{number}.md", 1000, 0) for number in range(100)]
    steps: list[IngestProgress] = []
    watch = Watch()
    pace = Pace(files, steps.append, watch)
    pace.tell()
    assert steps[-1].passages_total > 0
    assert (steps[-1].rate, steps[-1].seconds_left) == (0.0, None)
    for file in files:  # five passages each, twice as many as such files usually give
        watch.now += 1
        pace.read(file, 5)
        pace.embedded(5)
        pace.finished(file.source)
    half = steps[50]
    assert half.passages_total == pytest.approx(500, rel=0.1)
    assert half.rate == pytest.approx(5)
    assert half.seconds_left == pytest.approx(50, rel=0.2)
    assert (steps[-1].passages, steps[-1].passages_total, steps[-1].seconds_left) == (500, 500, 0)


def test_work_ahead_counts_before_it_is_embedded() -> None:
    files = [Found("/docs/long.md", 500_000, 0), Found("/docs/short.md", 500, 0)]
    steps: list[IngestProgress] = []
    watch = Watch()
    pace = Pace(files, steps.append, watch)
    pace.read(files[1], 1)
    pace.embedded(1)
    pace.finished(files[1].source)
    watch.now = 1
    pace.tell()
    assert steps[-1].files == 1
    assert steps[-1].passages_total > 500, "the long file is still to come"
    assert steps[-1].seconds_left is not None and steps[-1].seconds_left > 500


def test_a_file_that_need_not_be_parsed_promises_nothing_any_more() -> None:
    files = [Found("/docs/a.md", 50_000, 0)]
    steps: list[IngestProgress] = []
    pace = Pace(files, steps.append, Watch())
    pace.tell()
    pace.read(files[0], None)
    pace.finished(files[0].source)
    assert [step.passages_total for step in steps] == [100, 0]


def test_the_rate_is_that_of_late() -> None:
    watch = Watch()
    steps: list[IngestProgress] = []
    pace = Pace([Found("/docs/a.md", 1_000_000, 0)], steps.append, watch)
    for number in range(200):
        watch.now += 1
        pace.embedded(10 if number < 100 else 40)
    pace.tell()
    assert steps[-1].rate == pytest.approx(40)
