from __future__ import annotations

import numpy as np
import pytest

from knowledge.analysis import query_terms, terms
from knowledge.ranking import EXPANSION, WORDS, expanded, fuse, without_repeats
from knowledge.schema import Passage


def test_terms_are_folded_stemmed_and_without_noise() -> None:
    assert terms("The Cafés were RUNNING, naïvely!") == ["cafe", "run", "naiv"]
    assert query_terms("What are the caches of a cache?") == ["cach"]
    assert query_terms("What is it?") == query_terms("what IS it") != []
    assert terms("") == query_terms("…") == []
    assert len(query_terms(" ".join(f"word{n}" for n in range(500)))) == 64


def test_fusion_adds_the_share_of_the_words_to_the_cosine() -> None:
    scores = fuse(np.array([0.8, 0.9, 0.1]), np.array([6.0, 0.0, 8.0]), 8.0)
    assert scores.tolist() == pytest.approx([0.8 + 0.75 * WORDS, 0.9, 0.1 + WORDS])
    assert fuse(np.array([0.3]), np.array([0.0]), 0.0).tolist() == [0.3]


def test_a_candidate_scores_the_same_whoever_else_was_found() -> None:
    alone = fuse(np.array([0.5]), np.array([2.0]), 5.0)
    among = fuse(np.array([0.5, 0.99, -0.2]), np.array([2.0, 5.0, 0.1]), 5.0)
    assert alone[0] == among[0]


def rarity(names: object) -> dict[str, float]:
    return {str(name): 0.1 if name == "common" else 3.0 for name in names}  # type: ignore[attr-defined]


def test_expansion_prefers_rare_terms_of_the_best_passages_and_keeps_the_mass() -> None:
    found = expanded({"one": 1.0, "two": 1.0}, [["rare", "common", "one"], ["late"]], [0.9, 0.2], rarity)
    assert sum(found.values()) == pytest.approx(2.0)
    assert found["two"] == pytest.approx(1 - EXPANSION)
    assert found["one"] > found["two"]
    assert found["rare"] > found["common"] and found["rare"] > found["late"] > 0


def test_nothing_to_learn_from_leaves_the_query_alone() -> None:
    assert expanded({"one": 1.0}, [], [], rarity) == {"one": 1.0}
    assert expanded({"one": 1.0}, [[]], [0.5], rarity) == {"one": 1.0}


def test_repeats_keep_the_better_one() -> None:
    texts = ["one two three four five six seven eight nine ten", "something else entirely"]
    first, near, other = (
        Passage(name, "/a", text, 1, 1)
        for name, text in (("1", texts[0]), ("2", texts[0].upper() + " ten!"), ("3", texts[1]))
    )
    assert without_repeats([first, near, other], 5) == [first, other]
    assert without_repeats([first, near, other], 1) == [first]
