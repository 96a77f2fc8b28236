from __future__ import annotations

import errno
import os
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knowledge.chunking import embedded_text
from knowledge.embedders import CachedEmbeddings
from knowledge.errors import (
    DocumentError,
    EmbedderError,
    EmbedderMismatch,
    IndexBusy,
    IndexCorrupt,
    SourceMissing,
    StorageError,
)
from knowledge.index import IndexWriter
from knowledge.ingest import ingest
from knowledge.resolve import resolve
from knowledge.schema import IngestProgress
from tests.knowledge.ingest.collection import generation, opened, passages, vectors
from tests.knowledge.words import WordEmbedder


def settle(folder: Path) -> None:
    """Let the files be older than the tick of any file system's clock."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, ns=(0, time.time_ns() - 10_000_000_000 + path.stat().st_ino))


def test_a_folder_becomes_passages_that_resolve(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    (folder / "photo.png").write_bytes(b"x")
    report = ingest([folder], store, embedder)
    assert (report.added, report.updated, report.unchanged, report.removed) == (4, 0, 0, 0)
    assert (report.failed, report.skipped) == ((), 1)
    found = passages(store)
    assert len(found) == report.passages == report.embedded == len(embedder.texts)
    assert {Path(p.source).name for p in found} == {"garden.md", "bees.html", "moon.txt", "boat.pdf"}
    assert [p.page for p in found if p.source.endswith(".pdf")] == [1, 2]
    assert all(resolve(p) == p.text for p in found)


def test_nothing_new_means_nothing_is_done(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    settle(folder)
    ingest([folder], store, embedder)
    before = generation(store)
    embedder.texts.clear()
    report = ingest([folder], store, embedder)
    assert (report.unchanged, report.added, report.embedded, report.passages > 0) == (4, 0, 0, True)
    assert embedder.texts == []
    assert generation(store) == before


def test_a_touched_file_is_recognised_by_its_content(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    os.utime(folder / "garden.md", (1, 1))
    report = ingest([folder], store, embedder)
    assert (report.unchanged, report.updated, report.embedded) == (4, 0, 0)
    with opened(store) as index:
        assert index.sources()[str(folder / "garden.md")].mtime_ns == 1_000_000_000


def test_a_change_within_the_tick_of_the_clock_is_seen(
    folder: Path, store: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowledge.ingest.planning._TICK", 60_000_000_000)  # a slow clock, not a slow test
    moon = folder / "moon.txt"
    ingest([folder], store, embedder)
    written = moon.stat().st_mtime_ns
    moon.write_text(moon.read_text().replace("384", "999"))  # as long as before, and at the same time
    os.utime(moon, ns=(written, written))
    assert ingest([folder], store, embedder).updated == 1
    assert "999,400" in next(p.text for p in passages(store) if p.source == str(moon))


def test_only_new_text_of_a_changed_file_is_embedded(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    embedder.texts.clear()
    path = folder / "garden.md"
    path.write_text("One new line.\n\n" + path.read_text(encoding="utf-8") + "\n## Slugs\n\nBeer traps.\n")
    report = ingest([folder], store, embedder)
    assert (report.updated, report.unchanged, report.embedded) == (1, 3, 2)
    assert embedder.texts == ["One new line.", "Garden guide › Slugs\nBeer traps."]
    found = [p for p in passages(store) if p.source == str(path)]
    assert all(resolve(p) == p.text for p in found)
    # Vectors that were kept belong to the right passages.
    expected = WordEmbedder().embed([embedded_text(p) for p in found])
    assert np.allclose(vectors(store, path), expected, atol=1e-5)


def test_what_moved_keeps_its_vectors(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    before = {name: vectors(store, folder / name) for name in ("garden.md", "bees.html")}
    embedder.texts.clear()
    (folder / "moon.txt").unlink()
    (folder / "sub").mkdir()
    for name in before:
        (folder / name).rename(folder / "sub" / name)
    report = ingest([folder], store, embedder)
    assert (report.moved, report.added, report.removed, report.unchanged) == (2, 0, 1, 1)
    assert (report.embedded, embedder.texts) == (0, [])
    found = passages(store)
    assert {os.path.relpath(p.source, folder) for p in found} == {"boat.pdf", "sub/bees.html", "sub/garden.md"}
    assert all(resolve(p) == p.text for p in found)
    for name, rows in before.items():
        assert np.allclose(vectors(store, folder / "sub" / name), rows, atol=1e-6)
    fresh = ingest([folder], store.with_name("other"), embedder)
    assert fresh.passages == report.passages
    assert {p.id for p in passages(store.with_name("other"))} == {p.id for p in found}


def test_a_move_to_another_ending_is_read_anew(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    (folder / "garden.md").rename(folder / "garden.txt")
    report = ingest([folder], store, embedder)
    assert (report.moved, report.added, report.removed) == (0, 1, 1)
    assert not any(p.heading for p in passages(store) if p.source.endswith("garden.txt"))


def test_files_that_swap_their_names(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    (folder / "sun.txt").write_text("The sun is a star of the main sequence.\n")
    ingest([folder], store, embedder)
    (folder / "sun.txt").rename(folder / "x")
    (folder / "moon.txt").rename(folder / "sun.txt")
    (folder / "x").rename(folder / "moon.txt")
    ingest([folder], store, embedder)
    assert {Path(p.source).name: p.text for p in passages(store) if p.source.endswith(".txt")} == {
        "sun.txt": "The moon is 384,400 km from the earth.",
        "moon.txt": "The sun is a star of the main sequence.",
    }


def test_a_copy_reuses_the_vectors(folder: Path, store: Path, tmp_path: Path, embedder: WordEmbedder) -> None:
    with closing(CachedEmbeddings(embedder, tmp_path / "cache")) as cached:
        ingest([folder], store, cached)
        embedder.texts.clear()
        (folder / "copy.md").write_bytes((folder / "garden.md").read_bytes())
        report = ingest([folder], store, cached)
    assert (report.added, report.moved, report.embedded, embedder.texts) == (1, 0, 0, [])
    assert np.array_equal(vectors(store, folder / "copy.md"), vectors(store, folder / "garden.md"))


def test_roots_accumulate_and_do_not_remove_each_other(
    folder: Path, tmp_path: Path, store: Path, embedder: WordEmbedder
) -> None:
    other = tmp_path / "docs-2"
    other.mkdir()
    (other / "note.txt").write_text("A note.")
    ingest([folder], store, embedder)
    report = ingest([other], store, embedder)
    assert (report.added, report.removed, report.unchanged) == (1, 0, 0)
    assert len({p.source for p in passages(store)}) == 5
    with opened(store) as index:
        assert index.roots == (str(folder), str(other))


def test_without_paths_everything_ingested_before_is_brought_up_to_date(
    folder: Path, tmp_path: Path, store: Path, embedder: WordEmbedder
) -> None:
    other = tmp_path / "docs-2"
    other.mkdir()
    (other / "note.txt").write_text("A note.")
    ingest([folder, other], store, embedder)
    (folder / "new.txt").write_text("Something new.")
    other.rename(tmp_path / "unplugged")
    report = ingest([], store, embedder)
    assert (report.added, report.removed, report.missing) == (1, 0, (str(other),))
    assert any(p.source == str(other / "note.txt") for p in passages(store)), "it may come back"


def test_a_hidden_file_named_once_stays(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    (folder / ".secret.md").write_text("# Secret\n\nThe key lies under the mat.\n")
    ingest([folder / ".secret.md"], store, embedder)
    report = ingest([folder], store, embedder)
    assert (report.added, report.removed) == (4, 0)


def test_a_path_that_does_not_exist(tmp_path: Path, store: Path, embedder: WordEmbedder) -> None:
    with pytest.raises(SourceMissing, match="nowhere"):
        ingest([tmp_path, tmp_path / "nowhere"], store, embedder)
    assert not store.exists()


def test_a_folder_with_nothing_to_read(tmp_path: Path, store: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "photo.jpg").write_bytes(b"x")
    report = ingest([tmp_path / "bare"], store, embedder)
    assert (report.added, report.passages, report.skipped) == (0, 0, 1)


def test_another_embedder_needs_a_new_index(folder: Path, tmp_path: Path, store: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "note.txt").write_text("A note.")
    ingest([folder], store, embedder)
    other = WordEmbedder("other")
    with pytest.raises(EmbedderMismatch, match="reindex"):
        ingest([tmp_path / "more"], store, other)
    assert passages(store)
    report = ingest([tmp_path / "more"], store, other, rebuild=True)
    assert (report.added, report.embedded) == (5, report.passages)
    assert len(passages(store, other.fingerprint)) == report.passages


def test_a_damaged_index_is_kept_until_rebuilt(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    for path in store.rglob("*"):
        if path.is_file() and path.suffix in (".faiss", ".npy", ".vectors", ".f32", ".bin"):
            path.write_bytes(b"damage")
    with pytest.raises(IndexCorrupt):
        passages(store)
    assert ingest([folder], store, embedder, rebuild=True).added == 4
    assert passages(store)


def test_a_second_writer_is_told_to_wait(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    with IndexWriter.open(store, embedder.fingerprint, embedder.dimension), pytest.raises(IndexBusy):
        ingest([folder], store, embedder)


def test_progress_counts_files_and_passages(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    steps: list[IngestProgress] = []
    report = ingest([folder], store, embedder, on_progress=steps.append)
    assert list(dict.fromkeys(step.phase for step in steps)) == ["scanning", "working", "saving"]
    working = [step for step in steps if step.phase == "working"]
    assert {step.files_total for step in working} == {4}
    assert (working[-1].files, working[-1].passages, working[-1].passages_total) == (
        4,
        report.passages,
        report.passages,
    )
    assert all(step.passages <= step.passages_total for step in working)


def test_a_full_disk_keeps_the_old_index(
    folder: Path, store: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest([folder], store, embedder)
    before = passages(store)
    (folder / "new.txt").write_text("Something new.")

    def full(*args: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="as it was"):
            ingest([folder], store, embedder)
    assert passages(store) == before
    assert ingest([folder], store, embedder).added == 1


def test_an_embedder_that_breaks_down_leaves_what_was_finished(
    folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fragile(WordEmbedder):
        def embed(self, texts: Any) -> np.ndarray:
            if any("moon" in text for text in texts):
                raise EmbedderError("The server is gone.")
            return super().embed(texts)

    monkeypatch.setattr("knowledge.ingest.batching._BATCH", 1)
    with pytest.raises(EmbedderError, match=r"of 4 files.*Run the same command again"):
        ingest([folder], store, Fragile())
    finished = {p.source for p in passages(store)}
    assert finished and str(folder / "moon.txt") not in finished
    sound = WordEmbedder()
    report = ingest([folder], store, sound)
    assert report.unchanged == len(finished)
    assert report.added == 4 - len(finished)
    assert any("moon" in text for text in sound.texts)


def test_large_ingests_become_visible_bit_by_bit(
    folder: Path, store: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowledge.ingest.batching._BATCH", 1)
    monkeypatch.setattr("knowledge.ingest.pipeline._COMMIT_PASSAGES", 1)
    seen: list[int] = []

    def look(step: IngestProgress) -> None:
        if step.phase == "saving" and (store / "CURRENT").exists():
            found = passages(store)
            seen.append(len(found))
            for source in {p.source for p in found}:  # never half a file
                assert [resolve(p) for p in found if p.source == source]

    report = ingest([folder], store, embedder, on_progress=look)
    assert len(set(seen)) > 1
    assert len(passages(store)) == report.passages


def test_a_citation_of_a_changed_or_lost_file_is_refused(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    moon = next(p for p in passages(store) if p.source.endswith("moon.txt"))
    (folder / "moon.txt").write_text("Now it says something else.\n")
    with pytest.raises(DocumentError, match="has changed"):
        resolve(moon)
    (folder / "moon.txt").unlink()
    with pytest.raises(DocumentError, match="cannot be opened"):
        resolve(moon)
