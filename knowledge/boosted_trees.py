"""A small model in a file of numbers: boosted oblivious trees.

Gradient boosting after Friedman, "Greedy Function Approximation" (2001); trees that ask the same question in every
branch of a level after Prokhorenkova et al., "CatBoost" (2018). `benchmarks/boosting.py` trains them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BoostedTrees:
    """A sum of small decision tables, as the log-odds of a yes.

    Attributes:
        bias: log-odds before any tree.
        trees: of each the feature asked at every level, the thresholds, and one value per combination of answers.
        limits: named thresholds on the probability.
    """

    bias: float
    trees: tuple[tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...]], ...]
    limits: Mapping[str, float]

    def probability(self, values: Sequence[float]) -> float:
        """Probability of a yes for these features, in (0, 1)."""
        odds = self.bias
        for asked, thresholds, table in self.trees:
            row = 0
            for feature, threshold in zip(asked, thresholds, strict=True):
                row = 2 * row + (values[feature] > threshold)
            odds += table[row]
        return 1 / (1 + math.exp(-odds))


@cache
def load_trees(path: Path) -> BoostedTrees:
    """A model from its file."""
    data = json.loads(path.read_text("utf-8"))
    trees = tuple((tuple(asked), tuple(thresholds), tuple(table)) for asked, thresholds, table in data["trees"])
    return BoostedTrees(data["bias"], trees, data["limits"])
