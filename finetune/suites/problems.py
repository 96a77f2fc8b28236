"""The suite "gsm8k": word problems with the calculator at hand; what counts is the number."""

from __future__ import annotations

from pathlib import Path

from finetune.default.public_data import lines
from finetune.default.sources.gsm8k import CALCULATOR, result_of
from finetune.evaluation.items import EvaluationItem


def items(name: str, data: Path, seed: int) -> list[EvaluationItem]:
    """All problems; nothing is drawn by chance."""
    return [
        EvaluationItem(
            f"{name}-{number}",
            name,
            ({"role": "user", "content": line["question"].strip()},),
            (CALCULATOR,),
            {"number": result_of(line["answer"])},
        )
        for number, line in enumerate(lines(data / "dev" / "gsm8k" / "test_300.jsonl"), 1)
    ]
