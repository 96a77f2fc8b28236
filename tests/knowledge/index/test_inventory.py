"""Deleting a collection while others read it and write to it."""

from __future__ import annotations

import shutil
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from knowledge.errors import IndexBusy, IndexMissing, StorageError
from knowledge.index import FileEntry, IndexWriter, KnowledgeIndex, collections, delete_collection
from knowledge.schema import Passage
from tests.knowledge.words import WordEmbedder

WORDS = WordEmbedder()


def add(folder: Path, text: str) -> None:
    with IndexWriter.open(folder, WORDS.fingerprint, WORDS.dimension) as writer:
        passage = Passage(text, f"/docs/{text}.txt", text, 1, 1)
        writer.replace(FileEntry(passage.source, "", 1, 1, 1), [passage], WORDS.embed([text]))
        writer.commit(["/docs"])


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    folder = tmp_path / "indexes" / "work"
    add(folder, "moon")
    return folder


def test_nothing_is_left_and_a_new_one_may_take_the_name(collection: Path) -> None:
    delete_collection(collection)
    assert collections(collection.parent) == []
    assert list(collection.parent.iterdir()) == []
    with pytest.raises(IndexMissing):
        delete_collection(collection)
    add(collection, "sun")
    with closing(KnowledgeIndex.open(collection, WORDS.fingerprint)) as index:
        assert list(index.sources()) == ["/docs/sun.txt"]


def test_it_stays_while_another_is_writing(collection: Path) -> None:
    with IndexWriter.open(collection, WORDS.fingerprint, WORDS.dimension), pytest.raises(IndexBusy):
        delete_collection(collection)
    assert collections(collection.parent)[0].passages == 1


def test_who_reads_it_goes_on_reading(collection: Path) -> None:
    with closing(KnowledgeIndex.open(collection, WORDS.fingerprint)) as index:
        delete_collection(collection)
        rows, _ = index.search_dense(WORDS.query_vector("moon"), 1)
        assert [passage.text for passage in index.passages(rows)] == ["moon"]


def test_files_are_deleted_where_nobody_looks_for_them(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove = shutil.rmtree

    def begin_anew_and_remove(path: Path) -> None:
        assert not collection.exists()
        add(collection, "sun")  # who comes now begins with nothing, and loses nothing
        remove(path)

    monkeypatch.setattr("knowledge.index.inventory.shutil.rmtree", begin_anew_and_remove)
    delete_collection(collection)
    with closing(KnowledgeIndex.open(collection, WORDS.fingerprint)) as index:
        assert np.allclose(index.vectors(index.rows_of("/docs/sun.txt")), WORDS.embed(["sun"]), atol=1e-5)


def test_files_that_cannot_be_deleted_are_named(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("knowledge.index.inventory.shutil.rmtree", refuse)
    with pytest.raises(StorageError, match=r"\.deleted-.*The collection is gone"):
        delete_collection(collection)
    assert collections(collection.parent) == []


def test_readers_and_writers_meet_a_whole_collection_or_none(collection: Path) -> None:
    failures: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                KnowledgeIndex.open(collection, WORDS.fingerprint).close()
            except IndexMissing:
                pass
            except BaseException as error:
                failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(15):
            add(collection, "sun")
            delete_collection(collection)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert failures == []
