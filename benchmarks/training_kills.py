"""Kill -9 a training run at random moments: what comes out must be what an uninterrupted run learns, bit for bit.

`python -m finetune train` runs once undisturbed. Then the same command runs into another folder, is killed by SIGKILL
at a random moment and given again, until it has been killed often enough and comes to its end. Moments are drawn over
the whole run, so they fall into steps, into checkpoints and between them; some are drawn from the start of the process,
so they fall into imports and into the reading of the model and of a checkpoint. Compared are

lines     every line that any of the processes wrote to metrics.jsonl, steps that were repeated after a kill included:
          loss, norm of the gradient, learning rate and loss on development data
adapter   the SHA-256 of the weights

The number of steps is fixed, and so is that of threads, as sums depend on it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.kept import Kept
from benchmarks.measure import Table, arguments, machine, publish
from benchmarks.workspace import ROOT

SAME = ("loss", "gradient_norm", "learning_rate", "progress", "dev_loss", "tokens", "targets")
AT_START = 0.2  # share of the kills that are timed from the start of the process
LEARNED, MEASURED = 40, 8  # examples


@dataclass(frozen=True, slots=True)
class Moment:
    """When to strike: `seconds` after the start of the process, or after it has come to a step of the run."""

    step: int | None
    seconds: float


@dataclass(slots=True)
class Outcome:
    """What the kills did; `different` must stay empty and `same_adapter` true."""

    kills: int = 0
    at_steps: list[int] = field(default_factory=list)
    at_start: int = 0
    repeated_steps: int = 0
    lines: int = 0
    different: list[str] = field(default_factory=list)
    same_adapter: bool = False
    seconds: float = 0.0


def main() -> None:
    """Train undisturbed, train killed, compare and print; the exit code is 1 where anything differs."""
    parser = arguments(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  python -m benchmarks.training_kills --kills 30 --out kills"
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, help="keep the runs here, and go on where it stopped; default: temporary")
    given = parser.parse_args()
    facts = machine()
    with contextlib.ExitStack() as stack:
        out = given.out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ratchet-kills-")))
        outcome = run(out.resolve(), given.kills, given.steps, given.seed)
    rows = [
        ("kills", outcome.kills),
        ("of them before the first step of the process", outcome.at_start),
        ("after steps", ", ".join(map(str, outcome.at_steps)) or "–"),
        ("steps computed twice or more", outcome.repeated_steps),
        ("lines compared", outcome.lines),
        ("lines that differ", len(outcome.different)),
        ("SHA-256 of the adapter", "the same" if outcome.same_adapter else "another"),
    ]
    title = f"{given.kills} kills in {given.steps} steps, seed {given.seed}"
    publish(facts, {"outcome": outcome}, [Table(title, ("what", ""), rows)], given.json)
    for line in outcome.different[:20]:
        print(line, file=sys.stderr)
    sys.exit(bool(outcome.different) or not outcome.same_adapter)


def run(out: Path, kills: int, steps: int, seed: int) -> Outcome:
    """Both runs in `out`, then the comparison."""
    from finetune.training.adapter_files import adapter_digest

    began = time.monotonic()
    data = written(out / "data")
    whole, struck = out / "whole", out / "struck"
    if not (whole / "adapter").is_dir():
        shutil.rmtree(whole, ignore_errors=True)  # one that goes on after an interruption would prove nothing
        finish(command(data, whole, steps), out / "whole.log")
        (out / "pace.json").write_text(json.dumps(pace(whole, time.monotonic() - began)), encoding="utf-8")
    took = json.loads((out / "pace.json").read_text(encoding="utf-8"))
    strike_all(out, command(data, struck, steps), moments(kills, steps, seed, took))
    finish(command(data, struck, steps), out / "struck.log")
    outcome = compared(lines_of(whole), lines_of(struck))
    strikes = Kept(out / "strikes.jsonl").lines
    outcome.kills = len(strikes)
    outcome.at_steps = sorted(line["step"] for line in strikes)
    outcome.at_start = sum(not line["stepped"] for line in strikes)
    outcome.same_adapter = adapter_digest(whole / "adapter") == adapter_digest(struck / "adapter")
    outcome.seconds = time.monotonic() - began
    return outcome


def written(folder: Path) -> Path:
    """A data set of what `ratchet improve` rehearses: calls, answers from passages, conversation."""
    from finetune.improvement.rehearsal import rehearsal

    folder.mkdir(parents=True, exist_ok=True)
    made = rehearsal(LEARNED + MEASURED, 0, ())
    for name, examples in (("train", made[MEASURED:]), ("dev", made[:MEASURED])):
        text = "".join(json.dumps(example.to_json(), ensure_ascii=False) + "\n" for example in examples)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def command(data: Path, out: Path, steps: int) -> list[str]:
    """The command line of the run: short steps, a checkpoint every other one."""
    settings = {
        "steps": steps,
        "epochs": 1000,
        "step_targets": 32,
        "pack_tokens": 256,
        "precision": "fp32",
        "checkpoint_steps": 2,
        "dev_every": 20,
        "dev_tokens": 1024,
    }
    told = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return [sys.executable, "-m", "finetune", "train", "--data", str(data), "--out", str(out), "--threads", "1", *told]


def finish(words: list[str], log: Path) -> None:
    """Let a run come to its end; one that is finished ends at once."""
    with log.open("ab") as file:
        done = subprocess.run(words, stdout=file, stderr=file, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(f"The run failed: see {log}.")


def pace(folder: Path, seconds: float) -> dict[str, float]:
    """Seconds of a step, and of everything before the first: by the undisturbed run."""
    steps = [line["seconds"] for line in lines_of(folder) if "seconds" in line]
    mean = sum(steps) / len(steps)
    return {"step": mean, "start": max(1.0, seconds - sum(steps))}


def moments(kills: int, steps: int, seed: int, took: dict[str, float]) -> list[Moment]:
    """When to strike, in the order of the run: places drawn over all steps, and times drawn from the start."""
    chance = random.Random(seed)
    early = round(kills * AT_START)
    places = sorted(chance.uniform(0, steps - 1) for _ in range(kills - early))
    found = [Moment(int(place), chance.uniform(0, 1.5 * took["step"])) for place in places]
    for _ in range(early):
        found.insert(chance.randint(0, len(found)), Moment(None, chance.uniform(0, took["start"])))
    return found


def strike_all(out: Path, words: list[str], planned: list[Moment]) -> None:
    """Kill the run at each moment; strikes that were made before this program was stopped are not made again."""
    struck, strikes = out / "struck", Kept(out / "strikes.jsonl")
    for moment in planned[len(strikes.lines) :]:
        before = len(lines_of(struck))
        with (out / "struck.log").open("ab") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log, cwd=ROOT)
        try:
            while moment.step is not None and process.poll() is None:
                if last_step(lines_of(struck)[before:]) >= max(1, moment.step):
                    break
                time.sleep(0.02)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moment.seconds)
            if process.returncode is not None:
                sys.exit(f"The run ended with {process.returncode} before it was killed: see {out / 'struck.log'}.")
        finally:
            process.kill()
            process.wait()
        found = lines_of(struck)
        strikes.add(step=last_step(found), stepped=last_step(found[before:]) > 0)
        print(f"kill {len(strikes.lines)} after step {last_step(found)}", file=sys.stderr, flush=True)


def last_step(lines: list[dict[str, Any]]) -> int:
    """The highest step among lines of metrics.jsonl; 0 for none."""
    return max((line["step"] for line in lines), default=0)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """All whole lines of a run's metrics.jsonl, those of repeated steps included; a torn one is passed over."""
    return list(_whole(folder / "metrics.jsonl"))


def _whole(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and "step" in found:
                yield found


def compared(whole: list[dict[str, Any]], struck: list[dict[str, Any]]) -> Outcome:
    """Every line of the run that was killed against that of the same step and kind of the one that was not."""
    wanted = {_place(line): _figures(line) for line in whole}
    found = Outcome(lines=len(struck))
    for line in struck:
        if _figures(line) != wanted.get(_place(line)):
            found.different.append(f"step {line['step']}: {_figures(line)}, not {wanted.get(_place(line))}")
    places = [_place(line) for line in struck]
    found.different += [f"step {step}: missing" for step, kind in sorted(wanted.keys() - set(places))]
    found.repeated_steps = len({place for place in places if places.count(place) > 1 and place[1] == "step"})
    return found


def _place(line: dict[str, Any]) -> tuple[int, str]:
    return line["step"], "step" if "loss" in line else "dev"


def _figures(line: dict[str, Any]) -> dict[str, str]:
    """Figures to the last bit: JSON writes the shortest decimal that reads back as the same number."""
    return {name: repr(line[name]) for name in SAME if name in line}


if __name__ == "__main__":
    main()
