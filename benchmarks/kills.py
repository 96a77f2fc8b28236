"""Kill -9 at random moments of turns and ingests: what was acknowledged must still be there.

A child process answers questions on one thread, with the real session and the real model, and prints a line
after every finished turn; another one ingests a folder in which one file changes, and prints a line after
every ingest. The parent kills each at a random moment after it said that it was at work. After each kill
it checks, from outside:

database  SQLite's integrity check finds nothing
index     opens, every byte matching its checksums, and holds the last acknowledged edition or a newer one
turns     every acknowledged turn is in the records, exactly once

and the next child must open the same home, finish the turn that was interrupted, and go on.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from agent.config import ModelSettings, Settings
from agent.errors import RatchetError
from agent.records import Records
from benchmarks.kill_child import EDITION, PAGE, PAGES, THREAD, edition_of
from benchmarks.measure import Table, arguments, machine, publish
from benchmarks.workspace import ROOT, config_file, private_settings
from knowledge.embedders import build_embeddings
from knowledge.index import KnowledgeIndex
from knowledge.ingest import ingest

TURN_SECONDS = 2.0  # a turn takes about half of this, so kills fall into first, second and third turns
INGEST_SECONDS = 1.0
START_SECONDS = 120.0


@dataclass(slots=True)
class Outcome:
    """What the kills did. Everything from `not_resumed` on must stay 0.

    A turn that is killed once more while it is resumed counts as interrupted twice.
    """

    in_turn: int = 0
    in_ingest: int = 0
    turns_acknowledged: int = 0
    ingests_acknowledged: int = 0
    turns_interrupted: int = 0
    turns_resumed: int = 0
    not_resumed: int = 0
    lost_turns: int = 0
    lost_ingests: int = 0
    corrupt_database: int = 0
    corrupt_index: int = 0
    failed_restarts: int = 0
    seconds: float = 0.0
    details: list[str] = field(default_factory=list)

    @property
    def broken(self) -> int:
        """How often a promise was broken."""
        lost = self.not_resumed + self.lost_turns + self.lost_ingests
        return lost + self.corrupt_database + self.corrupt_index + self.failed_restarts


class Child:
    """A process at work in the home. `lines` are those it has printed in full: what it acknowledged."""

    def __init__(self, role: str, settings: Settings, seed: int) -> None:
        command = [sys.executable, "-m", "benchmarks.kill_child", role, "--seed", str(seed)]
        self._complaints = settings.home / "complaints.txt"
        with self._complaints.open("wb") as complaints:
            self._process = subprocess.Popen(
                [*command, "--home", str(settings.home)], stdout=subprocess.PIPE, stderr=complaints, cwd=ROOT
            )
        self.lines: list[str] = []
        self._working = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for raw in output:
                if raw.endswith(b"\n"):  # a line cut short was not acknowledged
                    self.lines.append(raw.decode().strip())
                self._working.set()
        self._working.set()

    def kill(self, after: float) -> str:
        """Wait until it works, then `after` seconds more, and kill it; says why if it had ended by itself."""
        self._working.wait(START_SECONDS)
        time.sleep(after)
        ended = self._process.poll() is not None
        self._process.kill()
        reason = self._end()
        return reason if ended else ""

    def finish(self) -> str:
        """Let it come to its end; says why if that was an error."""
        self._process.wait(START_SECONDS)
        reason = self._end()
        return reason if self._process.returncode else ""

    def _end(self) -> str:
        self._process.wait()
        self._reader.join()
        said = self._complaints.read_text(encoding="utf-8", errors="replace")
        return said.strip()[-500:] or f"exit code {self._process.returncode}"


class Trial:
    """The home under attack, and the ledger of what was acknowledged in it."""

    def __init__(self, home: Path) -> None:
        self.settings = private_settings(home, model=ModelSettings(max_tokens=24))
        config_file(self.settings)
        self.docs = home / "docs"
        self.docs.mkdir(parents=True)
        for name, text in PAGES.items():
            (self.docs / name).write_text(text, encoding="utf-8")
        self._embeddings = build_embeddings(self.settings.knowledge.embedder, self.settings.models_folder)
        ingest([self.docs], self.settings.index_folder, self._embeddings)
        self.outcome = Outcome()
        self._acknowledged: list[str] = []
        self._edition = 0

    def strike(self, role: str, after: float, seed: int) -> None:
        """Kill one child, then look at what it left."""
        child = Child(role, self.settings, seed)
        self._take(role, child.kill(after), child.lines)
        self.outcome.in_turn += role == "turns"
        self.outcome.in_ingest += role == "ingest"
        self._look(f"{role} killed after {after:.2f} s")

    def settle(self) -> None:
        """One last child that resumes what is pending and ends in order."""
        child = Child("last", self.settings, 0)
        self._take("last", child.finish(), child.lines)
        self._look("the end")
        self._embeddings.close()

    def _take(self, role: str, error: str, lines: list[str]) -> None:
        outcome, said = self.outcome, [line.partition(" ") for line in lines]
        words = [word for word, _, _ in said]
        if error:
            outcome.failed_restarts += 1
            outcome.details.append(f"{role} did not work: {error}")
        self._acknowledged += [value for word, _, value in said if word in ("turn", "resumed")]
        self._edition = max([self._edition, *(int(value) for word, _, value in said if word == "edition")])
        outcome.turns_acknowledged += words.count("turn") + words.count("resumed")
        outcome.ingests_acknowledged += words.count("edition")
        outcome.turns_interrupted += words.count("pending")
        outcome.turns_resumed += words.count("resumed")
        outcome.not_resumed += "pending" in words and "working" in words and "resumed" not in words

    def _look(self, moment: str) -> None:
        if (verdict := integrity(self.settings.database)) != "ok":
            self.outcome.corrupt_database += 1
            self.outcome.details.append(f"{moment}: {verdict}")
        records = Records(self.settings.database)
        recorded = [turn.turn_id for turn in records.turns(THREAD)]
        records.close()
        for turn_id in self._acknowledged:
            if recorded.count(turn_id) != 1:
                self.outcome.lost_turns += 1
                self.outcome.details.append(f"{moment}: turn {turn_id} stands {recorded.count(turn_id)} times")
        self._acknowledged = [turn_id for turn_id in self._acknowledged if turn_id in recorded]
        self._look_at_index(moment)

    def _look_at_index(self, moment: str) -> None:
        try:
            index = KnowledgeIndex.open(self.settings.index_folder, self._embeddings.fingerprint)
            sources = index.sources()
            texts = " ".join(each.text for source in sources for each in index.passages(index.rows_of(source)))
            index.close()
        except RatchetError as error:
            self.outcome.corrupt_index += 1
            self.outcome.details.append(f"{moment}: {error}")
            return
        editions = [int(number) for number in EDITION.findall(texts)] or [0]
        whole = all(text.splitlines()[-1] in texts for text in PAGES.values())
        written = edition_of(self.docs / PAGE)
        if not whole or len(editions) > 1 or not self._edition <= editions[0] <= written:
            self.outcome.lost_ingests += 1
            self.outcome.details.append(f"{moment}: editions {editions}, acknowledged {self._edition}")


def integrity(database: Path) -> str:
    """SQLite's own verdict on the file, after it has recovered what the log holds."""
    if not database.exists():
        return "ok"
    try:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    except sqlite3.Error as error:
        return str(error)


def main() -> None:
    """Strike, count and print; the exit code is 1 when a promise was broken."""
    parser = arguments(__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    facts = machine()
    outcome = run(given.kills, given.seed)
    rows = [(name.replace("_", " "), getattr(outcome, name)) for name in list(Outcome.__annotations__)[:-2]]
    publish(
        facts,
        {"outcome": outcome},
        [Table(f"{given.kills} kills, seed {given.seed}", ("what", "n"), rows)],
        given.json,
    )
    for detail in outcome.details:
        print(detail, file=sys.stderr)
    sys.exit(outcome.broken > 0)


def run(kills: int, seed: int) -> Outcome:
    """Strike `kills` times, turns and ingests alternately, in a home of its own."""
    chance = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="ratchet-kills-"))
    began = time.monotonic()
    try:
        trial = Trial(folder)
        for number in range(kills):
            role, longest = ("turns", TURN_SECONDS) if number % 2 == 0 else ("ingest", INGEST_SECONDS)
            trial.strike(role, chance.uniform(0, longest), seed + number)
        trial.settle()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    trial.outcome.seconds = time.monotonic() - began
    return trial.outcome


if __name__ == "__main__":
    main()
