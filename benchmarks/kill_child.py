"""The processes that `benchmarks.kills` kills: one answers questions, one ingests, both say what is done."""

from __future__ import annotations

import argparse
import itertools
import random
import re
from pathlib import Path

from agent.config import Settings, load_settings
from agent.schema import Done
from agent.session import ChatSession
from knowledge.embedders import build_embeddings
from knowledge.ingest import ingest

THREAD = "kills"
PAGE = "edition.md"
EDITION = re.compile(r"edition (\d+)\b")
PAGES = {
    "cors.md": "# Origins\n\nA frontend on another port is another origin. List it in `allow_origins`.\n",
    "status.md": "# Redirects\n\nA RedirectResponse uses the status code 307 unless another one is given.\n",
    "hashing.md": "# Passwords\n\nPasswords are hashed with Argon2, which the pwdlib package provides.\n",
}
ASKED = (
    "Where do I list a frontend that runs on another port?",
    "Which status code does a RedirectResponse use?",
    "How are passwords hashed, and which package provides it?",
    "What is 17 * 23?",
)


def main() -> None:
    """Work in the home until killed; as "last", answer one question and end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("turns", "ingest", "last"))
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    settings = load_settings(file=given.home / "ratchet.toml", environ={})
    if given.role == "ingest":
        keep_ingesting(settings)
    else:
        keep_answering(settings, given.seed, once=given.role == "last")


def keep_answering(settings: Settings, seed: int, *, once: bool) -> None:
    """Finish what was interrupted, then ask; a line for each turn that is done."""
    asked = list(ASKED)
    random.Random(seed).shuffle(asked)
    with ChatSession(settings, thread_id=THREAD) as session:
        pending = session.pending
        if pending is not None:
            say("pending")
            for event in session.resume():
                if isinstance(event, Done) and event.turn.question == pending and event.turn.status != "error":
                    say(f"resumed {event.turn.turn_id}")
        say("working")
        for question in itertools.cycle(asked):
            say(f"turn {session.ask(question).turn_id}")
            if once:
                return


def keep_ingesting(settings: Settings) -> None:
    """Write a new edition of one file and ingest the folder, again and again; a line for each time."""
    embeddings = build_embeddings(settings.knowledge.embedder, settings.models_folder)
    embeddings.embed(["loads the model"])
    page = settings.home / "docs" / PAGE
    say("working")
    for number in itertools.count(edition_of(page) + 1):
        page.with_suffix(".new").write_text(f"# Edition\n\nThis is edition {number} of the page.\n")
        page.with_suffix(".new").replace(page)
        ingest([page.parent], settings.index_folder, embeddings)
        say(f"edition {number}")


def edition_of(page: Path) -> int:
    """The number that the file bears; 0 while there is none."""
    found = EDITION.findall(page.read_text(encoding="utf-8")) if page.exists() else []
    return int(found[0]) if found else 0


def say(line: str) -> None:
    """One line to the parent, at once."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
