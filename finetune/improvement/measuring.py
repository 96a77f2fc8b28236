"""Both adapters on the same items: the user's held-out questions, and what must not be forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.evaluation.items import EvaluationItem
from finetune.evaluation.verdict import GatePolicy, Guard
from finetune.improvement.rehearsal import GUARDS as GUARD_SUITES
from finetune.improvement.rehearsal import LOOKUPS, TOOLS
from finetune.schema import Example
from finetune.suites.own import own_suite

YOURS = "yours"
RIGHT, LIKELIHOOD = "right", "bits_per_byte"
# Some dozens of items to a suite let a drop of a fifth be ruled out, and no smaller one: see `evaluation.gate`.
GUARDS = (
    Guard("call_exact", 0.15, TOOLS),
    Guard("no_call", 0.25, TOOLS),
    Guard("invalid_call", 0.1, TOOLS),
    Guard("recall", 0.2, LOOKUPS),  # not F1: who teaches whole sentences has not made the model forget
    Guard("abstained", 0.25, LOOKUPS),
    Guard("supported", 0.15, LOOKUPS),
    Guard("format", 0.2, "formats"),
    Guard("refusal", 0.25, "refusals"),
    Guard("compliance", 0.25, "refusals"),
    Guard("compliance", 0.2, "requests"),
    Guard("right", 0.2, "general"),
    Guard("words", suite="general", most_ratio=2.0),
    Guard("seconds", most_ratio=1.5),
)


def own_items(test: Sequence[Example]) -> tuple[EvaluationItem, ...]:
    """The user's held-out questions as items."""
    return own_suite(test, YOURS)


def policy_for(items: Sequence[EvaluationItem]) -> GatePolicy:
    """What a candidate must show: better at the user's questions, and nowhere worse.

    Long answers without passages are right in too many ways to be compared word by word; where most are so, the
    likelihood of the wanted answer is what must rise. The others of the user's questions are guarded.
    """
    own = [item for item in items if item.suite == YOURS]
    primary, count = most_measured(own)
    return GatePolicy(
        Guard(primary, suite=YOURS), (_other(primary, len(own) - count), *GUARDS), suites=(YOURS, *GUARD_SUITES)
    )


def measure_of(item: EvaluationItem) -> str:
    """The metric by which one of the user's questions is judged."""
    return LIKELIHOOD if item.kind == "text" else RIGHT


def most_measured(items: Sequence[EvaluationItem]) -> tuple[str, int]:
    """The metric that most items have, and how many they are."""
    counts = Counter(map(measure_of, items))
    metric = LIKELIHOOD if counts[LIKELIHOOD] > counts[RIGHT] else RIGHT
    return metric, counts[metric]


def _other(primary: str, count: int) -> Guard:
    """The guard of those questions that the primary metric leaves out.

    There may be a handful of them, which could never rule a small drop out: then the margin is what so many can.
    """
    from finetune.evaluation.statistics import unseen

    if primary == RIGHT:
        return Guard(LIKELIHOOD, 0.1, YOURS, required=False)
    return Guard(RIGHT, max(0.2, 1.1 * unseen(count, GatePolicy().guard_confidence)), YOURS, required=False)


def results_file(folder: Path, adapter: str, digest: str) -> Path:
    """Where replies are kept: a file for each adapter, so that another one never takes its results."""
    name = f"{Path(adapter).stem}-{digest[:12]}" if digest else "bare"
    return folder / f"replies-{name}.jsonl"


def lineage_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the gate wants to know of a candidate, from what its run noted."""
    return {
        name: facts[name] for name in ("base", "dataset", "recipe", "seed", "parent") if facts.get(name) is not None
    }
