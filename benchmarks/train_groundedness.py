"""Train the model by which `agent.grounding` judges the sentences of an answer.

    python -m benchmarks.train_groundedness [DATA]

Uses `train/squad` and `train/halueval` only. Oblivious trees are boosted on the logistic loss; thresholds are
chosen on out-of-fold predictions, whole articles and questions left out. The same data give the same file.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np

from agent.grounding import MIN_WORDS, Evidence
from agent.support import MODEL
from benchmarks.boosting import FOLDS, Samples, out_of_fold, write_model
from benchmarks.claims_data import Example, halueval, squad
from benchmarks.workspace import ROOT
from knowledge.claims import claim_of
from knowledge.likeness import FEATURES
from knowledge.schema import Passage

HALUEVAL_WEIGHT = 3.0  # of one of its sentences, written by people and models, against a sentence made by rule
ALARMS = 0.15  # share of supported sentences that may be marked
SURE = 0.95  # precision wanted of "not"


def measure(examples: list[Example]) -> tuple[list[Example], np.ndarray]:
    """The examples with enough words to be checked, and their features."""
    kept, rows, evidence = [], [], {}
    for example in examples:
        if len(claim_of(example.sentence).words) < MIN_WORDS:
            continue
        if example.passages not in evidence:
            evidence = {example.passages: evidence_of(example)}
        values = evidence[example.passages].features(example.sentence)
        if values is not None:
            kept.append(example)
            rows.append(values)
    return kept, np.array(rows)


def evidence_of(example: Example) -> Evidence:
    """The passages of an example as the evidence of a turn."""
    return Evidence([Passage(str(n), f"/{n}", text, 1, 1) for n, text in enumerate(example.passages)])


def weigh(examples: list[Example]) -> np.ndarray:
    """Supported and unsupported sentences of each source count alike."""
    weights = np.zeros(len(examples))
    for from_halueval in (False, True):
        for side in (False, True):
            chosen = np.array([(e.kind.endswith("_answer") == from_halueval) and e.supported == side for e in examples])
            source = sum(e.kind.endswith("_answer") == from_halueval for e in examples)
            weights[chosen] = (HALUEVAL_WEIGHT if from_halueval else 1.0) * source / 2 / max(1, chosen.sum())
    return weights


def thresholds(predicted: np.ndarray, samples: Samples) -> tuple[float, float]:
    """From where on a sentence is supported, and from where on partly.

    The first gives the best F1 of unsupported sentences with at most `ALARMS` of the supported ones among them;
    below the second, `SURE` of the sentences are unsupported.
    """
    grid = np.round(np.arange(0.05, 0.96, 0.01), 2)
    wrong, weights = ~samples.yes, samples.weights
    caught = np.array([(weights * (wrong & (predicted < limit))).sum() for limit in grid])
    flagged = np.array([(weights * (predicted < limit)).sum() for limit in grid])
    f1 = 2 * caught / (flagged + (weights * wrong).sum())
    alarms = (flagged - caught) / (weights * samples.yes).sum()
    supported = float(grid[np.where(alarms <= ALARMS, f1, 0.0).argmax()])
    sure = grid[(caught / np.maximum(flagged, 1e-9) >= SURE) & (grid < supported)]
    return supported, float(sure.max()) if len(sure) else float(grid[0])


def collect(data: Path) -> tuple[list[Example], Samples]:
    """All training examples and their numbers."""
    made = [*squad(data / "train" / "squad" / "train_articles.json", per_paragraph=3)]
    examples, values = measure([*made, *halueval(data / "train" / "halueval")])
    supported = np.array([example.supported for example in examples])
    folds = np.array([zlib.crc32(example.group.encode()) % FOLDS for example in examples])
    return examples, Samples(values, supported, weigh(examples), folds)


def main() -> None:
    """Write the model beside the code that reads it."""
    examples, samples = collect(Path(sys.argv[1]) if sys.argv[1:] else ROOT.parent / "shared" / "data")
    supported, partly = thresholds(out_of_fold(samples), samples)
    write_model(MODEL, samples, FEATURES, {"supported": supported, "partly": partly})
    print(f"{len(examples)} examples; supported from {supported}, partly from {partly}; wrote {MODEL.name}")


if __name__ == "__main__":
    main()
