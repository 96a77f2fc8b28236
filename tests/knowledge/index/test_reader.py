from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from knowledge.errors import EmbedderMismatch, IndexCorrupt, IndexMissing
from knowledge.index import FileEntry, IndexWriter, KnowledgeIndex, collections, generations
from knowledge.schema import Passage, SearchFilter
from tests.knowledge.index.collection import TEXTS, WORDS, held, open_index, passages_of, put, vectors_of, write

ALL = [text for texts in TEXTS.values() for text in texts]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[KnowledgeIndex]:
    write(tmp_path, TEXTS)
    index = open_index(tmp_path)
    yield index
    index.close()


def texts(index: KnowledgeIndex, rows: np.ndarray) -> list[str]:
    return [passage.text for passage in index.passages(rows)]


def test_what_was_written_is_what_is_opened(index: KnowledgeIndex) -> None:
    assert held(index) == TEXTS
    assert (index.size, index.dimension, index.roots, index.generation) == (5, 64, ("/docs",), "gen-000001")
    rows = index.rows_of("/docs/boat.md")
    assert index.passages(rows) == passages_of("/docs/boat.md", TEXTS["/docs/boat.md"])
    np.testing.assert_array_equal(index.vectors(rows), vectors_of(TEXTS["/docs/boat.md"]))
    assert index.ids(rows[::-1]) == [passage.id for passage in index.passages(rows)][::-1]
    assert index.sources()["/docs/boat.md"].passages == 2
    assert index.rows_of("/docs/unknown").tolist() == []
    assert index.metadata(rows) == [None, None]


def test_dense_search_is_exact(index: KnowledgeIndex) -> None:
    vector = WORDS.embed(["honey bees august"])[0]
    truth = sorted((WORDS.embed(ALL) @ vector).tolist(), reverse=True)
    rows, cosines = index.search_dense(vector, 3)
    assert (rows.dtype, cosines.dtype) == (np.int64, np.float32)
    assert texts(index, rows)[0] == "Bees make honey in August."
    assert cosines.tolist() == pytest.approx(truth[:3])
    assert (index.vectors(rows) @ vector).tolist() == pytest.approx(cosines.tolist())
    assert len(index.search_dense(vector, 99)[0]) == 5
    assert len(index.search_dense(vector, 0)[0]) == 0


def test_lexical_search_goes_by_terms(index: KnowledgeIndex) -> None:
    rows, scores = index.search_lexical({"bee": 1.0, "honey": 1.0}, 5)
    assert texts(index, rows) == ["Bees make honey in August."]
    rows, scores = index.search_lexical({"water": 1.0, "boat": 0.1}, 5)
    assert texts(index, rows)[:2] == [TEXTS["/docs/garden/water.md"][1], TEXTS["/docs/garden/water.md"][0]]
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    assert index.lexical_scores({"water": 1.0, "boat": 0.1}, rows).tolist() == pytest.approx(scores.tolist())
    assert index.lexical_scores({"honey": 1.0}, rows[:1]).tolist() == [0.0]
    assert [len(index.search_lexical(weights, 5)[0]) for weights in ({}, {"nowhere": 1.0}, {"water": 0.0})] == [0, 0, 0]
    assert len(index.search_lexical({"water": 1.0}, 0)[0]) == 0
    assert index.document_frequencies(["water", "mast", "nowhere"]) == {
        "water": 2,
        "mast": 2,
        "nowhere": 0,
    }  # around it, too


def test_a_passage_counts_for_the_words_around_it_in_its_section_but_less(tmp_path: Path) -> None:
    first = passages_of("/docs/long.md", ["alpha", "beta", "gamma", "delta", "heron"], heading="One")
    second = [
        replace(each, start_line=9, end_line=9) for each in passages_of("/docs/long.md", ["omega"], heading="Two")
    ]
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        passages = [*first, *second]
        entry = FileEntry("/docs/long.md", "", 1, 1, len(passages))
        writer.replace(entry, passages, vectors_of([each.text for each in passages]))
        writer.commit([])
    index = open_index(tmp_path)
    assert texts(index, index.search_lexical({"heron": 1.0}, 1)[0]) == ["heron"]
    assert set(texts(index, index.search_lexical({"heron": 1.0}, 9)[0])) == {"heron", "delta", "gamma"}
    assert texts(index, index.search_lexical({"omega": 1.0}, 9)[0]) == ["omega"]
    index.close()


def test_headings_and_file_names_are_found_too(tmp_path: Path) -> None:
    passages = passages_of("/docs/harbour.md", ["One.", "Two."], heading="Ropes › Knots")
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        writer.replace(FileEntry("/docs/harbour.md", "", 1, 1, 2), passages, vectors_of(["One.", "Two."]))
        writer.commit([])
    index = open_index(tmp_path)
    assert len(index.search_lexical({"knot": 1.0}, 5)[0]) == len(index.search_lexical({"harbour": 1.0}, 5)[0]) == 2
    index.close()


def test_a_search_can_be_restricted_to_rows(index: KnowledgeIndex) -> None:
    allowed = index.rows_of("/docs/garden/water.md")
    rows, cosines = index.search_dense(WORDS.embed(["boat"])[0], 5, rows=allowed)
    assert sorted(rows.tolist()) == allowed.tolist()
    assert len(index.search_dense(WORDS.embed(["boat"])[0], 1, rows=allowed)[0]) == 1
    assert len(index.search_lexical({"boat": 1.0}, 5, rows=allowed)[0]) == 0
    assert len(index.search_lexical({"water": 1.0}, 5, rows=allowed)[0]) == 2
    nothing = np.empty(0, dtype=np.int64)
    assert len(index.search_dense(WORDS.embed(["boat"])[0], 5, rows=nothing)[0]) == 0


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (SearchFilter(), 5),
        (SearchFilter(paths=("/docs/garden",)), 3),
        (SearchFilter(paths=("/docs/garden/",)), 3),
        (SearchFilter(paths=("/docs/gard",)), 0),
        (SearchFilter(paths=("*.txt", "/docs/boat.md")), 3),
        (SearchFilter(paths=("/docs/[bw]*.md",)), 2),
        (SearchFilter(suffixes=(".MD",)), 4),
        (SearchFilter(paths=("/docs/garden",), suffixes=(".txt",)), 1),
    ],
)
def test_rows_by_file(index: KnowledgeIndex, wanted: SearchFilter, found: int) -> None:
    rows = index.rows_where(wanted)
    assert rows.tolist() == sorted(rows.tolist())
    assert len(rows) == found


def test_rows_by_time(tmp_path: Path) -> None:
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        for day in range(5):
            put(writer, f"/docs/{day}.md", ["a text"], mtime=100.5 + day)
        writer.commit([])
    index = open_index(tmp_path)
    chosen = index.passages(index.rows_where(SearchFilter(modified_after=101.5, modified_before=103.5)))
    assert [passage.source for passage in chosen] == ["/docs/1.md", "/docs/2.md"]
    index.close()


def test_neighbours_stay_on_their_page_and_part(tmp_path: Path) -> None:
    source = "/docs/deck.pptx"
    places = [(None, "slide 1"), (None, "slide 1"), (None, "slide 2"), (1, ""), (1, ""), (1, ""), (2, "")]
    passages = [Passage(f"p{n}", source, f"text {n}", n, n, page, part=part) for n, (page, part) in enumerate(places)]
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        put(writer, "/docs/a.md", ["before"])
        writer.replace(FileEntry(source, "", 1, 1, 7), passages, vectors_of([p.text for p in passages]))
        put(writer, "/docs/z.md", ["after"])
        writer.commit([])
    index = open_index(tmp_path)
    rows = index.rows_of(source)
    around = [[p.id for p in index.neighbours(int(row), 1, 2)] for row in rows]
    assert around == [
        ["p0", "p1"], ["p0", "p1"], ["p2"], ["p3", "p4", "p5"], ["p3", "p4", "p5"], ["p4", "p5"], ["p6"]
    ]  # fmt: skip
    assert [p.id for p in index.neighbours(int(rows[4]), 0, 0)] == ["p4"]
    index.close()


def test_missing_mismatched_and_foreign_indexes_are_refused(tmp_path: Path, index: KnowledgeIndex) -> None:
    with pytest.raises(IndexMissing):
        KnowledgeIndex.open(tmp_path / "nowhere", WORDS.fingerprint)
    with pytest.raises(EmbedderMismatch, match=r"embedder words, not with other.*kept.*ratchet knowledge reindex"):
        KnowledgeIndex.open(tmp_path, "other:0:64")
    with pytest.raises(EmbedderMismatch, match="this version of it"):
        KnowledgeIndex.open(tmp_path, "words:1:64")
    generations.publish(tmp_path, {}, {}, {"format": 999})
    with pytest.raises(IndexCorrupt, match="another version of Ratchet.*kept.*ratchet knowledge reindex"):
        open_index(tmp_path)


def test_an_index_of_the_first_format_is_explained_and_its_folders_are_known(tmp_path: Path) -> None:
    import hashlib
    import json

    (tmp_path / "gen-000003").mkdir()
    notes = {"format": 1, "embedder": "words:0:64", "dimension": 64, "passages": 1, "files": 1, "roots": ["/docs"]}
    manifest = json.dumps({"files": {"dense.faiss": "0" * 64, "passages.sqlite": "0" * 64}, "notes": notes}).encode()
    (tmp_path / "gen-000003" / "manifest.json").write_bytes(manifest)
    (tmp_path / "CURRENT").write_text(f"gen-000003 {hashlib.sha256(manifest).hexdigest()}\n")
    for use in (open_index, lambda folder: write(folder, TEXTS)):
        with pytest.raises(IndexCorrupt, match="another version of Ratchet.*ratchet knowledge reindex"):
            use(tmp_path)
    with IndexWriter.open(tmp_path, "words:0:64", 64, fresh=True) as writer:
        assert writer.roots == ("/docs",)
        assert not writer.files
        put(writer, "/docs/a.md", ["anew"])
        writer.commit(writer.roots)
    index = open_index(tmp_path)
    assert held(index) == {"/docs/a.md": ["anew"]}
    assert index.roots == ("/docs",)
    index.close()


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    write(tmp_path, {})
    index = open_index(tmp_path)
    assert index.size == 0
    assert len(index.search_dense(WORDS.embed(["boat"])[0], 5)[0]) == 0
    assert len(index.search_lexical({"boat": 1.0}, 5)[0]) == 0
    assert index.passages([]) == []
    assert index.rows_where(SearchFilter()).tolist() == []
    assert index.document_frequencies(["boat"]) == {"boat": 0}
    index.close()


def test_passages_without_words_and_of_odd_characters(tmp_path: Path) -> None:
    odd = {"/docs/odd.md": ["—", "\0 null", "💥 boom", "the of and", "x" * 5000, "\ud7ff\ue000"]}
    write(tmp_path, odd)
    index = open_index(tmp_path)
    assert held(index) == odd
    assert texts(index, index.search_lexical({"boom": 1.0}, 1)[0]) == ["💥 boom"]
    index.close()
    write(tmp_path, {"/docs/odd.md": ["!"]}, fresh=True)
    index = open_index(tmp_path)
    assert held(index) == {"/docs/odd.md": ["!"]}
    index.close()


def test_collections_are_listed_from_their_manifests(tmp_path: Path) -> None:
    write(tmp_path / "one", TEXTS)
    write(tmp_path / "two", {})
    (tmp_path / "two" / "CURRENT").write_text("nonsense")
    (tmp_path / "not-a-collection").mkdir()
    one, two = collections(tmp_path)
    assert (one.name, one.passages, one.files, one.embedder, one.problem) == ("one", 5, 3, "words:0:64", "")
    assert one.bytes > 1000
    assert one.modified > 1.7e9
    assert (two.name, two.passages) == ("two", 0)
    assert "damaged" in two.problem
    assert collections(tmp_path / "nowhere") == []
