"""The three rankings of a search are those of the index, and the verdict is that of a chat."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from knowledge.retriever import HybridRetriever
from tests.agent.library import library
from tests.knowledge.words import WordEmbedder
from ui.search_ranks import search_ranks

TEXTS = {
    "pump.md": "# Pump\n\nRinse the filter of the pump every two weeks.\n",
    "lamp.md": "# Lamp\n\nThe lamp is lit at dusk, and put out at dawn.\n",
    "sea.md": "# Sea\n\nThe sea is deep and salty.\n",
}


@pytest.fixture
def retriever(tmp_path: Path) -> Iterator[HybridRetriever]:
    index, _ = library(tmp_path, TEXTS)
    with closing(index):
        yield HybridRetriever(index=index, embeddings=WordEmbedder(), top_k=2)


def test_places_are_those_of_the_index(retriever: HybridRetriever) -> None:
    ranks = search_ranks(retriever, "How often must I rinse the filter of the pump?")
    first = ranks.standings[0]
    assert first.passage.source.endswith("pump.md")
    assert (first.meaning, first.words, first.fused) == (1, 1, 1)
    fused = [passage.id for passage in retriever.search(ranks.query).passages]
    assert [each.passage.id for each in ranks.ordered(lambda each: each.fused)][: len(fused)] == fused
    near, cosines = retriever.index.search_dense(retriever.embeddings.query_vector(ranks.query), 10)
    by_meaning = ranks.ordered(lambda each: each.meaning)
    assert [each.passage.id for each in by_meaning] == retriever.index.ids(near)
    assert [each.cosine for each in by_meaning] == pytest.approx(cosines.tolist(), abs=1e-6)


def test_what_only_one_ranking_finds_has_no_place_in_the_others(retriever: HybridRetriever) -> None:
    ranks = search_ranks(retriever, "pump filter")
    strangers = [each for each in ranks.standings if not each.passage.source.endswith("pump.md")]
    assert strangers and all(each.words is None and each.bm25 == 0 for each in strangers)
    assert all(each.meaning is not None for each in ranks.standings)


def test_each_ranking_is_as_deep_as_asked(retriever: HybridRetriever) -> None:
    ranks = search_ranks(retriever, "the lamp", depth=1)
    assert [each.fused for each in ranks.standings if each.fused] == [1]
    assert [each.meaning for each in ranks.standings if each.meaning] == [1]


def test_only_what_is_relevant_is_given_to_the_model(retriever: HybridRetriever) -> None:
    close = search_ranks(retriever, "How often must I rinse the filter of the pump?")
    found = retriever.search(close.query)
    assert close.relevant == found.relevant
    assert {each.passage.id for each in close.standings if each.shown} == (
        {passage.id for passage in found.passages} if found.relevant else set()
    )
    assert not any(each.shown for each in search_ranks(retriever, "quantum chromodynamics").standings)


def test_an_empty_query_finds_nothing(retriever: HybridRetriever) -> None:
    assert search_ranks(retriever, " \n ").standings == ()
