"""How good the answers are, from the records of the conversations: what people thought, what was supported, how long.

Every figure is counted from turns that are kept; nothing is asked of a model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from agent.prompts import REFUSAL

if TYPE_CHECKING:
    from agent.records import Records
    from agent.schema import Turn

_MOST_DAYS = 45  # that are shown one by one; more are put into weeks


@dataclass(frozen=True, slots=True)
class TurnFacts:
    """What is counted of an answer.

    Attributes:
        day: in UTC.
        model: with its adapter.
        checked, supported: sentences that were compared with the passages, and those that they support.
        refused: whether it says that the documents do not tell.
        citations: how many it has.
        seconds: from the question to the last token.
        first_token: seconds to the first one; None where none was streamed.
    """

    turn_id: str
    day: date
    model: str
    checked: int
    supported: int
    refused: bool
    citations: int
    seconds: float
    first_token: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of some answers; None where there is nothing to divide by.

    Attributes:
        answers: how many.
        up, down: how many were liked and disliked, or corrected.
        grounded: share of the checked sentences that the passages support.
        refused: share of the answers that say that the documents do not tell.
        citations: on average.
        seconds, slow: median and 95th percentile of an answer's time.
        first_word: median of the time to the first of its words.
    """

    answers: int
    up: int
    down: int
    grounded: float | None
    refused: float | None
    citations: float | None
    seconds: float | None
    slow: float | None
    first_word: float | None = None


Figure = Callable[[Summary], float | None]
Known = dict[tuple[str, int, str], list[TurnFacts]]


def turn_facts(records: Records, held_back: Callable[[str], bool], known: Known) -> list[TurnFacts]:
    """What is counted of every finished answer, oldest first.

    Args:
        records: of the conversations.
        held_back: whether an answer without citations says that the documents do not tell.
        known: what was counted before, by the state of a conversation, so that those that did not change are not read
            again; changed to what holds now.

    Raises:
        DatabaseError: the records cannot be read.
    """
    before = dict(known)
    now: Known = {}
    for thread in records.threads():
        key = (thread.thread_id, thread.turns, thread.updated_at)
        turns = () if key in before else records.turns(thread.thread_id)
        now[key] = before.get(key) or [_facts(turn, held_back) for turn in turns if turn.status == "done"]
    known.update(now)  # several tabs may look at once
    for key in before.keys() - now.keys():
        known.pop(key, None)
    return sorted((one for found in now.values() for one in found), key=lambda one: one.day)


def _facts(turn: Turn, held_back: Callable[[str], bool]) -> TurnFacts:
    refused = turn.answer.strip() == REFUSAL or (not turn.citations and held_back(turn.answer))
    return TurnFacts(
        turn_id=turn.turn_id,
        day=_day(turn.created_at),
        model=turn.model + (f" + {turn.adapter.partition('@')[0]}" if turn.adapter else ""),
        checked=len(turn.verdicts),
        supported=sum(verdict.grade == "supported" for verdict in turn.verdicts),
        refused=refused,
        citations=len(turn.citations),
        seconds=turn.timings.total,
        first_token=turn.timings.first_token,
    )


def ratings(records: Records) -> dict[str, int]:
    """Turn → what its latest feedback says: 1 for liked, -1 for disliked or corrected; turns without a rating are not.

    Raises:
        DatabaseError: the records cannot be read.
    """
    latest = {one.turn_id: (-1 if one.correction.strip() else one.rating) for one in records.feedback()}
    return {turn_id: rating for turn_id, rating in latest.items() if rating}


def summary(facts: Sequence[TurnFacts], rated: Mapping[str, int]) -> Summary:
    """The figures of some answers."""
    count, checked = len(facts), sum(one.checked for one in facts)
    given = [rated[one.turn_id] for one in facts if one.turn_id in rated]
    times = sorted(one.seconds for one in facts)
    first = [one.first_token for one in facts if one.first_token is not None]
    return Summary(
        answers=count,
        up=sum(rating > 0 for rating in given),
        down=sum(rating < 0 for rating in given),
        grounded=sum(one.supported for one in facts) / checked if checked else None,
        refused=sum(one.refused for one in facts) / count if count else None,
        citations=fmean(one.citations for one in facts) if count else None,
        seconds=median(times) if times else None,
        slow=times[min(count - 1, count * 95 // 100)] if times else None,
        first_word=median(first) if first else None,
    )


def periods(facts: Sequence[TurnFacts], rated: Mapping[str, int]) -> list[tuple[str, Summary]]:
    """The figures day by day, or week by week where there are many days; named by their first day, ISO."""
    if not facts:
        return []
    weekly = (facts[-1].day - facts[0].day).days > _MOST_DAYS
    groups: dict[date, list[TurnFacts]] = defaultdict(list)
    for one in facts:
        groups[one.day - timedelta(days=one.day.weekday()) if weekly else one.day].append(one)
    return [(start.isoformat(), summary(own, rated)) for start, own in sorted(groups.items())]


def series(found: Iterable[tuple[str, Summary]], **figures: Figure) -> list[dict[str, Any]]:
    """Points to plot: `period`, `series` (the figure's name, blanks for underscores) and `value`."""
    return [
        {"period": period, "series": name.replace("_", " "), "value": figure(one)}
        for period, one in found
        for name, figure in figures.items()
    ]


def since(facts: Sequence[TurnFacts], days: int) -> list[TurnFacts]:
    """The answers of the last days; all for 0."""
    first = datetime.now(UTC).date() - timedelta(days=days)
    return [one for one in facts if not days or one.day > first]


def _day(created_at: str) -> date:
    try:
        return datetime.fromisoformat(created_at).astimezone(UTC).date()
    except ValueError:
        return datetime.fromtimestamp(0, UTC).date()
