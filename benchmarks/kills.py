"""Kill -9 at random moments of turns and ingests: what was acknowledged must still be there.

A child process answers questions on one thread, with the real session and the real model, and prints a line
after every finished turn; another one ingests a folder in which one file changes, and prints a line after
every ingest. The parent kills each at a random moment after it said that it was at work. After each kill
it checks, from outside:

database  SQLite's integrity check finds nothing
index     opens, every byte matching its checksums, and holds the last acknowledged edition or the next one
turns     every acknowledged turn is in the records, exactly once

and the next child must open the same home, finish the turn that was interrupted, and go on.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from agent.config import ModelSettings, Settings, load_settings
from agent.database import check
from agent.errors import RatchetError
from agent.records import Records
from agent.schema import Done
from agent.session import ChatSession
from benchmarks.measure import Table, arguments, machine, publish
from benchmarks.workspace import config_file, private_settings, questions
from knowledge.embeddings import build_embeddings
from knowledge.index import KnowledgeIndex
from knowledge.ingest import ingest

THREAD = "kills"
TURN_SECONDS = 2.0  # a turn takes about half of this, so kills fall into first, second and third turns
INGEST_SECONDS = 0.6
START_SECONDS = 120.0
PAGES = {
    "cors.md": "# Origins\n\nA frontend on another port is another origin. List it in `allow_origins`.\n",
    "status.md": "# Redirects\n\nA RedirectResponse uses the status code 307 unless another one is given.\n",
    "hashing.md": "# Passwords\n\nPasswords are hashed with Argon2, which the pwdlib package provides.\n",
}
EDITION = re.compile(r"edition (\d+)\b")


@dataclass(slots=True)
class Outcome:
    """What the kills did. Everything from `lost_turns` on must stay 0."""

    in_turn: int = 0
    in_ingest: int = 0
    turns_acknowledged: int = 0
    ingests_acknowledged: int = 0
    turns_interrupted: int = 0
    turns_resumed: int = 0
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
        lost = self.lost_turns + self.lost_ingests + (self.turns_interrupted - self.turns_resumed)
        return lost + self.corrupt_database + self.corrupt_index + self.failed_restarts


class Child:
    """A process at work in the home; `killed` ends it and returns the lines it had printed in full."""

    def __init__(self, role: str, settings: Settings, seed: int) -> None:
        command = [sys.executable, "-m", "benchmarks.kills", "--child", role, "--seed", str(seed)]
        command += ["--home", str(settings.home)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._lines: list[str] = []
        self._working = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            if raw.endswith(b"\n"):  # a line cut short was not acknowledged
                self._lines.append(raw.decode().strip())
            self._working.set()
        self._working.set()

    def killed(self, after: float) -> tuple[list[str], str]:
        """Wait until it works, then `after` seconds more, and kill it; also what it complained of, if it failed."""
        self._working.wait(START_SECONDS)
        time.sleep(after)
        failed = self._process.poll() is not None
        self._process.kill()
        _, errors = self._process.communicate() if failed else (b"", b"")
        self._process.wait()
        self._reader.join()
        return self._lines, errors.decode(errors="replace")[-500:] or "ended by itself" if failed else ""

    def finished(self) -> tuple[list[str], str]:
        """Let it come to its end."""
        self._process.wait(START_SECONDS)
        self._reader.join()
        assert self._process.stderr is not None
        failed = self._process.returncode != 0
        return self._lines, self._process.stderr.read().decode(errors="replace")[-500:] if failed else ""


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
        lines, error = Child(role, self.settings, seed).killed(after)
        self._take(role, lines, error)
        self.outcome.in_turn += role == "turns"
        self.outcome.in_ingest += role == "ingest"
        self._look(f"{role} killed after {after:.2f} s")

    def settle(self) -> None:
        """One last child that resumes what is pending and ends in order."""
        self._take("last", *Child("last", self.settings, 0).finished())
        self._look("the end")
        self._embeddings.close()

    def _take(self, role: str, lines: list[str], error: str) -> None:
        if error:
            self.outcome.failed_restarts += 1
            self.outcome.details.append(f"{role} did not work: {error}")
        for line in lines:
            word, _, value = line.partition(" ")
            if word in ("turn", "resumed"):
                self._acknowledged.append(value)
                self.outcome.turns_acknowledged += 1
            if word == "resumed":
                self.outcome.turns_resumed += 1
            elif word == "pending":
                self.outcome.turns_interrupted += 1
            elif word == "edition":
                self._edition = int(value)
                self.outcome.ingests_acknowledged += 1

    def _look(self, moment: str) -> None:
        if damage := check(self.settings.database) if self.settings.database.exists() else []:
            self.outcome.corrupt_database += 1
            self.outcome.details.append(f"{moment}: {damage[0]}")
        records = Records(self.settings.database)
        recorded = [turn.turn_id for turn in records.turns(THREAD)]
        records.close()
        for turn_id in self._acknowledged:
            if recorded.count(turn_id) != 1:
                self.outcome.lost_turns += 1
                self.outcome.details.append(
                    f"{moment}: turn {turn_id} stands {recorded.count(turn_id)} times"
                )
        self._acknowledged = [turn_id for turn_id in self._acknowledged if turn_id in recorded]
        self._look_at_index(moment)

    def _look_at_index(self, moment: str) -> None:
        try:
            index = KnowledgeIndex.open(self.settings.index_folder, self._embeddings.fingerprint)
            texts = " ".join(passage.text for passage in index.contents().passages)
            index.close()
        except RatchetError as error:
            self.outcome.corrupt_index += 1
            self.outcome.details.append(f"{moment}: {error}")
            return
        editions = [int(number) for number in EDITION.findall(texts)]
        whole = all(text.splitlines()[-1] in texts for text in PAGES.values())
        if not whole or (self._edition and editions not in ([self._edition], [self._edition + 1])):
            self.outcome.lost_ingests += 1
            self.outcome.details.append(f"{moment}: editions {editions}, acknowledged {self._edition}")
        self._edition = max([self._edition, *editions])


def main() -> None:
    """Parent: strike and count. Child: work until killed."""
    parser = arguments(__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=("turns", "ingest", "last"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        settings = load_settings(file=given.home / "ratchet.toml")
        ingest_on(settings) if given.child == "ingest" else answer_on(settings, given.child, given.seed)
        return
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


def answer_on(settings: Settings, role: str, seed: int) -> None:
    """Child: finish what was interrupted, then ask until killed; a line for each turn that is done."""
    asked = [question.question for question in questions(answered=True)]
    random.Random(seed).shuffle(asked)
    with ChatSession(settings, thread_id=THREAD) as session:
        pending = session.pending
        if pending is not None:
            say("pending")
            for event in session.resume():
                if (
                    isinstance(event, Done)
                    and event.turn.question == pending
                    and event.turn.status != "error"
                ):
                    say(f"resumed {event.turn.turn_id}")
        say("working")
        for question in itertools.cycle(asked if role == "turns" else asked[:1]):
            say(f"turn {session.ask(question).turn_id}")
            if role == "last":
                return


def ingest_on(settings: Settings) -> None:
    """Child: write a new edition of one file and ingest the folder, until killed."""
    embeddings = build_embeddings(settings.knowledge.embedder, settings.models_folder)
    page = settings.home / "docs" / "edition.md"
    found = EDITION.findall(page.read_text(encoding="utf-8")) if page.exists() else []
    embeddings.embed(["warm"])
    say("working")
    for number in itertools.count(int(found[0]) + 1 if found else 1):
        page.with_suffix(".new").write_text(
            f"# Edition\n\nThis is edition {number} of the page.\n", encoding="utf-8"
        )
        page.with_suffix(".new").replace(page)
        ingest([page.parent], settings.index_folder, embeddings)
        say(f"edition {number}")


def say(line: str) -> None:
    """One line to the parent, at once."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
