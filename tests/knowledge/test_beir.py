from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from knowledge.beir import BeirDocument, read_beir
from knowledge.errors import QuestionSetError, RatchetError, SourceMissing

CORPUS = [{"_id": "d/1", "title": "Bees", "text": "A hive holds bees."}, {"_id": "2", "title": "", "text": "Sea."}]
QUERIES = [{"_id": "q1", "text": "How many bees?"}, {"_id": "q2", "text": "unjudged"}]


def write(folder: Path, qrels: dict[str, str], corpus: Any = CORPUS, queries: Any = QUERIES) -> Path:
    folder.mkdir(exist_ok=True)
    for name, records in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    for name, text in qrels.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["qrels/test.tsv", "qrels_test.tsv", "qrels.tsv"])
@pytest.mark.parametrize("head", ["query-id\tcorpus-id\tscore\n", ""])
def test_judgments_are_found_wherever_they_are_kept(tmp_path: Path, name: str, head: str) -> None:
    found = read_beir(write(tmp_path / "b", {name: f"{head}q1\td/1\t2\nq1\t2\t0\n"}))
    assert found.judgments == {"q1": {"d/1": 2, "2": 0}}
    assert found.queries == {"q1": "How many bees?"}
    assert list(found.documents()) == [BeirDocument("d/1", "Bees", "A hive holds bees."), BeirDocument("2", "", "Sea.")]


def test_trec_judgments_have_a_fourth_column(tmp_path: Path) -> None:
    assert read_beir(write(tmp_path / "b", {"qrels.tsv": "q1 0 d/1 1\n"})).judgments == {"q1": {"d/1": 1}}


def test_the_split_chooses_the_judgments(tmp_path: Path) -> None:
    folder = write(tmp_path / "b", {"qrels/test.tsv": "q1\t2\t1\n", "qrels/dev.tsv": "q2\t2\t1\n"})
    assert list(read_beir(folder, "dev").queries) == ["q2"]
    with pytest.raises(SourceMissing, match="There are judgments for: dev, test"):
        read_beir(folder, "train")


def test_documents_without_text_are_left_out(tmp_path: Path) -> None:
    corpus = [{"_id": "1", "title": None, "text": " "}, {"_id": "2", "text": "Sea."}]
    found = read_beir(write(tmp_path / "b", {"qrels.tsv": "q1\t2\t1\n"}, corpus))
    assert [document.id for document in found.documents()] == ["2"]


@pytest.mark.parametrize(
    ("qrels", "queries", "said"),
    [
        ("q1\t2\n", QUERIES, "line 1"),
        ("h\th\th\nq1\t2\tmany\n", QUERIES, "line 2"),
        ("q1\t2\t0\n", QUERIES, "No query"),
        ("q9\t2\t1\nq1\t2\t1\n", QUERIES, "q9"),
        ("q1\t2\t1\n", [{"_id": "q1"}], "line 1"),
        ("q1\t2\t1\n", [[]], "not an object"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, qrels: str, queries: Any, said: str) -> None:
    folder = write(tmp_path / "b", {"qrels.tsv": qrels}, queries=queries)
    with pytest.raises(QuestionSetError, match=said) as caught:
        read_beir(folder)
    assert caught.value.fix


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "b", {"qrels.tsv": "q1\t2\t1\n"})
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"_id": "3", "text": "cut o')
    with pytest.raises(QuestionSetError, match="line 3"):
        list(read_beir(folder).documents())
    (folder / "queries.jsonl").write_bytes(b"\xff\xfe{}")
    with pytest.raises(QuestionSetError, match="UTF-8"):
        read_beir(folder)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RatchetError, match="corpus.jsonl"):
        read_beir(tmp_path)


@pytest.mark.parametrize(("name", "documents", "queries"), [("scifact", 5183, 300), ("cranfield", 1398, 225)])
def test_public_collections_are_read_as_published(shared_data: Path, name: str, documents: int, queries: int) -> None:
    found = read_beir(shared_data / "dev" / name)
    assert (sum(1 for _ in found.documents()), len(found.queries)) == (documents, queries)
