"""What the killed run is compared by, and that it is really killed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.kept import Kept
from benchmarks.training_kills import compared, lines_of, moments, strike_all

# Adds a line to metrics.jsonl every 20 ms, from the last one on; with a torn one where a kill may have left one.
RUN = """
import json, pathlib, sys, time
path = pathlib.Path(sys.argv[1]) / "metrics.jsonl"
path.parent.mkdir(exist_ok=True)
step = len(path.read_text().splitlines()) if path.exists() else 0
while True:
    step += 1
    with path.open("a") as file:
        file.write(json.dumps({"step": step, "loss": 1 / step}) + "\\n")
    time.sleep(0.02)
"""


def steps(*losses: float) -> list[dict[str, Any]]:
    return [{"step": number, "loss": loss, "seconds": 0.1 * number} for number, loss in enumerate(losses, 1)]


def test_a_run_that_repeats_steps_with_the_same_figures_is_the_same() -> None:
    whole = [*steps(3.0, 2.0, 1.0), {"step": 3, "dev_loss": 1.5}]
    struck = [*steps(3.0, 2.0), {"step": 2, "loss": 2.0, "seconds": 9.9}, *whole[2:]]
    found = compared(whole, struck)
    assert not found.different
    assert (found.repeated_steps, found.lines) == (1, 5)


def test_the_last_bit_of_a_single_line_counts_and_so_does_a_missing_one() -> None:
    whole = steps(3.0, 2.0, 1.0)
    off = [*steps(3.0, 2.0), *steps(3.0, 2.0000000000000004, 1.0)]
    assert [line.partition(":")[0] for line in compared(whole, off).different] == ["step 2"]
    assert compared(whole, steps(3.0, 2.0)).different == ["step 3: missing"]


def test_torn_lines_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo\n7\n{"step": 2, "loss": 1.0}\n')
    assert [line["step"] for line in lines_of(tmp_path)] == [1, 2]


def test_moments_come_in_the_order_of_the_run() -> None:
    found = moments(30, 60, 0, {"step": 0.5, "start": 8.0})
    places = [one.step for one in found if one.step is not None]
    assert (len(found), len(places)) == (30, 24)
    assert places == sorted(places) and 0 <= places[0] and places[-1] < 60
    assert found == moments(30, 60, 0, {"step": 0.5, "start": 8.0}) != moments(30, 60, 1, {"step": 0.5, "start": 8.0})


def test_a_run_is_killed_where_it_was_planned_and_goes_on(tmp_path: Path) -> None:
    words = [sys.executable, "-c", RUN, str(tmp_path / "struck")]
    planned = moments(4, 12, 0, {"step": 0.02, "start": 0.2})
    strike_all(tmp_path, words, planned[:2])
    strike_all(tmp_path, words, planned)  # goes on where it stopped
    strikes = Kept(tmp_path / "strikes.jsonl").lines
    assert len(strikes) == 4
    assert all(line["step"] >= (moment.step or 0) for line, moment in zip(strikes, planned, strict=True))
    text = (tmp_path / "struck" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(text[-1])["step"] == strikes[-1]["step"] == len(text)
