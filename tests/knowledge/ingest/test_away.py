"""Drives that go away, documents that lie in no folder, damaged pointers: what was read stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from knowledge.errors import IndexMissing, SourceMissing
from knowledge.index.state import earlier_roots
from knowledge.index.vector_store import CollectionStore
from knowledge.ingest import forget, ingest, reindex
from knowledge.ingest.places import Places
from tests.knowledge.ingest.collection import generation, opened, passages
from tests.knowledge.words import WordEmbedder

NOTE = "A note on a drive."


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A folder on a drive, with a note in it."""
    drive = tmp_path / "media" / "drive"
    drive.mkdir(parents=True)
    (drive / "note.txt").write_text(NOTE)
    return drive


def texts(store: Path, fingerprint: str = "") -> list[str]:
    return [passage.text for passage in passages(store, fingerprint)]


@pytest.mark.parametrize("rebuild", [False, True])
def test_a_link_to_a_drive_that_is_not_there_loses_nothing(
    drive: Path, folder: Path, store: Path, embedder: WordEmbedder, rebuild: bool
) -> None:
    link = drive.with_name("link")
    link.symlink_to(drive)
    ingest([folder, link], store, embedder)
    drive.rename(drive.with_name("unplugged"))
    report = ingest([], store, embedder, rebuild=rebuild)
    assert (report.missing, report.removed, report.failed) == ((str(link),), 0, ())
    assert NOTE in texts(store)
    with pytest.raises(SourceMissing):
        ingest([link], store, embedder)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("rebuild", [False, True])
def test_a_mount_point_without_its_drive_loses_nothing(
    drive: Path, store: Path, embedder: WordEmbedder, rebuild: bool, named: bool
) -> None:
    ingest([drive], store, embedder)
    (drive / "note.txt").rename(drive.with_name("elsewhere.txt"))
    report = ingest([drive] if named else [], store, embedder, rebuild=rebuild)
    assert (report.missing, report.removed) == ((str(drive),), 0)
    assert texts(store) == [NOTE]


def test_a_mount_point_below_a_folder_that_is_there_loses_nothing(
    drive: Path, store: Path, embedder: WordEmbedder
) -> None:
    (drive.parent / "other.txt").write_text("Beside the drive.")
    ingest([drive], store, embedder)
    (drive / "note.txt").unlink()
    report = ingest([drive.parent], store, embedder)
    assert (report.missing, report.removed, report.added) == ((str(drive),), 0, 1)
    assert NOTE in texts(store)
    assert forget([drive], store).files == [str(drive / "note.txt")]
    assert ingest([], store, embedder).missing == ()


def test_a_file_deleted_from_a_folder_that_is_followed_is_gone(
    drive: Path, store: Path, embedder: WordEmbedder
) -> None:
    (drive / "other.txt").write_text("Beside the note.")
    ingest([drive / "note.txt", drive], store, embedder)
    (drive / "note.txt").unlink()
    report = ingest([], store, embedder)
    assert (report.missing, report.removed, report.unchanged) == ((), 1, 1)


def test_a_drive_within_a_followed_folder_is_missing_when_it_leaves_no_folder(
    drive: Path, store: Path, embedder: WordEmbedder
) -> None:
    (drive.parent / "other.txt").write_text("Beside the drive.")
    ingest([drive.parent, drive], store, embedder)
    drive.rename(drive.parent.with_name("unplugged"))
    report = ingest([], store, embedder)
    assert (report.missing, report.removed, report.unchanged) == ((str(drive),), 0, 1)
    drive.parent.with_name("unplugged").rename(drive)
    assert ingest([], store, embedder).unchanged == 2


def test_a_subfolder_that_goes_while_it_is_scanned_is_judged_by_the_next_ingest(
    drive: Path, store: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (drive / "sub").mkdir()
    (drive / "sub" / "deep.txt").write_text("Deep down.")
    ingest([drive], store, embedder)
    listing = os.scandir

    def unplug_and_list(path: str) -> object:
        if str(path) == str(drive / "sub"):
            raise FileNotFoundError(path)
        return listing(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", unplug_and_list)
        assert ingest([drive], store, embedder).removed == 0
    assert sorted(texts(store)) == [NOTE, "Deep down."]
    (drive / "sub" / "deep.txt").unlink()
    (drive / "sub").rmdir()
    assert ingest([drive], store, embedder).removed == 1


def test_a_drive_that_goes_during_a_rebuild_is_taken_over(drive: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([drive], store, embedder)

    def unplug(step: object) -> None:
        if getattr(step, "phase", "") != "scanning" and drive.exists():
            drive.rename(drive.with_name("unplugged"))

    report = ingest([], store, embedder, rebuild=True, on_progress=unplug)
    assert (report.missing, report.removed, report.failed) == ((str(drive),), 0, ())
    assert texts(store) == [NOTE]


def test_thousands_of_files_named_one_by_one_are_told_apart_in_time_of_their_depth() -> None:
    looked = 0

    class Counting(str):
        def __hash__(self) -> int:
            nonlocal looked
            looked += 1
            return super().__hash__()

        __eq__ = str.__eq__

    places = Places(f"/docs/{number}.txt" for number in range(5_000))
    assert Counting("/docs/4999.txt") in places
    assert Counting("/docs/5000.txt") not in places
    assert looked < 10


def test_what_lies_in_which_place() -> None:
    places = Places(["/docs", "/docs/sub", "/a.txt"])
    assert list(places.around("/docs/sub/x/y.md")) == ["/docs/sub", "/docs"]
    assert [path in places for path in ("/docs", "/docs-2/a", "/a.txt", "/a.txt.md", "document:/docs/a")] == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert "/anything" in Places(["/"])


def test_a_folder_that_was_never_filled_is_not_missing(tmp_path: Path, store: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "new").mkdir()
    ingest([tmp_path / "new"], store, embedder)
    assert ingest([], store, embedder).missing == ()


def test_a_drive_that_goes_while_it_is_scanned_loses_nothing(
    drive: Path, store: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from knowledge.ingest import pipeline

    scan = pipeline.scan

    def unplug_and_scan(*arguments: object) -> object:
        if (drive / "note.txt").exists():
            drive.rename(drive.with_name("unplugged"))
        return scan(*arguments)  # type: ignore[arg-type]

    ingest([drive], store, embedder)
    monkeypatch.setattr(pipeline, "scan", unplug_and_scan)
    report = ingest([], store, embedder)
    assert (report.missing, report.removed) == ((str(drive),), 0)
    assert texts(store) == [NOTE]


def test_a_drive_that_goes_before_its_files_are_read_loses_nothing(
    drive: Path, store: Path, embedder: WordEmbedder
) -> None:
    ingest([drive], store, embedder)
    (drive / "note.txt").write_text("A longer note, which nobody will read today.")

    def unplug(step: object) -> None:
        if getattr(step, "phase", "") != "scanning" and drive.exists():
            drive.rename(drive.with_name("unplugged"))

    assert ingest([], store, embedder, on_progress=unplug).removed == 0
    assert texts(store) == [NOTE]


def test_a_rebuild_keeps_documents_that_lie_in_no_folder(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    CollectionStore(embedder, store).add_texts(["Kept by hand."], [{"by": "hand"}], ids=["one"])
    other = WordEmbedder("other")
    report = ingest([folder], store, other, rebuild=True)
    assert (report.added, report.missing, report.failed) == (4, (), ())
    check_document(store, other)


def test_a_reindex_keeps_documents_that_lie_in_no_folder(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    CollectionStore(embedder, store).add_texts(["Kept by hand."], [{"by": "hand"}], ids=["one"])
    other = WordEmbedder("other")
    reindex(store, other)
    check_document(store, other)


def test_a_rebuild_of_documents_alone_needs_no_folder(store: Path, embedder: WordEmbedder) -> None:
    CollectionStore(embedder, store).add_texts(["Kept by hand."], [{"by": "hand"}], ids=["one"])
    other = WordEmbedder("other")
    ingest([], store, other, rebuild=True)
    check_document(store, other)


def check_document(store: Path, embedder: WordEmbedder) -> None:
    """The document is there as it was added, with a vector of this embedder."""
    with opened(store, embedder.fingerprint) as index:
        rows = index.rows_of("document:one")
        assert [passage.text for passage in index.passages(rows)] == ["Kept by hand."]
        assert index.metadata(rows) == [{"by": "hand"}]
        assert np.allclose(index.vectors(rows)[0], embedder.query_vector("Kept by hand."), atol=1e-5)


@pytest.mark.parametrize("damaged", ["dense", "passages"])
def test_a_rebuild_of_a_damaged_index_takes_over_what_can_be_read(
    folder: Path, store: Path, embedder: WordEmbedder, damaged: str
) -> None:
    ingest([folder], store, embedder)
    CollectionStore(embedder, store).add_texts(["Kept by hand."], [{"by": "hand"}], ids=["one"])
    for path in store.rglob("*"):
        if path.is_file() and ("seg-" in str(path)) and (path.name == "passages.sqlite") == (damaged == "passages"):
            path.write_bytes(b"damage")
    report = ingest([], store, embedder, rebuild=True)
    assert report.added == 4
    if damaged == "dense":
        assert report.failed == ()
        check_document(store, embedder)
    else:
        assert [failure.source for failure in report.failed] == ["document:one"]
        assert "damaged" in report.failed[0].reason


@pytest.mark.parametrize("damaged", ["CURRENT", "manifest.json"])
def test_a_damaged_index_still_tells_its_folders(
    folder: Path, store: Path, embedder: WordEmbedder, damaged: str
) -> None:
    ingest([folder / "moon.txt"], store, embedder)
    ingest([folder], store, embedder)
    name = generation(store).split()[0]
    path = store / damaged if damaged == "CURRENT" else store / name / damaged
    path.write_bytes(b"\0\xff")
    assert str(folder / "moon.txt") in earlier_roots(store)
    assert ingest([], store, embedder, rebuild=True).added >= 1


def test_when_no_folder_is_known_the_way_out_is_told(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    for manifest in store.glob("gen-*/manifest.json"):
        manifest.write_text("[]")
    with pytest.raises(IndexMissing) as told:
        ingest([], store, embedder, rebuild=True)
    assert "ratchet ingest FOLDER --rebuild" in told.value.fix
    assert ingest([folder], store, embedder, rebuild=True).added == 4


def test_folders_of_a_deleted_index_are_not_remembered(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    (store / "CURRENT").unlink()
    assert earlier_roots(store) == ()


def test_files_dated_in_the_future_are_not_saved_again_and_again(
    folder: Path, store: Path, embedder: WordEmbedder
) -> None:
    (folder / "empty.md").touch()
    for path in folder.iterdir():
        os.utime(path, ns=(0, time.time_ns() + 3_600_000_000_000))
    ingest([folder], store, embedder)
    before = generation(store)
    report = ingest([folder], store, embedder)
    assert (report.unchanged, report.failing) == (4, 1)
    assert generation(store) == before


def test_a_root_without_files_is_reported_when_it_is_forgotten(
    tmp_path: Path, store: Path, embedder: WordEmbedder
) -> None:
    (tmp_path / "new").mkdir()
    ingest([tmp_path / "new"], store, embedder)
    assert forget([tmp_path / "new"], store) == ([], [str(tmp_path / "new")])
    assert earlier_roots(store) == ()
