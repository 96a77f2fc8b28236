from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from knowledge import generations
from knowledge.contents import Contents, FileEntry, save_index
from knowledge.errors import EmbedderMismatch, IndexCorrupt, IndexMissing
from knowledge.index import KnowledgeIndex
from knowledge.schema import Passage
from tests.knowledge.words import WordEmbedder

TEXTS = [
    "The boat sails at dawn with the tide.",
    "Watering tomatoes: two litres every day.",
    'A "quoted" word AND an operator NEAR others* (x OR y) col:z',
    "Bees make honey in August.",
    "Running water runs through the mill.",
]


def contents(embedder: WordEmbedder, texts: list[str] = TEXTS) -> Contents:
    passages = [Passage(f"id{n}", f"/docs/file-{n}.md", text, n + 1, n + 1) for n, text in enumerate(texts)]
    files = {p.source: FileEntry(p.source, "0" * 64, 10, 20, 1) for p in passages}
    return Contents(passages, embedder.embed(texts), files, ("/docs",))


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def index(tmp_path: Path, embedder: WordEmbedder) -> KnowledgeIndex:
    save_index(tmp_path, contents(embedder), embedder.fingerprint)
    return KnowledgeIndex.open(tmp_path, embedder.fingerprint)


def test_what_was_saved_is_what_is_opened(index: KnowledgeIndex, embedder: WordEmbedder) -> None:
    saved, opened = contents(embedder), index.contents()
    assert opened.passages == saved.passages
    assert opened.files == saved.files == index.sources()
    assert opened.roots == ("/docs",)
    np.testing.assert_array_equal(opened.vectors, saved.vectors)
    assert index.size == 5


def test_dense_search_is_exact(index: KnowledgeIndex, embedder: WordEmbedder) -> None:
    vector = embedder.embed(["honey bees august"])[0]
    found = index.search_dense(vector, 3)
    cosines = {f"id{n}": float(row @ vector) for n, row in enumerate(embedder.embed(TEXTS))}
    assert found[0][0] == "id3"
    assert [score for _, score in found] == pytest.approx(sorted(cosines.values(), reverse=True)[:3])
    assert dict(found) == pytest.approx({name: cosines[name] for name, _ in found})
    assert index.similarities(vector, ["id0", "nobody"]) == pytest.approx({"id0": cosines["id0"]})
    assert len(index.search_dense(vector, 99)) == 5
    assert index.search_dense(vector, 0) == []


def test_lexical_search_stems_and_scores(index: KnowledgeIndex) -> None:
    found = index.search_lexical("Which bee made honeys?", 5)
    assert [name for name, _ in found] == ["id3"]
    assert found[0][1] > 0
    assert {name for name, _ in index.search_lexical("run the waters", 5)} == {"id1", "id4"}
    assert [name for name, _ in index.search_lexical("file-2", 1)] != []


@pytest.mark.parametrize(
    "query",
    ['"', "'", 'a" OR words MATCH "b', "NEAR(", "col:z", "*", "x AND", "-boat", "^boat", "{a b}:c", "(", "\0",
     "; DROP TABLE passages; --", "AND OR NOT", "quoted operator", " ", "the of and", "💥", "x" * 100_000,
     "boat " * 20_000],
)  # fmt: skip
def test_no_query_is_an_operator(index: KnowledgeIndex, query: str) -> None:
    for name, score in index.search_lexical(query, 5):
        assert name.startswith("id") and score > 0
    assert all(0 <= share <= 1 for share in index.coverage(query, ["id0", "id2"]).values())
    assert index.contents().passages


def test_coverage_weighs_rare_words_more(index: KnowledgeIndex) -> None:
    assert index.coverage("boat dawn", ["id0", "id1"]) == pytest.approx({"id0": 1.0, "id1": 0.0})
    covered = index.coverage("water boat", ["id0", "id4"])
    assert covered["id0"] > covered["id4"] > 0


def test_passages_come_in_the_order_asked_for(index: KnowledgeIndex) -> None:
    assert [p.id for p in index.passages(["id3", "unknown", "id0"])] == ["id3", "id0"]
    assert index.passages([]) == []


def test_another_embedder_is_refused(tmp_path: Path, index: KnowledgeIndex) -> None:
    with pytest.raises(EmbedderMismatch, match=r"kept.*ratchet ingest FOLDER --rebuild"):
        KnowledgeIndex.open(tmp_path, "other:0:64")


def test_missing_and_foreign_formats(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing):
        KnowledgeIndex.open(tmp_path / "nowhere", "words:0:64")
    generations.publish(tmp_path, {}, {"format": 999})
    with pytest.raises(IndexCorrupt, match="another version"):
        KnowledgeIndex.open(tmp_path, "words:0:64")


def test_damage_is_never_answered_from(tmp_path: Path, index: KnowledgeIndex) -> None:
    index.close()
    chance = random.Random(3)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "writer.lock"]
    for number in range(200):
        path = chance.choice(files)
        original = path.read_bytes()
        damaged = bytearray(original)
        start = chance.randrange(len(damaged))
        span = range(start, min(start + chance.choice([1, 8, 512]), len(damaged)))
        for position in span:
            damaged[position] = 0 if number % 2 else chance.randrange(256)
        path.write_bytes(damaged)
        if bytes(damaged) != original:
            with pytest.raises(IndexCorrupt):
                KnowledgeIndex.open(tmp_path, "words:0:64")
        path.write_bytes(original)
    KnowledgeIndex.open(tmp_path, "words:0:64").close()


def test_a_reader_keeps_its_generation(tmp_path: Path, index: KnowledgeIndex, embedder: WordEmbedder) -> None:
    for number in range(3):
        save_index(tmp_path, contents(embedder, [f"Version {number}."]), embedder.fingerprint)
    assert [p.text for p in index.passages(["id0"])] == [TEXTS[0]]
    assert index.search_lexical("honey", 5)[0][0] == "id3"
    assert KnowledgeIndex.open(tmp_path, embedder.fingerprint).size == 1


def test_an_empty_index_finds_nothing(tmp_path: Path, embedder: WordEmbedder) -> None:
    save_index(tmp_path, Contents([], np.empty((0, 64), np.float32), {}, ()), embedder.fingerprint)
    index = KnowledgeIndex.open(tmp_path, embedder.fingerprint)
    assert index.size == 0
    assert index.search_dense(embedder.embed(["x"])[0], 5) == index.search_lexical("x", 5) == []
    assert index.contents().vectors.shape == (0, 64)
