"""Kill -9 at random moments of writing an index: it must hold the old state or the new one, to the byte.

A child process changes an index again and again, in one of three ways: as an ingest does (files changed, added,
moved and removed), with a compaction after every change, or by writing everything anew. It announces the SHA-256
of the state that it is about to commit, and says when it has done so. The parent kills it at a random moment,
opens the index, which checks every byte, and compares the SHA-256 of all that it holds, vectors included, with
the state acknowledged last and the one announced since. The next child must be able to go on.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.index_kill_child import ROLES, digest, held
from benchmarks.measure import Table, arguments, machine, publish
from benchmarks.workspace import ROOT
from knowledge.errors import KnowledgeError

START_SECONDS = 120.0
MOST_FOLDERS = 20


@dataclass(slots=True)
class Outcome:
    """What the kills did. Everything from `damaged` on must stay 0."""

    in_ingest: int = 0
    in_compaction: int = 0
    in_reindex: int = 0
    commits_acknowledged: int = 0
    left_old: int = 0
    left_new: int = 0
    left_between_commits: int = 0
    damaged: int = 0
    neither_old_nor_new: int = 0
    failed_restarts: int = 0
    litter: int = 0
    seconds: float = 0.0
    details: list[str] = field(default_factory=list)

    @property
    def broken(self) -> int:
        """How often a promise was broken."""
        return self.damaged + self.neither_old_nor_new + self.failed_restarts + self.litter


def main() -> None:
    """Strike, count and print; the exit code is 1 when a promise was broken."""
    parser = arguments(__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    facts = machine()
    outcome = run(given.kills, given.seed)
    rows = [(name.replace("_", " "), getattr(outcome, name)) for name in list(Outcome.__annotations__)[:-2]]
    title = f"{given.kills} kills of index writers, seed {given.seed}"
    publish(facts, {"outcome": outcome}, [Table(title, ("what", "n"), rows)], given.json)
    for detail in outcome.details:
        print(detail, file=sys.stderr)
    sys.exit(outcome.broken > 0)


def run(kills: int, seed: int) -> Outcome:
    """Strike `kills` times, the three kinds of work in turn, at one index."""
    chance = random.Random(seed)
    outcome = Outcome()
    longest: dict[str, float] = {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ratchet-index-kills-") as name:
        folder = Path(name) / "index"
        for number in range(kills):
            role = ROLES[(number + 2) % len(ROLES)]  # the first writes an index for the others to work on
            after = longest[role] * chance.random() if role in longest else None
            lines, error, seconds = strike(role, folder, after, seed + number)
            longest.setdefault(role, 1.5 * seconds)
            look(outcome, folder, lines, f"kill {number}, {role} after {seconds:.3f} s: ", error)
            setattr(outcome, f"in_{role}", getattr(outcome, f"in_{role}") + 1)
        shutil.rmtree(folder, ignore_errors=True)
    outcome.seconds = time.monotonic() - began
    return outcome


def strike(role: str, folder: Path, after: float | None, seed: int) -> tuple[list[str], str, float]:
    """Let a child work for so many seconds, or until it has made one change, and kill it.

    Returns:
        The lines that it printed in full, what it complained of if it had ended by itself, and how long it worked.
    """
    command = [sys.executable, "-m", "benchmarks.index_kill_child", role, "--folder", str(folder), "--seed", str(seed)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    lines: list[str] = []
    working, changed = threading.Event(), threading.Event()

    def read() -> None:
        assert child.stdout is not None
        for raw in child.stdout:
            if raw.endswith(b"\n"):  # a line cut short was not announced
                lines.append(raw.decode().strip())
            working.set()
            if len(lines) == 3:  # done, next, done
                changed.set()
        working.set()
        changed.set()

    reader = threading.Thread(target=read)
    reader.start()
    working.wait(START_SECONDS)
    began = time.monotonic()
    changed.wait(START_SECONDS) if after is None else time.sleep(after)
    seconds = time.monotonic() - began
    ended = child.poll() is not None
    child.send_signal(signal.SIGKILL)
    child.wait()
    reader.join()
    assert child.stdout is not None and child.stderr is not None
    complaints = child.stderr.read().decode(errors="replace")
    child.stdout.close()
    child.stderr.close()
    return lines, (complaints.strip()[-500:] or f"exit code {child.returncode}") if ended else "", seconds


def look(outcome: Outcome, folder: Path, lines: list[str], moment: str, error: str) -> None:
    """Compare what the index holds with what the child has said."""
    said = [line.partition(" ") for line in lines]
    done = [value for word, _, value in said if word == "done"]
    announced = said[-1][2] if said and said[-1][0] == "next" else ""
    outcome.commits_acknowledged += max(0, len(done) - 1)
    if error or not done:
        outcome.failed_restarts += 1
        outcome.details.append(f"{moment}the child did not work: {error}")
        return
    try:
        now = digest(held(folder))
    except (KnowledgeError, AssertionError) as problem:
        outcome.damaged += 1
        outcome.details.append(f"{moment}{problem}")
        return
    if now == done[-1]:
        outcome.left_old += bool(announced)
        outcome.left_between_commits += not announced
    elif now == announced:
        outcome.left_new += 1
    else:
        outcome.neither_old_nor_new += 1
        outcome.details.append(f"{moment}the index holds {now[:12]}, which is neither old nor new")
    folders = len(list(folder.glob("gen-*"))) + len(list(folder.glob("segments/*")))
    if folders > MOST_FOLDERS:
        outcome.litter += 1
        outcome.details.append(f"{moment}{folders} folders have piled up")


if __name__ == "__main__":
    main()
