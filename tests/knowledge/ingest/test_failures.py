from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knowledge.chunking import split
from knowledge.errors import DocumentError
from knowledge.index import FileEntry, IndexWriter
from knowledge.ingest import ingest, reading
from knowledge.loaders.worker import Reader
from knowledge.schema import Passage
from tests.knowledge.ingest.collection import generation, opened, passages
from tests.knowledge.pdf import encrypt_pdf, write_pdf
from tests.knowledge.words import WordEmbedder

MANY = 10_000


class Watched:
    """What this process opened below a folder, and which programs it started."""

    folder = ""
    opened: list[str] = []
    started: list[str] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not Watched.folder:
        return
    if event == "open" and str(arguments[0]).startswith(Watched.folder):
        Watched.opened.append(str(arguments[0]))
    if event == "subprocess.Popen":
        Watched.started.append(str(arguments[1]))


@pytest.fixture
def watched(folder: Path) -> Iterator[type[Watched]]:
    """Auditing of everything that happens below `folder`."""
    if _audit not in AUDITED:
        sys.addaudithook(_audit)
        AUDITED.append(_audit)
    Watched.folder, Watched.opened, Watched.started = str(folder), [], []
    yield Watched
    Watched.folder = ""


AUDITED: list[Any] = []


def broken_files(folder: Path) -> set[str]:
    """Files that cannot be read, each for another reason; their names."""
    encrypt_pdf(write_pdf(folder / "locked.pdf", ["secret"]), "key")
    (folder / "empty.md").touch()
    (folder / "image.txt").write_bytes(bytes(range(256)) * 8)
    (folder / "gone.txt").symlink_to(folder / "nowhere.txt")
    os.mkfifo(folder / "pipe.md")
    with (folder / "huge.md").open("wb") as file:
        file.truncate(100 * 2**20)
    return {"locked.pdf", "empty.md", "image.txt", "gone.txt", "pipe.md", "huge.md"}


def age(*paths: Path) -> None:
    """Set the time of files back, beyond the tick of any clock."""
    for path in paths:
        os.utime(path, ns=(0, time.time_ns() - 60_000_000_001))


def test_failures_are_reported_once_and_not_read_again(
    folder: Path, store: Path, embedder: WordEmbedder, watched: type[Watched]
) -> None:
    names = broken_files(folder)
    age(*(path for path in folder.iterdir() if path.is_file()))
    first = ingest([folder], store, embedder)
    assert (first.added, first.failing) == (4, 0)
    assert {Path(f.source).name for f in first.failed} == names
    assert all(f.reason.endswith(".") and "\n" not in f.reason for f in first.failed)
    assert not any(path.endswith("pipe.md") for path in watched.opened)

    before = generation(store)
    watched.opened.clear()
    watched.started.clear()
    again = ingest([folder], store, embedder)
    assert (again.failed, again.failing, again.unchanged) == ((), len(names), 4)
    assert (watched.opened, watched.started) == ([], [])
    assert generation(store) == before


def test_a_failed_file_is_tried_again_when_it_changes(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    names = broken_files(folder)
    ingest([folder], store, embedder)
    write_pdf(folder / "locked.pdf", ["open now"])
    (folder / "nowhere.txt").write_text("Here I am.\n")
    (folder / "empty.md").unlink()
    repaired = ingest([folder], store, embedder)
    assert (repaired.failed, repaired.failing, repaired.added, repaired.removed) == ((), len(names) - 3, 3, 0)
    assert "open now" in " ".join(p.text for p in passages(store))


def test_a_failed_file_that_was_only_touched_is_not_parsed_again(
    folder: Path, store: Path, embedder: WordEmbedder, watched: type[Watched]
) -> None:
    (folder / "image.txt").write_bytes(bytes(range(256)) * 8)
    ingest([folder], store, embedder)
    age(folder / "image.txt")
    watched.started.clear()
    report = ingest([folder], store, embedder)
    assert (report.failed, report.failing, watched.started) == ((), 1, [])


def test_retry_reads_failed_files_though_they_are_unchanged(
    folder: Path, store: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Reader, paths: list[Path]) -> Iterator[Any]:
        for path in paths:
            yield path, DocumentError(f"{path.name} took too long.")

    with monkeypatch.context() as patch:
        patch.setattr(Reader, "read_many", fail)
        assert len(ingest([folder], store, embedder).failed) == 4
    assert (ingest([folder], store, embedder).failing, len(embedder.texts)) == (4, 0)
    assert ingest([folder], store, embedder, retry=True).added == 4


def test_a_file_that_turns_bad_leaves_the_index(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    (folder / "moon.txt").write_bytes(b"\0" * 100)
    report = ingest([folder], store, embedder)
    assert [Path(f.source).name for f in report.failed] == ["moon.txt"]
    assert not [p for p in passages(store) if p.source.endswith("moon.txt")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_tried_again_every_time(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    (folder / "moon.txt").chmod(0)
    assert "permission denied" in ingest([folder], store, embedder).failed[0].reason
    assert ingest([folder], store, embedder).failing == 1
    (folder / "moon.txt").chmod(0o600)
    report = ingest([folder], store, embedder)
    assert (report.added, report.failed, report.failing) == (1, (), 0)


def test_a_single_file_of_unknown_type_is_a_failure(tmp_path: Path, store: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "a.xyz").write_text("x")
    assert "cannot be read" in ingest([tmp_path / "a.xyz"], store, embedder).failed[0].reason


def test_a_file_that_changes_while_it_is_read_is_read_again(
    folder: Path, store: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_many, reads = Reader.read_many, [0]

    def disturbed(self: Reader, paths: list[Path]) -> Iterator[Any]:
        for path, found in read_many(self, paths):
            if path.name == "moon.txt":
                reads[0] += 1
                if reads[0] == 1:
                    path.write_text("The moon has moved a little further away.\n")
            yield path, found

    monkeypatch.setattr(Reader, "read_many", disturbed)
    assert ingest([folder], store, embedder).added == 4
    assert reads == [2]
    assert [p.text for p in passages(store) if p.source.endswith("moon.txt")] == [
        "The moon has moved a little further away."
    ]


def test_a_file_that_never_stands_still_fails_clearly(
    folder: Path, store: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_many = Reader.read_many

    def disturbed(self: Reader, paths: list[Path]) -> Iterator[Any]:
        for path, found in read_many(self, paths):
            if path.name == "moon.txt":
                path.write_text(path.read_text() + "More.\n")
            yield path, found

    with monkeypatch.context() as patch:
        patch.setattr(Reader, "read_many", disturbed)
        report = ingest([folder], store, embedder)
        assert (report.added, [f.reason for f in report.failed]) == (3, ["moon.txt keeps changing while it is read."])
    assert ingest([folder], store, embedder).added == 1


def test_a_file_that_vanishes_before_it_is_read_is_gone(
    folder: Path, store: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest([folder], store, embedder)
    (folder / "garden.md").write_text("# New\n\nEverything is new.\n")
    (folder / "moon.txt").write_text("The moon is new.\n")
    read_many = Reader.read_many

    def disturbed(self: Reader, paths: list[Path]) -> Iterator[Any]:
        (folder / "moon.txt").unlink(missing_ok=True)
        yield from read_many(self, paths)

    monkeypatch.setattr(Reader, "read_many", disturbed)
    report = ingest([folder], store, embedder)
    assert (report.updated, report.removed, report.failed) == (1, 1, ())
    assert not [p for p in passages(store) if p.source.endswith("moon.txt")]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_text_fails_without_harm(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.md")).write_text("# Menu\n\nSoup.\n")
    (folder / "two\nlines.md").write_text("# Odd\n\nIts name has two lines.\n")
    report = ingest([folder], store, embedder)
    assert report.added == 5
    assert "rename it" in report.failed[0].reason
    assert ingest([folder], store, embedder).failing == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_what_lies_in_a_closed_folder_is_kept(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "note.md").write_text("# Note\n\nKeep me.\n")
    ingest([folder], store, embedder)
    (folder / "sub").chmod(0)
    try:
        report = ingest([folder], store, embedder)
    finally:
        (folder / "sub").chmod(0o700)
    assert (report.removed, len(report.failed)) == (0, 1)
    assert any(p.source.endswith("note.md") for p in passages(store))
    assert ingest([folder], store, embedder).failing == 0


def test_ten_thousand_unchanged_files_are_not_opened(
    folder: Path, store: Path, embedder: WordEmbedder, watched: type[Watched]
) -> None:
    with IndexWriter.open(store, embedder.fingerprint, embedder.dimension) as writer:
        for number in range(MANY):
            path = folder / "many" / f"{number // 100:02}" / f"{number:05}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            text = f"Number {number}."
            path.write_text(text)
            status = path.stat()
            digest = hashlib.sha256(text.encode()).hexdigest()
            checked = status.st_mtime_ns + 10_000_000_000
            entry = FileEntry(str(path), digest, status.st_size, status.st_mtime_ns, 1, checked_ns=checked)
            passage = Passage(hashlib.sha256(str(path).encode()).hexdigest(), str(path), text, 1, 1)
            writer.replace(entry, [passage], np.full((1, 64), 0.125, dtype=np.float32))
        writer.commit([str(folder / "many")])
    before = generation(store)
    watched.opened.clear()
    report = ingest([folder / "many"], store, embedder)
    assert (report.unchanged, report.passages, report.embedded) == (MANY, MANY, 0)
    assert (watched.opened, watched.started, embedder.texts) == ([], [], [])
    assert generation(store) == before
    with opened(store) as index:
        assert index.size == MANY


def test_a_file_that_breaks_the_chunker_costs_only_itself(
    folder: Path, store: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(documents: Any, source: str) -> Iterator[Passage]:
        if source.endswith("moon.txt"):
            raise IndexError("string index out of range")
        return split(documents, source)

    monkeypatch.setattr(reading, "split", breaking)
    ingest([folder], store, embedder)
    with opened(store) as index:
        failures = {Path(source).name: entry.failure for source, entry in index.sources().items() if entry.failure}
    why = "cannot be split into passages: IndexError: string index out of range."
    assert failures == {"moon.txt": f"moon.txt {why}"}
    assert {Path(each.source).name for each in passages(store)} == {"garden.md", "bees.html", "boat.pdf"}
