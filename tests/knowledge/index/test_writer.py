from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from knowledge.errors import EmbedderMismatch, IndexBusy
from knowledge.index import FileEntry, IndexWriter, KnowledgeIndex, segment
from knowledge.index.compaction import Size, due
from tests.knowledge.index.collection import TEXTS, WORDS, held, open_index, passages_of, put, vectors_of, write


def contents(folder: Path) -> dict[str, list[str]]:
    index = open_index(folder)
    found = held(index)
    index.close()
    return found


def files(folder: Path) -> dict[str, int]:
    """Inode of every file but the lock, by path: a file that was written again has another one."""
    return {str(path.relative_to(folder)): path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_visible_before_commit_and_nothing_remains_without(tmp_path: Path) -> None:
    write(tmp_path, TEXTS)
    before = files(tmp_path)
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        put(writer, "/docs/new.md", ["new"])
        writer.remove("/docs/boat.md")
        assert "/docs/new.md" in writer.files
        assert "/docs/boat.md" not in writer.files
        assert contents(tmp_path) == TEXTS
    assert contents(tmp_path) == TEXTS
    assert files(tmp_path) == before


def test_a_commit_writes_only_what_changed(tmp_path: Path) -> None:
    many = {f"/docs/{number}.md": [f"text {number} line {line}" for line in range(20)] for number in range(40)}
    write(tmp_path, many)
    before = files(tmp_path)
    write(tmp_path, {"/docs/3.md": ["changed"]})
    assert contents(tmp_path) == many | {"/docs/3.md": ["changed"]}
    after = files(tmp_path)
    assert {name: node for name, node in before.items() if "seg-" in name}.items() <= after.items()
    fresh = [tmp_path / name for name in after.keys() - before.keys() if "seg-" in name]
    assert len(fresh) == 7
    assert sum(path.stat().st_size for path in fresh if path.name != "passages.sqlite") < 2000


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX")
def test_others_cannot_read_what_was_indexed(tmp_path: Path) -> None:
    write(tmp_path, TEXTS)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir() and path.stat().st_mode & 0o077] == []


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    write(tmp_path, TEXTS)
    before = files(tmp_path)
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        for entry in writer.files.values():
            writer.keep(entry)
        assert not writer.commit(["/docs"])
        assert files(tmp_path) == before
        assert writer.commit(["/docs", "/more"])
    assert open_index(tmp_path).roots == ("/docs", "/more")


def test_keeping_moving_and_failing(tmp_path: Path) -> None:
    write(tmp_path, TEXTS)
    boat = TEXTS["/docs/boat.md"]
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        writer.keep(FileEntry("/docs/garden/bees.txt", "hash", 77, 88, 0))
        moved = FileEntry("/docs/ship.md", "moved", 1, 2, 0)
        with pytest.raises(ValueError, match="does not hold"):
            writer.move("/docs/boat.md", moved, passages_of("/docs/ship.md", boat[::-1]))
        writer.move("/docs/boat.md", moved, passages_of("/docs/ship.md", boat))
        writer.replace(FileEntry("/docs/bad.pdf", "", 5, 6, 0, "It is encrypted."), [], vectors_of([]))
        writer.commit(["/docs"])
    index = open_index(tmp_path)
    assert index.sources()["/docs/garden/bees.txt"] == FileEntry("/docs/garden/bees.txt", "hash", 77, 88, 1)
    assert index.sources()["/docs/bad.pdf"].failure == "It is encrypted."
    assert index.rows_of("/docs/bad.pdf").tolist() == []
    assert index.size == 5
    rows = index.rows_of("/docs/ship.md")
    assert index.passages(rows) == passages_of("/docs/ship.md", boat)
    np.testing.assert_array_equal(index.vectors(rows), vectors_of(boat))
    assert "/docs/boat.md" not in index.sources()
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        passages, vectors = writer.vectors_of("/docs/ship.md")
        assert [passage.text for passage in passages] == boat
        np.testing.assert_array_equal(vectors, vectors_of(boat))
        put(writer, "/docs/ship.md", ["first"])
        put(writer, "/docs/ship.md", ["second", "third"])
        passages, vectors = writer.vectors_of("/docs/ship.md")  # not committed yet
        assert [passage.text for passage in passages] == ["second", "third"]
        np.testing.assert_array_equal(vectors, vectors_of(["second", "third"]))
        assert writer.vectors_of("/docs/bad.pdf")[1].shape == (0, 64)
        for unknown in (writer.remove, writer.vectors_of):
            with pytest.raises(KeyError):
                unknown("/docs/unknown")
        with pytest.raises(ValueError, match="shape"):
            writer.replace(FileEntry("/x", "", 0, 0, 0), passages_of("/x", ["a"]), np.zeros((1, 3), dtype=np.float32))
        with pytest.raises(ValueError, match="another source"):
            writer.replace(FileEntry("/x", "", 0, 0, 0), passages_of("/y", ["a"]), vectors_of(["a"]))
        writer.commit(["/docs"])
    assert contents(tmp_path)["/docs/ship.md"] == ["second", "third"]


def test_metadata_live_as_long_as_their_passage(tmp_path: Path) -> None:
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        entry = FileEntry("/docs/a.md", "", 1, 1, 2)
        writer.replace(entry, passages_of("/docs/a.md", ["a", "b"]), vectors_of(["a", "b"]), [{"n": [1, None]}, None])
        writer.commit([])
        writer.move("/docs/a.md", FileEntry("/docs/b.md", "", 1, 1, 2), passages_of("/docs/b.md", ["a", "b"]))
        writer.compact()
    index = open_index(tmp_path)
    assert index.metadata(index.rows_of("/docs/b.md")) == [{"n": [1, None]}, None]
    index.close()


def test_one_writer_at_a_time_and_another_embedder_never(tmp_path: Path) -> None:
    write(tmp_path, TEXTS)
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64):
        with pytest.raises(IndexBusy), IndexWriter.open(tmp_path, WORDS.fingerprint, 64):
            pass
    with pytest.raises(EmbedderMismatch), IndexWriter.open(tmp_path, "other:0:64", 64):
        pass
    with IndexWriter.open(tmp_path, "other:0:32", 32, fresh=True) as writer:
        assert contents(tmp_path) == TEXTS  # the old one stands until the new one does
        writer.commit(writer.roots)
    with pytest.raises(EmbedderMismatch):
        open_index(tmp_path)


def test_compaction_leaves_one_segment_without_deletions(tmp_path: Path) -> None:
    expected = dict(TEXTS)
    for number in range(3):
        added = {f"/docs/{number}.md": [f"text {number}", f"more {number}"]}
        write(tmp_path, added)
        expected |= added
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        for source, texts in TEXTS.items():
            put(writer, source, texts)
        writer.remove("/docs/1.md")
        del expected["/docs/1.md"]
        assert writer.compact()
        assert not writer.compact()
    assert contents(tmp_path) == expected
    index = open_index(tmp_path)
    assert [each.facts.rows for each in index._segments] == [index.size]
    assert index.document_frequencies(["text", "boat"]) == {
        "text": 4,
        "boat": 2,
    }  # names of files and neighbours count, too
    index.close()


def test_many_small_commits_leave_few_segments_and_little_waste(tmp_path: Path) -> None:
    expected: dict[str, list[str]] = {}
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        for number in range(60):
            source = f"/docs/{number % 25}.md"
            expected[source] = [f"text {number} line {line}" for line in range(1 + number % 4)]
            put(writer, source, expected[source])
            writer.commit(["/docs"])
    index = open_index(tmp_path)
    assert held(index) == expected
    assert len(index._segments) <= 6
    assert sum(each.facts.rows for each in index._segments) <= 1.25 * index.size
    assert len(list((tmp_path / "segments").iterdir())) <= 8
    index.close()


def test_segments_are_merged_by_tiers_and_when_they_hold_too_much_that_is_deleted() -> None:
    assert due([]) == []
    assert due([Size("a", 9, 9), Size("b", 8, 8), Size("c", 7, 7)]) == []
    assert due([Size("a", 9, 9), Size("b", 8, 8), Size("c", 7, 7), Size("d", 1, 1)]) == [["a", "b", "c", "d"]]
    assert due([Size("big", 10**6, 10**6), *(Size(name, 1, 1) for name in "abc")]) == []
    assert due([Size("big", 10**6, 10**6), *(Size(name, 1, 1) for name in "abcd")]) == [list("abcd")]
    assert due([Size("a", 100, 81), Size("b", 100, 79), Size("gone", 100, 0)]) == [["b"]]
    cascade = [Size(f"s{n}", 60, 60) for n in range(4)] + [Size(f"m{n}", 400, 400) for n in range(3)]
    assert [sorted(group) for group in due(cascade)] == [["m0", "m1", "m2", "s0", "s1", "s2", "s3"]]


def test_a_long_segment_is_gathered_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = {f"/docs/{n}.md": [f"text {n} {line} word{n % 7}" for line in range(9)] for n in range(50)}
    write(tmp_path / "whole", many)
    monkeypatch.setattr(segment, "_BLOCK", 40)
    write(tmp_path / "parts", many)
    for name in segment.postings.FILES:
        (whole,), (parts,) = ((tmp_path / each).glob(f"segments/*/{name}") for each in ("whole", "parts"))
        assert whole.read_bytes() == parts.read_bytes(), name


def test_readers_read_on_while_a_writer_commits_and_compacts(tmp_path: Path) -> None:
    write(tmp_path, TEXTS)
    first = open_index(tmp_path)
    done = threading.Event()
    errors: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                index = open_index(tmp_path)
                assert held(index)["/docs/boat.md"] == TEXTS["/docs/boat.md"]
                check(index)
                check(first)
                index.close()
        except BaseException as error:
            errors.append(error)

    def check(index: KnowledgeIndex) -> None:
        rows, _ = index.search_lexical({"tide": 1.0}, 1)
        assert [passage.text for passage in index.passages(rows)] == TEXTS["/docs/boat.md"][:1]
        rows, _ = index.search_dense(vectors_of(["its mast is eleven metres high"])[0], 1)
        assert [passage.text for passage in index.passages(rows)] == TEXTS["/docs/boat.md"][1:]

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        for number in range(30):
            put(writer, f"/docs/other-{number % 9}.md", [f"something else {number}", "and more"])
            writer.commit(["/docs"])
            if number % 10 == 9:
                writer.compact()
    done.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert held(first) == TEXTS
    first.close()
