"""The index against a plain dictionary: any sequence of changes, any query."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.analysis import query_terms
from knowledge.index import FileEntry, IndexWriter, KnowledgeIndex, bm25, dense, postings, segment
from tests.knowledge.index.collection import WORDS, held, open_index, passages_of, put, vectors_of

NAMES = [f"/docs/{name}.md" for name in ("one", "two", "three", "four")]
TEXT = st.lists(
    st.sampled_from("boat sails water honey dawn mast tide mill bees garden".split()), min_size=1, max_size=9
)
TEXTS = st.lists(TEXT.map(" ".join), max_size=5)
NAME = st.sampled_from(NAMES)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("replace"), NAME, TEXTS),
        st.tuples(st.just("move"), NAME, NAME),
        st.tuples(st.just("remove"), NAME),
        st.tuples(st.just("commit")),
        st.tuples(st.just("leave")),
        st.tuples(st.just("compact")),
    ),
    max_size=14,
)


def apply(writer: IndexWriter, model: dict[str, list[str]], step: tuple[Any, ...]) -> None:
    match step:
        case ("replace", source, texts):
            put(writer, source, texts)
            model[source] = texts
        case ("move", old, new) if old in model and old != new:
            texts = model.pop(old)
            writer.move(old, FileEntry(new, "", 0, 0, 0), passages_of(new, texts))
            model[new] = texts
        case ("remove", source) if source in model:
            writer.remove(source)
            del model[source]
        case _:
            pass


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, query=TEXT)
def test_any_sequence_of_changes_gives_what_a_dictionary_gives(steps: list[tuple[Any, ...]], query: list[str]) -> None:
    committed: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        while steps:
            model = dict(committed)
            with IndexWriter.open(folder, WORDS.fingerprint, WORDS.dimension) as writer:
                while steps:
                    step, *steps = steps
                    if step[0] == "leave":
                        break
                    apply(writer, model, step)
                    if step[0] in ("commit", "compact"):
                        writer.commit(["/docs"]) if step[0] == "commit" else writer.compact()
                        committed = dict(model)
                    assert {source: entry.passages for source, entry in writer.files.items()} == {
                        source: len(texts) for source, texts in model.items()
                    }
        with IndexWriter.open(folder, WORDS.fingerprint, WORDS.dimension) as writer:
            writer.commit(["/docs"])
        index = open_index(folder)
        assert held(index) == committed
        check_dense(index, committed, " ".join(query))
        with IndexWriter.open(folder, WORDS.fingerprint, WORDS.dimension) as writer:
            writer.compact()
        whole = open_index(folder)
        check_lexical(whole, committed, query)
        index.close()
        whole.close()


def check_dense(index: KnowledgeIndex, model: dict[str, list[str]], query: str) -> None:
    vector = vectors_of([query])[0]
    truth = {(source, line): text for source, texts in model.items() for line, text in enumerate(texts, 1)}
    cosines = {place: float(vectors_of([text])[0] @ vector) for place, text in truth.items()}
    for k in (1, 3, 50):
        rows, found = index.search_dense(vector, k)
        assert found.tolist() == pytest.approx(sorted(cosines.values(), reverse=True)[:k], abs=1e-5)
        places = [(passage.source, passage.start_line) for passage in index.passages(rows)]
        assert [cosines[place] for place in places] == pytest.approx(found.tolist(), abs=1e-5)


def check_lexical(index: KnowledgeIndex, model: dict[str, list[str]], query: list[str]) -> None:
    """Scores by the formula, for an index without deletions."""
    bags = {
        (source, line): bag
        for source, texts in model.items()
        for line, bag in enumerate(segment.terms_in_context(passages_of(source, texts)), 1)
    }
    average = sum(map(len, bags.values())) / max(len(bags), 1)
    weights = {term: 1.0 + place for place, term in enumerate(query_terms(" ".join(query)))}
    scores = {}
    for place, bag in bags.items():
        norm = bm25.K1 * (1 - bm25.B + bm25.B * len(bag) / max(average, 1))
        score = 0.0
        for term, weight in weights.items():
            holders = sum(term in other for other in bags.values())
            score += weight * bm25.idf(len(bags), holders) * bag.count(term) / (bag.count(term) + norm)
        if score:
            scores[place] = score
    for k in (1, 4, 50):
        rows, found = index.search_lexical(weights, k)
        assert found.tolist() == pytest.approx(sorted(scores.values(), reverse=True)[:k], rel=1e-4)
        places = [(passage.source, passage.start_line) for passage in index.passages(rows)]
        assert [scores[place] for place in places] == pytest.approx(found.tolist(), rel=1e-4)
        np.testing.assert_allclose(index.lexical_scores(weights, rows), found, rtol=1e-4)


def postings_at_random(chance: np.random.Generator, rows: int) -> postings.Postings:
    """Terms from rare to frequent."""
    collector = postings.TermCollector()
    shares = np.array([0.001, 0.003, 0.01, 0.05, 0.2, 0.5, 0.8])
    for _ in range(rows):
        here = np.flatnonzero(chance.random(len(shares)) < shares)
        collector.add([f"t{each}" for each in here for _ in range(chance.integers(1, 4))])
    return collector.postings()


@pytest.mark.parametrize("seed", range(6))
def test_leaving_frequent_terms_out_changes_no_result(seed: int) -> None:
    chance = np.random.default_rng(seed)
    scorer = bm25.Scorer(postings_at_random(chance, 4000), 4.0)
    everything = np.arange(4000)
    for _ in range(40):
        terms = [(postings.term_hash(f"t{each}"), float(chance.random()) * 8) for each in chance.permutation(7)[:5]]
        excluded = np.flatnonzero(chance.random(4000) < chance.choice([0, 0.1, 0.9]))
        truth = scorer.scores(terms, everything)
        truth[excluded] = 0
        k = int(chance.choice([1, 10, 200]))
        rows, found = scorer.search(terms, k, excluded)
        expected = np.sort(truth[truth > 0])[::-1][:k]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        np.testing.assert_allclose(truth[rows], found, rtol=1e-5)


def test_a_count_beyond_a_byte_counts_as_255() -> None:
    collector = postings.TermCollector()
    collector.add(["many"] * 1000)
    collector.add(["few"])
    found = collector.postings()
    assert found.counts[found.find(postings.term_hash("many"))].tolist() == [255]
    assert found.lengths.tolist() == [1000, 1]


def clusters(chance: np.random.Generator, centres: np.ndarray, count: int) -> np.ndarray:
    spread = chance.standard_normal((count, centres.shape[1]), dtype=np.float32) * 0.08
    vectors = centres[chance.integers(len(centres), size=count)] + spread
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def test_inverted_lists_reach_their_recall_and_honour_deletions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "FLAT_AT_MOST", 1000)
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((60, 64), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = clusters(chance, centres, 6000)
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        for number in range(60):
            source, texts = f"/docs/{number}.md", [f"{number} {line}" for line in range(100)]
            rows = slice(number * 100, number * 100 + 100)
            writer.replace(FileEntry(source, "", 0, number, 100), passages_of(source, texts), vectors[rows])
        writer.commit(["/docs"])
        for number in range(5):
            writer.remove(f"/docs/{number}.md")
        writer.commit(["/docs"])
    index = open_index(tmp_path)
    layout = index._segments[0].facts.layout
    assert layout.kind == "ivf"
    assert 0 < layout.probes < layout.lists
    assert layout.recall >= dense.RECALL_TARGET
    assert np.abs(index.vectors(np.arange(500, 6000)) - vectors[500:]).max() < 1e-3
    queries = clusters(chance, centres, 200)
    truth = np.argsort(-(queries @ vectors[500:].T), axis=1)[:, :10] + 500
    found = [index.search_dense(query, 10) for query in queries]
    recall = np.mean(
        [len({*rows.tolist()} & {*best.tolist()}) / 10 for (rows, _), best in zip(found, truth, strict=True)]
    )
    assert recall >= dense.RECALL_TARGET
    for query, (rows, cosines) in zip(queries, found, strict=True):
        assert rows.min() >= 500
        np.testing.assert_allclose(cosines, vectors[rows] @ query, atol=1e-3)
    few, many = np.arange(700, 1200), np.arange(600, 5600)
    for allowed in (few, many):
        rows, _ = index.search_dense(queries[0], 10, rows=allowed)
        exact = allowed[np.argsort(-(vectors[allowed] @ queries[0]))[:10]]
        assert len({*rows.tolist()} & {*exact.tolist()}) >= (10 if allowed is few else 9)
    index.close()
