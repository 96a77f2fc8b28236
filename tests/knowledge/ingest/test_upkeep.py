from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knowledge.chunking import embedded_text
from knowledge.embedders import CachedEmbeddings
from knowledge.errors import EmbedderError, EmbedderMismatch, IndexMissing
from knowledge.index import IndexWriter
from knowledge.ingest import compact, forget, ingest, reindex
from knowledge.schema import IngestProgress
from tests.knowledge.ingest.collection import generation, opened, passages
from tests.knowledge.words import WordEmbedder


def test_reindex_needs_no_documents_and_the_old_index_answers_until_then(
    folder: Path, store: Path, embedder: WordEmbedder
) -> None:
    (folder / "empty.md").touch()
    ingest([folder], store, embedder)
    before = passages(store)
    folder.rename(folder.with_name("gone"))
    other = WordEmbedder("other")
    searched: list[int] = []

    def ask_meanwhile(step: IngestProgress) -> None:
        with opened(store) as index:
            searched.append(len(index.search_dense(embedder.query_vector("tomatoes"), 3)[0]))

    report = reindex(store, other, on_progress=ask_meanwhile)
    assert set(searched) == {3}
    assert (report.embedded, report.passages, report.failing) == (len(before), len(before), 1)
    assert passages(store, other.fingerprint) == before
    with pytest.raises(EmbedderMismatch):
        passages(store)
    with opened(store, other.fingerprint) as index:
        assert index.roots == (str(folder),)
        rows = index.rows_of(str(folder / "garden.md"))
        expected = other.embed([embedded_text(passage) for passage in index.passages(rows)])
        assert np.allclose(index.vectors(rows), expected, atol=1e-5)


def test_after_a_reindex_nothing_is_read_again(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    other = WordEmbedder("other")
    reindex(store, other)
    other.texts.clear()
    report = ingest([folder], store, other)
    assert (report.unchanged, report.embedded, other.texts) == (4, 0, [])


def test_a_reindex_that_breaks_down_leaves_the_old_index_and_goes_on_from_the_cache(
    folder: Path, store: Path, tmp_path: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fragile(WordEmbedder):
        def embed(self, texts: Any) -> np.ndarray:
            if len(self.texts) >= 3:
                raise EmbedderError("The server is gone.")
            return super().embed(texts)

    monkeypatch.setattr("knowledge.ingest.batching._BATCH", 1)
    ingest([folder], store, embedder)
    before = generation(store)
    with closing(CachedEmbeddings(Fragile("other"), tmp_path / "cache")) as cached, pytest.raises(EmbedderError):
        reindex(store, cached)
    assert generation(store) == before
    assert passages(store)
    sound = WordEmbedder("other")
    with closing(CachedEmbeddings(sound, tmp_path / "cache")) as cached:
        report = reindex(store, cached)
    assert report.embedded == len(sound.texts) == report.passages - 3


def test_a_rebuild_keeps_what_lies_on_a_drive_that_is_not_there(
    folder: Path, tmp_path: Path, store: Path, embedder: WordEmbedder
) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    (drive / "note.txt").write_text("A note on a drive.")
    ingest([folder, drive], store, embedder)
    drive.rename(tmp_path / "unplugged")
    report = ingest([], store, WordEmbedder("other"), rebuild=True)
    assert (report.added, report.missing, report.failed) == (4, (str(drive),), ())
    assert "A note on a drive." in [p.text for p in passages(store, "other:0:64")]


def test_forgotten_documents_leave_the_index_and_stay_on_the_disk(
    folder: Path, tmp_path: Path, store: Path, embedder: WordEmbedder
) -> None:
    ingest([folder], store, embedder)
    assert forget([folder / "moon.txt"], store) == ([str(folder / "moon.txt")], [])
    assert (folder / "moon.txt").exists()
    assert not [p for p in passages(store) if p.source.endswith("moon.txt")]
    assert ingest([folder], store, embedder).added == 1, "its folder is still followed"
    assert len(forget([folder], store).files) == 4
    assert passages(store) == []
    with pytest.raises(IndexMissing):
        ingest([], store, embedder)
    assert forget([tmp_path / "docs-2"], store) == ([], [])


def test_compact_makes_one_piece_of_many(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    for name in ("moon.txt", "garden.md"):
        ingest([folder / name], store, embedder)
    before = passages(store)
    assert compact(store) is True
    assert passages(store) == before
    assert compact(store) is False


def test_there_must_be_an_index(store: Path, embedder: WordEmbedder) -> None:
    for action in (lambda: reindex(store, embedder), lambda: forget([store], store), lambda: compact(store)):
        with pytest.raises(IndexMissing):
            action()


def test_a_writer_at_work_is_not_disturbed(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    with IndexWriter.open(store, embedder.fingerprint, embedder.dimension) as writer:
        writer.remove(str(folder / "moon.txt"))
        assert len(passages(store)) == sum(entry.passages for entry in writer.files.values()) + 1
