"""What the gate asks, and what it answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from finetune.errors import EvaluationError, GateRefused
from finetune.evaluation.statistics import Interval

Kind = Literal["not better", "worse", "too few", "missing", "leak", "overturned", "lineage"]


@dataclass(frozen=True, slots=True)
class Guard:
    """A metric that is looked at, and how far it may fall.

    Attributes:
        metric: one of `finetune.evaluation.metrics.METRICS`.
        margin: the drop in the mean that is not tolerated, in the metric's own unit; above 0.
        suite: of these items alone; empty for all that have the metric.
        most_ratio: where it is not 0, the candidate's total may be at most so many times the base's, instead of
            `margin`: for lengths and times.
        required: refuse when no item measures it.

    Raises:
        EvaluationError: the margin is not above 0; no number of items can show that nothing changed at all.
    """

    metric: str
    margin: float = 0.05
    suite: str = ""
    most_ratio: float = 0.0
    required: bool = True

    def __post_init__(self) -> None:
        if self.margin <= 0:
            raise EvaluationError(
                f"The margin of {self.metric} is {self.margin:g}.", fix="Tolerate some drop, such as 0.05."
            )

    @property
    def name(self) -> str:
        """For reasons: "call_exact" or "call_exact of snips"."""
        return f"{self.metric} of {self.suite}" if self.suite else self.metric


GUARDS = (
    Guard("call_exact"),
    Guard("no_call"),
    Guard("invalid_call", 0.03),
    Guard("f1"),
    Guard("abstained"),
    Guard("supported"),
    Guard("format"),
    Guard("refusal"),
    Guard("compliance"),
    Guard("bits_per_byte", 0.1, required=False),
    Guard("words", most_ratio=1.5),
    Guard("seconds", most_ratio=1.5),
)


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """What a candidate must show.

    Attributes:
        primary: the metric that must be better; its margin is not used.
        guards: the metrics that must not be worse.
        confidence: of the primary metric's two-sided interval: 0.95 lets one candidate in forty that is no better pass.
        guard_confidence: of each guard's two-sided interval. 0.90 is usual where all of several conditions must hold:
            each lets a drop of its whole margin pass once in twenty (Schuirmann, "Two one-sided tests", 1987).
        least_items: with fewer, the primary metric is not judged.
        suites: that both must have been asked.
        lineage: what must be known of the candidate.
    """

    primary: Guard = Guard("right")
    guards: tuple[Guard, ...] = GUARDS
    confidence: float = 0.95
    guard_confidence: float = 0.90
    least_items: int = 20
    suites: tuple[str, ...] = ()
    lineage: tuple[str, ...] = ("base", "dataset", "recipe")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric of both, on the items that have it.

    Attributes:
        guard: which.
        count: items.
        before: the base's mean.
        after: the candidate's.
        change: the mean gain, positive where the candidate is better, with its bootstrap interval; of a guard with
            `most_ratio`, the ratio of the candidate's total to the base's.
        worst: the bound that is held against the margin, or against `most_ratio`.
        p_better: one-sided p that a gain like this comes by chance.
        p_worse: the same of a loss.
        mean_square: of the differences, which tells how many items it takes.
    """

    guard: Guard
    count: int
    before: float
    after: float
    change: Interval
    worst: float
    p_better: float
    p_worse: float
    mean_square: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a candidate was refused: what kind of reason, in plain words, about which metric, seen at which items."""

    kind: Kind
    text: str
    metric: str = ""
    items: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.text} For example: {', '.join(self.items)}." if self.items else self.text


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision and all that led to it.

    Attributes:
        promoted: whether the candidate may be served.
        reasons: why not; empty when it may.
        primary: the metric that had to be better; None when no item measured it.
        guards: the metrics that had to hold.
        policy: what was asked.
        base: the adapter it was compared with; empty for the bare model.
        candidate: the adapter.
        model: what both were served by.
        lineage: of the candidate.
    """

    promoted: bool
    reasons: tuple[Reason, ...]
    primary: Comparison | None
    guards: tuple[Comparison, ...]
    policy: GatePolicy
    base: str
    candidate: str
    model: str
    lineage: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def check(self) -> None:
        """Do nothing if the candidate is promoted.

        Raises:
            GateRefused: it is not; the message is the first reason.
        """
        if not self.promoted:
            more = f" And {len(self.reasons) - 1} more." if len(self.reasons) > 1 else ""
            raise GateRefused(
                f"{self.candidate or 'The candidate'} was not promoted. {self.reasons[0]}{more}",
                kept="What is served stays.",
            )
