"""What the pages show of training: plain values, which `ui.improvement` reads from the disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand before a run.

    Attributes:
        signals, new, withheld: judgements there are, that the last run did not know, and that may not be learned
            from.
        needed: how many a run takes.
        served: the adapter that answers; "" for none.
        missing: packages that training needs and that are not installed.
        problem: why training cannot improve what answers; "" when it can.
    """

    signals: int
    new: int
    withheld: int
    needed: int
    served: str
    missing: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a run; its state is "done", "now" or "to come"."""

    name: str
    title: str
    state: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the loop.

    Attributes:
        state: "running" (at work, or interrupted), "waiting", "served", "refused", "given up" or "failed".
        at_work: whether a process works on it.
        began: UTC, ISO 8601.
        facts: counts and figures that it noted.
        failure: what stopped it for good; "" for nothing.
        judged: whether there is a verdict.
    """

    name: str
    state: str
    at_work: bool
    began: str
    stages: tuple[Stage, ...]
    facts: Mapping[str, Any]
    failure: str
    judged: bool


@dataclass(frozen=True, slots=True)
class Step:
    """An optimizer step: nats per target, and tokens of the data per second."""

    number: int
    loss: float
    tokens_per_second: float
    progress: float
    seconds: float
    dev_loss: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """A part of the training and its steps; `seconds_left` is estimated, None before the first step."""

    title: str
    steps: tuple[Step, ...]
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class DatasetView:
    """A data set: examples by part, its card in Markdown, and the digest that lineages name."""

    examples: Mapping[str, int]
    card: str
    digest: str


@dataclass(frozen=True, slots=True)
class Line:
    """A metric of a verdict.

    Attributes:
        title: for people.
        change: the gain (positive is better), or for a ratio how many times as much; with its interval.
        limit: what the interval must stay above, or for a ratio below.
        kind: "share", "bits" or "ratio": which unit it has.
        primary: whether it had to be better.
        holds: whether nothing in it speaks against the candidate.
    """

    title: str
    before: float
    after: float
    change: tuple[float, float, float]
    limit: float
    count: int
    kind: str
    primary: bool
    holds: bool


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The gate's verdict on a candidate, to be shown."""

    promoted: bool
    reasons: tuple[str, ...]
    base: str
    candidate: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """What two models said to the same item; `change` is "lost", "won", "both wrong" or "both right"."""

    change: str
    suite: str
    question: str
    passages: tuple[str, ...]
    wanted: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter in the store.

    Attributes:
        depth: how many ancestors it has.
        standing: "served", "passed", "refused" or "not judged".
        recipe, seed, metrics: how it was trained, and the figures of that.
        parent: the adapter that training went on from; "" for the model itself.
        base: the model's file.
        dataset: SHA-256 of what it learned from.
        made: UTC, ISO 8601.
    """

    name: str
    depth: int
    standing: str
    recipe: str
    seed: int | None
    metrics: Mapping[str, float]
    parent: str
    base: str
    dataset: str
    made: str


@dataclass(frozen=True, slots=True)
class ExampleView:
    """An example of a data set: its messages, the tools offered, where it comes from, and what is not to be said."""

    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[str, ...]
    source: str
    rejected: str
    label: bool | None

    @property
    def text(self) -> str:
        """All that is said in it, to be searched."""
        return "\n".join(str(message.get("content") or "") for message in self.messages)
