"""Matches of the arena: two models, the same questions, their replies and what a person thought of them.

home/arena/ID.json    one match, written whole after every reply and vote
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from agent.adapters import write_json
from agent.errors import RecordError, StorageError

_LOCAL = "local:"
_ID = re.compile(r"[0-9a-f]{12}")
MOST_QUESTIONS = 100
Vote = Literal["", "0", "1", "neither"]  # the contestant, not the place where its answer stood


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model with an adapter: "" for the one that is promoted, "none" for the bare model."""

    model: str
    adapter: str = ""

    @property
    def name(self) -> str:
        """For people."""
        if self.adapter:
            return f"{self.model} + {self.adapter}" if self.adapter != "none" else f"{self.model} without adapter"
        return f"{self.model} as it is served" if self.model.startswith(_LOCAL) else self.model


@dataclass(frozen=True, slots=True)
class Reply:
    """What a contestant made of a question.

    Attributes:
        checked, supported: sentences that were compared with the passages, and those that they support.
        seconds: of the whole answer; in a blind match of two adapters, of the model alone.
        failed: why there is no answer; "" when there is one.
    """

    text: str
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    checked: int = 0
    supported: int = 0
    failed: str = ""

    def cost(self, price: tuple[float, float]) -> float:
        """Its price, from those of a million tokens of prompt and of answer."""
        return (self.prompt_tokens * price[0] + self.completion_tokens * price[1]) / 1e6


@dataclass(frozen=True, slots=True)
class Duel:
    """A question, both replies in the order of the contestants, and the vote.

    Attributes:
        first: the contestant whose answer is shown first.
        turn_id: the recorded turn that the choice belongs to; "" where it is not recorded.
        adapters: as the records call them, in the order of the contestants.
    """

    question: str
    replies: tuple[Reply, ...] = ()
    first: int = 0
    vote: Vote = ""
    turn_id: str = ""
    adapters: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[int, int]:
        """The contestants in the order in which their answers are shown."""
        return self.first, 1 - self.first

    @property
    def votable(self) -> bool:
        """Whether there are two answers to choose from."""
        return len(self.replies) == 2 and not any(reply.failed for reply in self.replies)


@dataclass(frozen=True, slots=True)
class Match:
    """Two contestants and their duels; `blind` hides who is who until the votes are in."""

    match_id: str
    began: str
    contestants: tuple[Contestant, Contestant]
    blind: bool
    duels: tuple[Duel, ...] = field(default=())

    @property
    def recorded(self) -> bool:
        """Whether votes are choices that Ratchet may learn from: between two adapters of one local model, blind."""
        one, other = self.contestants
        return self.blind and one.model == other.model and one.model.startswith(_LOCAL) and one != other

    @property
    def answered(self) -> int:
        """How many questions have both replies."""
        return sum(len(duel.replies) == 2 for duel in self.duels)

    @property
    def decided(self) -> bool:
        """Whether every question is answered, and every pair of answers voted on."""
        return all(len(duel.replies) == 2 and (duel.vote or not duel.votable) for duel in self.duels)

    def with_duel(self, number: int, duel: Duel) -> Match:
        """The same match with one duel replaced."""
        return replace(self, duels=(*self.duels[:number], duel, *self.duels[number + 1 :]))


@dataclass(frozen=True, slots=True)
class Score:
    """How a contestant did; None where there is nothing to divide by."""

    answers: int
    failed: int
    votes: int
    grounded: float | None
    seconds: float | None
    tokens: float | None
    cost: float


def score(match: Match, place: int, price: tuple[float, float] = (0.0, 0.0)) -> Score:
    """How one of the contestants did.

    Args:
        match: the match.
        place: 0 or 1.
        price: of a million tokens of prompt and of answer.
    """
    given = [duel.replies[place] for duel in match.duels if len(duel.replies) == 2]
    good = [reply for reply in given if not reply.failed]
    checked = sum(reply.checked for reply in good)
    return Score(
        answers=len(good),
        failed=len(given) - len(good),
        votes=sum(duel.vote == str(place) for duel in match.duels),
        grounded=sum(reply.supported for reply in good) / checked if checked else None,
        seconds=fmean(reply.seconds for reply in good) if good else None,
        tokens=fmean(reply.completion_tokens for reply in good) if good else None,
        cost=sum(reply.cost(price) for reply in good),
    )


def new_match(contestants: tuple[Contestant, Contestant], questions: Sequence[str], blind: bool) -> Match:
    """A match that has not begun; who is shown first is tossed for every question.

    Raises:
        RecordError: there is no question, there are too many, or both contestants are the same.
    """
    asked = [line for line in dict.fromkeys(" ".join(text.split()) for text in questions) if line]
    if not 0 < len(asked) <= MOST_QUESTIONS:
        raise RecordError(
            f"A match takes 1 to {MOST_QUESTIONS} questions, not {len(asked)}.", kept="Nothing was asked."
        )
    if contestants[0] == contestants[1]:
        raise RecordError("Both sides are the same.", kept="Nothing was asked.", fix="Choose another model or adapter.")
    duels = tuple(Duel(question, first=secrets.randbelow(2)) for question in asked)
    return Match(secrets.token_hex(6), datetime.now(UTC).isoformat(), contestants, blind, duels)


class MatchFolder:
    """The matches in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, match: Match) -> None:
        """Write a match.

        Raises:
            StorageError: the disk refused.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_json(self.folder / f"{match.match_id}.json", asdict(match))
        except OSError as error:
            raise StorageError(f"{self.folder} cannot be written: {error.strerror or error}.") from error

    def match(self, match_id: str) -> Match:
        """A match by its id.

        Raises:
            RecordError: there is none, or it cannot be read.
        """
        try:
            if not _ID.fullmatch(match_id):
                raise ValueError("not the id of a match")
            return _match(json.loads((self.folder / f"{match_id}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordError("This match cannot be read.", fix="Choose another one, or start one anew.") from error

    def matches(self) -> list[Match]:
        """All that can be read, the newest first."""
        found = []
        for path in self.folder.glob("*.json"):
            try:
                found.append(self.match(path.stem))
            except RecordError:
                continue
        return sorted(found, key=lambda match: match.began, reverse=True)

    def delete(self, match_id: str) -> None:
        """Delete a match; choices that were recorded stay with their conversation."""
        if _ID.fullmatch(match_id):
            (self.folder / f"{match_id}.json").unlink(missing_ok=True)


def _match(value: dict[str, Any]) -> Match:
    one, other = (Contestant(**side) for side in value["contestants"])
    duels = tuple(
        Duel(
            **{
                **duel,
                "replies": tuple(Reply(**reply) for reply in duel["replies"]),
                "adapters": tuple(duel["adapters"]),
            }
        )
        for duel in value["duels"]
    )
    return Match(str(value["match_id"]), str(value["began"]), (one, other), bool(value["blind"]), duels)
