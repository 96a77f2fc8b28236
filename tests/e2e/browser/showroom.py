"""A home as somebody has it who has worked with Ratchet for some weeks: what the pictures of the pages show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agent.schema import Feedback, Turn
from tests.e2e.browser.documents import GUIDE, SHORT_THREAD, quoted, recording, run, short_thread, turn

DAY = 24 * 60  # minutes
DRONE = """# Kestrel drone

## Battery

The Kestrel drone flies for 31 minutes with one charge. Charge it for 50 minutes, and never below 5 °C.

## Weather

Do not fly in rain, or in wind above 10 metres a second.
"""
TERMS = """# Rental terms

## Deposit

The deposit is 150 euros for a pump and 400 euros for a drone. It is paid back within five working days.

## Late return

Each day of delay costs 20 euros. After ten days the deposit is kept.
"""
FACTS = ("I prefer answers in metric units.", "Our workshop is closed on Mondays.")
# Question, answer, document, passage, heading, line, days after the first, rating, correction.
_ASKED = (
    ("How long does the drone fly with one charge?", DRONE, "Kestrel drone.md", 2, "Battery", 5, 2, 1, ""),
    ("May I fly in light rain?", DRONE, "Kestrel drone.md", 4, "Weather", 9, 5, 1, ""),
    ("When is the deposit paid back?", TERMS, "Rental terms.md", 2, "Deposit", 5, 9, 1, ""),
    ("What does a late return cost?", TERMS, "Rental terms.md", 4, "Late return", 9, 12, -1, "20 euros a day; after "
     "ten days the deposit is kept as well."),
    ("How loud is the pump at full speed?", GUIDE, "guide.md", 6, "Noise", 14, 15, 1, ""),
    ("Can I use soap on the filter?", GUIDE, "guide.md", 4, "Cleaning", 10, 17, -1, "No, never. Rinse it under cold "
     "water every two weeks."),
)  # fmt: skip


def furnish(folder: Path, environment: Mapping[str, str]) -> None:
    """Fill the home of `environment`, with the documents in `folder`/manuals."""
    manuals = folder / "manuals"
    manuals.mkdir()
    for name, text in (("guide.md", GUIDE), ("Kestrel drone.md", DRONE), ("Rental terms.md", TERMS)):
        (manuals / name).write_text(text, encoding="utf-8")
    run(environment, "ingest", str(manuals))
    for fact in FACTS:
        run(environment, "memory", "add", fact)
    with recording(environment) as records:
        for given, rating, correction in _conversations(manuals):
            records.append(given)
            told: Feedback = records.add_feedback(given.turn_id, rating, correction)
            assert told.rating == rating
        for each in short_thread(manuals):
            records.append(replace(each, created_at=turn(0, SHORT_THREAD, "", "", 19 * DAY).created_at))


def _conversations(manuals: Path) -> list[tuple[Turn, int, str]]:
    found = []
    for number, (question, text, name, part, heading, line, day, rating, correction) in enumerate(_ASKED):
        passage = text.split("\n\n")[part].strip()
        plain = turn(0, f"{number + 4:032d}", question, passage.replace("\n", " "), day * DAY)
        found.append((quoted(plain, manuals / name, passage, f"{name} › {heading}", line), rating, correction))
    return found
