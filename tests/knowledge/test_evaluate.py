from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from knowledge.beir import BeirFolder, read_beir
from knowledge.chunking import embedded_text, split
from knowledge.corpus import beir_queries, open_beir
from knowledge.evaluate import Evaluation, JudgedQuery, evaluate
from knowledge.metrics import ndcg
from knowledge.schema import IngestProgress, Passage
from tests.knowledge.words import WordEmbedder

TEXTS = {
    "bees": ("Keeping bees", "A hive holds sixty thousand bees. Honey is harvested in August."),
    "sea/1": ("The sea", "The sea is deep and salty. Its tides follow the moon."),
    "moon": ("", "The moon is 384,400 km from the earth. It has no air."),
    "title only": ("Tides of the northern coast", ""),
    "long": ("Pumps", " ".join(f"Pump number {n} lifts {n} litres of water a minute." for n in range(80))),
}
QUERIES = {
    "q1": "How many bees does a hive hold?",
    "q2": "pump number 77",
    "q3": "tides",
    "q4": "purple elephants dance",
}
JUDGED = {"q1": {"bees": 1}, "q2": {"long": 1}, "q3": {"title only": 2, "sea/1": 1}, "q4": {"moon": 1}}


@pytest.fixture
def folder(tmp_path: Path) -> BeirFolder:
    """Five documents, four judged queries; nothing answers the last."""
    corpus = [{"_id": name, "title": title, "text": text} for name, (title, text) in TEXTS.items()]
    asked = [{"_id": name, "text": text} for name, text in QUERIES.items()]
    for name, records in (("corpus.jsonl", corpus), ("queries.jsonl", asked)):
        (tmp_path / name).write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    lines = [f"{query}\t{name}\t{gain}" for query, gains in JUDGED.items() for name, gain in gains.items()]
    (tmp_path / "qrels.tsv").write_text("\n".join(lines), encoding="utf-8")
    return read_beir(tmp_path)


def measured(folder: BeirFolder, cache: Path, embedder: WordEmbedder | None = None) -> Evaluation:
    with open_beir(folder, cache, embedder or WordEmbedder()) as retriever:
        return evaluate(beir_queries(folder), retriever)


def test_every_document_is_indexed_with_its_title_as_heading(folder: BeirFolder, tmp_path: Path) -> None:
    with open_beir(folder, tmp_path / "cache", WordEmbedder()) as retriever:
        found = retriever.index.passages(range(retriever.index.size))
    names = {passage.source.removeprefix("/corpus/") for passage in found}
    assert names == set(TEXTS)
    assert {(p.heading, p.text) for p in found if p.source.endswith("sea/1")} == {("The sea", TEXTS["sea/1"][1])}
    assert {(p.heading, p.text) for p in found if p.source.endswith("only")} == {("", TEXTS["title only"][0])}
    assert sum(p.heading == "Pumps" for p in found) > 3


def test_documents_rank_where_their_best_passage_ranks(folder: BeirFolder, tmp_path: Path) -> None:
    result = measured(folder, tmp_path / "cache")
    first = {outcome.query.id: outcome for outcome in result.outcomes}
    assert first["q1"].rank == 1
    assert first["q2"].rank == 1
    assert "77" in first["q2"].found[0][1].text
    for outcome in result.outcomes:
        items = [item for item, _ in outcome.found]
        assert len(set(items)) == len(items), "a document is found once"
        if len(items) < 10:
            assert outcome.scores["ndcg@10"] == ndcg(items, JUDGED[outcome.query.id], 10)
    assert first["q3"].scores["recall@10"] == 1


def test_means_and_intervals_are_those_of_the_outcomes(folder: BeirFolder, tmp_path: Path) -> None:
    result = measured(folder, tmp_path / "cache")
    facts = result.to_json()
    assert {"ndcg@10", "recall@10", "recall@100", "mrr@10", "hit@5", "seconds", "intervals", "queries"} <= set(facts)
    assert facts["queries"] == 4
    for name, mean in result.means.items():
        values = [outcome.scores[name] for outcome in result.outcomes]
        assert mean == pytest.approx(sum(values) / 4)
        assert facts[name] == pytest.approx(mean, abs=1e-4)
        low, high = facts["intervals"][name]
        assert low - 1e-4 <= mean <= high + 1e-4


def test_misses_come_worst_first_and_say_what_was_expected(folder: BeirFolder, tmp_path: Path) -> None:
    misses = measured(folder, tmp_path / "cache").misses()
    scores = [miss.scores["ndcg@10"] for miss in misses]
    assert scores == sorted(scores)
    assert "q1" not in {miss.query.id for miss in misses}
    record = json.loads(json.dumps(misses[0].to_json()))
    assert record["query"] == QUERIES[misses[0].query.id]
    assert record["expected"]
    assert all({"relevant", "locator", "text"} <= set(hit) for hit in record["found"])


def test_the_second_run_embeds_only_the_queries(folder: BeirFolder, tmp_path: Path) -> None:
    steps: list[IngestProgress] = []
    with open_beir(folder, tmp_path / "cache", WordEmbedder(), steps.append) as retriever:
        first = evaluate(beir_queries(folder), retriever, on_progress=steps.append)
    assert {step.phase for step in steps} == {"embedding", "searching"}
    embedder = WordEmbedder()
    second = measured(folder, tmp_path / "cache", embedder)
    assert set(embedder.texts) == set(QUERIES.values())
    assert second.means == first.means


def test_a_collection_named_by_another_path_is_the_same(folder: BeirFolder, tmp_path: Path) -> None:
    before = measured(folder, tmp_path / "cache")
    moved = shutil.copytree(folder.corpus.parent, tmp_path / "moved", ignore=shutil.ignore_patterns("cache"))
    embedder = WordEmbedder()
    assert measured(read_beir(moved), tmp_path / "cache", embedder).means == before.means
    assert set(embedder.texts) == set(QUERIES.values())


def test_a_changed_corpus_or_embedder_is_indexed_anew(folder: BeirFolder, tmp_path: Path) -> None:
    measured(folder, tmp_path / "cache")
    other = WordEmbedder("other")
    measured(folder, tmp_path / "cache", other)
    assert len(other.texts) > len(QUERIES)
    folder.corpus.write_text(json.dumps({"_id": "moon", "text": "Purple elephants."}), encoding="utf-8")
    result = measured(folder, tmp_path / "cache")
    assert result.passages == 1
    assert result.outcomes[3].rank == 1


def test_an_index_cut_off_by_an_interrupt_is_made_anew(folder: BeirFolder, tmp_path: Path) -> None:
    def interrupt(step: IngestProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_beir(folder, tmp_path / "cache", WordEmbedder(), interrupt):
        pass
    assert measured(folder, tmp_path / "cache").passages > 5


def test_a_damaged_cache_is_made_anew(folder: BeirFolder, tmp_path: Path) -> None:
    before = measured(folder, tmp_path / "cache")
    (current,) = (tmp_path / "cache").glob("*/CURRENT")
    current.write_text("nonsense", encoding="utf-8")
    assert measured(folder, tmp_path / "cache").means == before.means


def test_what_is_measured_is_how_ingest_splits(folder: BeirFolder, tmp_path: Path) -> None:
    from langchain_core.documents import Document

    embedder = WordEmbedder()
    measured(folder, tmp_path / "cache", embedder)
    text = TEXTS["long"][1]
    document = Document(f"# Pumps\n\n{text}", metadata={"markup": "markdown"})
    assert {embedded_text(passage) for passage in split([document], "/pumps.md")} <= set(embedder.texts)


def test_hits_count_what_a_model_would_be_shown(folder: BeirFolder, tmp_path: Path) -> None:
    with open_beir(folder, tmp_path / "cache", WordEmbedder()) as retriever, closing(retriever.index):
        rows = [row for row, _ in retriever.rank("water", 100)]
        ranked = retriever.index.passages(rows)
        worth = {ranked[2].id: 1}
        query = JudgedQuery("q", "water", worth, lambda passage: passage.id, ())
        assert evaluate([query], retriever, top_k=2).means["hit@2"] == 0
        assert evaluate([query], retriever, top_k=3).means["hit@3"] == 1


def test_a_place_is_one_item_however_many_passages_lie_in_it(folder: BeirFolder, tmp_path: Path) -> None:
    def item(passage: Passage) -> str:
        return "pumps" if passage.heading == "Pumps" else passage.id

    with open_beir(folder, tmp_path / "cache", WordEmbedder()) as retriever:
        query = JudgedQuery("q", "litres of water", {"pumps": 1}, item, ("pumps",))
        assert evaluate([query], retriever).means["ndcg@10"] == 1
