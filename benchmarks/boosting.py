"""Boosted oblivious trees, trained in numpy: the same data give the same trees. See `knowledge.boosted_trees`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TREES, DEPTH, RATE, BINS = 120, 4, 0.12, 32
SHRINKAGE = 20.0  # added to the curvature of a leaf
FOLDS = 5

Tree = tuple[list[int], list[float], list[float]]


@dataclass(frozen=True)
class Samples:
    """Examples as numbers: features [n, f], whether the answer is yes [n], weights [n], and the fold of each [n]."""

    values: np.ndarray
    yes: np.ndarray
    weights: np.ndarray
    folds: np.ndarray


def bin_edges(values: np.ndarray) -> list[np.ndarray]:
    """For each feature at most `BINS` thresholds between its values."""
    edges = []
    for column in values.T:
        different = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)))
        edges.append(np.round((different[1:] + different[:-1]) / 2, 6))
    return edges


def boost(samples: Samples) -> tuple[float, list[Tree]]:
    """Bias and trees fitted to all the samples."""
    edges = bin_edges(samples.values)
    bins = np.stack([np.searchsorted(e, c, side="left") for e, c in zip(edges, samples.values.T, strict=True)])
    target, weights = samples.yes.astype(float), samples.weights
    share = (target * weights).sum() / weights.sum()
    bias = float(np.log(share / (1 - share)))
    odds = np.full(len(target), bias)
    trees: list[Tree] = []
    for _ in range(TREES):
        expected = 1 / (1 + np.exp(-odds))
        slope, curve = weights * (target - expected), weights * expected * (1 - expected)
        tree, rows = grow(bins, edges, slope, curve)
        trees.append(tree)
        odds += np.array(tree[2])[rows]
    return round(bias, 5), trees


def grow(bins: np.ndarray, edges: list[np.ndarray], slope: np.ndarray, curve: np.ndarray) -> tuple[Tree, np.ndarray]:
    """One tree by Newton's method, and the leaf in which each sample ends."""
    leaf = np.zeros(bins.shape[1], dtype=np.int64)
    asked, limits = [], []
    for level in range(DEPTH):
        feature, split = best_split(bins, edges, leaf, slope, curve, 2**level)
        asked.append(feature)
        limits.append(float(edges[feature][split]))
        leaf = 2 * leaf + (bins[feature] > split)
    size = 2**DEPTH
    gain = np.bincount(leaf, slope, size) / (np.bincount(leaf, curve, size) + SHRINKAGE)
    return (asked, limits, [round(RATE * float(value), 4) for value in gain]), leaf


def best_split(
    bins: np.ndarray, edges: list[np.ndarray], leaf: np.ndarray, slope: np.ndarray, curve: np.ndarray, leaves: int
) -> tuple[int, int]:
    """The feature and threshold that, asked in every leaf, lower the loss most."""
    best = (-np.inf, 0, 0)
    for feature, thresholds in enumerate(edges):
        if not len(thresholds):
            continue
        width = len(thresholds) + 1
        cell = leaf * width + bins[feature]
        g = np.bincount(cell, slope, leaves * width).reshape(leaves, width).cumsum(axis=1)
        h = np.bincount(cell, curve, leaves * width).reshape(leaves, width).cumsum(axis=1)
        left_g, left_h = g[:, :-1], h[:, :-1]
        right_g, right_h = g[:, -1:] - left_g, h[:, -1:] - left_h
        gain = (left_g**2 / (left_h + SHRINKAGE) + right_g**2 / (right_h + SHRINKAGE)).sum(axis=0)
        place = int(gain.argmax())
        if gain[place] > best[0] + 1e-9:
            best = (float(gain[place]), feature, place)
    return best[1], best[2]


def predict(model: tuple[float, list[Tree]], values: np.ndarray) -> np.ndarray:
    """Probability of support for each row of features."""
    odds = np.full(len(values), model[0])
    for asked, limits, table in model[1]:
        row = np.zeros(len(values), dtype=np.int64)
        for feature, limit in zip(asked, limits, strict=True):
            row = 2 * row + (values[:, feature] > limit)
        odds += np.array(table)[row]
    return 1 / (1 + np.exp(-odds))


def out_of_fold(samples: Samples) -> np.ndarray:
    """For every sample the prediction of a model that saw nothing of its article or question."""
    predicted = np.zeros(len(samples.yes))
    for fold in range(FOLDS):
        held = samples.folds == fold
        parts = (samples.values, samples.yes, samples.weights, samples.folds)
        predicted[held] = predict(boost(Samples(*(part[~held] for part in parts))), samples.values[held])
    return predicted


def write_model(path: Path, samples: Samples, features: Sequence[str], limits: dict[str, float]) -> None:
    """Train on all samples and write the file that `load_trees` reads."""
    bias, trees = boost(samples)
    head = {"features": list(features), "examples": len(samples.yes), "limits": limits, "bias": bias}
    lines = ",\n".join(json.dumps(tree) for tree in trees)
    path.write_text(json.dumps(head)[:-1] + f', "trees": [\n{lines}\n]}}\n', encoding="utf-8")
