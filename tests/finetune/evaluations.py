"""Evaluations made of scores, without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finetune.evaluation.items import Evaluation, EvaluationItem, ItemResult

LINEAGE = {"base": "smol", "dataset": "0" * 64, "recipe": "lora"}
Scores = Mapping[str, float]


def item(name: str, suite: str = "facts", **expected: Any) -> EvaluationItem:
    return EvaluationItem(
        name, suite, ({"role": "user", "content": f"What is {name}?"},), expected=expected or {"answers": ["x"]}
    )


def evaluation(
    scores: Sequence[Scores], adapter: str = "", suite: str = "facts", seconds: Sequence[float] = ()
) -> Evaluation:
    """An evaluation whose item `q0`, `q1`, … has the scores given."""
    items = tuple(item(f"q{number}", suite) for number in range(len(scores)))
    results = tuple(
        ItemResult(
            one.id,
            one.suite,
            f"{adapter} says",
            [],
            dict(given),
            seconds[number] if seconds else 1.0,
            3,
            digest=one.digest,
            key=one.key,
        )
        for number, (one, given) in enumerate(zip(items, scores, strict=True))
    )
    return Evaluation("local:default", adapter, items, results, LINEAGE if adapter else {})
