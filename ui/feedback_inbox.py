"""What people said about answers, newest first, and what is learned from each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from agent.records import Records
    from agent.schema import AnswerChoice, Feedback, Turn

Kind = Literal["correction", "good", "bad", "comment", "choice"]
KINDS: dict[Kind, str] = {
    "correction": "Corrections",
    "bad": "Thumbs down",
    "good": "Thumbs up",
    "comment": "Comments",
    "choice": "Choices",
}
TEACHES: dict[Kind, str] = {
    "correction": "Teaches: the corrected answer in place of the given one.",
    "good": "Teaches: the answer as it is.",
    "bad": "Teaches nothing by itself. Say what it should have said, and it does.",
    "comment": "Teaches nothing: it is a note for people.",
    "choice": "Teaches: the chosen answer.",
}
WITHHELD = "Nothing is learned from this conversation."


@dataclass(frozen=True, slots=True)
class Entry:
    """What a person thought of a turn, or which of two answers was better; one of the two is there."""

    kind: Kind
    turn_id: str
    at: str
    feedback: Feedback | None = None
    choice: AnswerChoice | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """An entry with its turn, and whether its conversation may be learned from."""

    entry: Entry
    turn: Turn
    consent: bool

    @property
    def teaches(self) -> str:
        """What is learned from it, in a sentence."""
        choice = self.entry.choice
        if not self.consent and self.entry.kind != "comment":
            return WITHHELD
        if choice is not None and choice.chosen is None:
            return "Teaches nothing: neither answer was better."
        return TEACHES[self.entry.kind]


def entries(records: Records) -> list[Entry]:
    """The latest feedback of every turn, and every choice, newest first.

    Raises:
        DatabaseError: the records cannot be read.
    """
    latest = {one.turn_id: one for one in records.feedback()}
    found = [Entry(kind_of(one), one.turn_id, one.created_at, feedback=one) for one in latest.values()]
    found += [Entry("choice", one.turn_id, one.created_at, choice=one) for one in records.choices()]
    return sorted(found, key=lambda entry: entry.at, reverse=True)


def kind_of(feedback: Feedback) -> Kind:
    """What sort of feedback it is."""
    if feedback.correction.strip():
        return "correction"
    return "good" if feedback.rating > 0 else "bad" if feedback.rating < 0 else "comment"


def opened(records: Records, entry: Entry) -> Opened | None:
    """An entry with its turn; None where that was deleted."""
    turn = records.turn(entry.turn_id)
    return Opened(entry, turn, records.consent(turn.thread_id)) if turn is not None else None


def matches(one: Opened, words: str) -> bool:
    """Whether all words stand in the question, the answer or what was said about it."""
    given = one.entry.feedback
    said = f"{given.correction} {given.comment}" if given else ""
    text = f"{one.turn.question} {one.turn.answer} {said}".casefold()
    return all(word in text for word in words.casefold().split())
