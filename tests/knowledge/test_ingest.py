from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from knowledge import loaders
from knowledge.errors import (
    DocumentError,
    EmbedderMismatch,
    IndexBusy,
    IndexCorrupt,
    IndexMissing,
    SourceMissing,
    StorageError,
)
from knowledge.generations import writer_lock
from knowledge.index import KnowledgeIndex
from knowledge.ingest import ingest
from knowledge.resolve import resolve
from knowledge.schema import IngestProgress, Passage
from tests.knowledge.pdf import encrypt_pdf, write_pdf
from tests.knowledge.words import WordEmbedder


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "index"


def passages(store: Path) -> list[Passage]:
    index = KnowledgeIndex.open(store, WordEmbedder().fingerprint)
    try:
        return list(index.contents().passages)
    finally:
        index.close()


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
    ingest([folder], store, embedder)
    generation = (store / "CURRENT").read_text()
    embedder.texts.clear()
    report = ingest([folder], store, embedder)
    assert (report.unchanged, report.added, report.embedded, report.passages > 0) == (4, 0, 0, True)
    assert embedder.texts == []
    assert (store / "CURRENT").read_text() == generation


def test_a_touched_file_is_recognised_by_its_content(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    os.utime(folder / "garden.md", (1, 1))
    report = ingest([folder], store, embedder)
    assert (report.unchanged, report.updated, report.embedded) == (4, 0, 0)


def test_only_new_text_of_a_changed_file_is_embedded(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    embedder.texts.clear()
    path = folder / "garden.md"
    path.write_text("One new line.\n\n" + path.read_text(encoding="utf-8") + "\n## Slugs\n\nBeer traps.\n")
    report = ingest([folder], store, embedder)
    assert (report.updated, report.unchanged, report.embedded) == (1, 3, 2)
    assert embedder.texts == ["One new line.", "Garden guide › Slugs\nBeer traps."]
    assert all(resolve(p) == p.text for p in passages(store))
    index = KnowledgeIndex.open(store, embedder.fingerprint)
    for p in index.contents().passages:  # reused vectors belong to the right passages
        vector = embedder.embed([f"{p.heading}\n{p.text}" if p.heading else p.text])[0]
        assert index.similarities(vector, [p.id])[p.id] == pytest.approx(1, abs=1e-5)


def test_removed_and_moved_files_follow(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    (folder / "moon.txt").unlink()
    (folder / "sub").mkdir()
    (folder / "bees.html").rename(folder / "sub" / "bees.html")
    report = ingest([folder], store, embedder)
    assert (report.added, report.removed, report.embedded) == (1, 2, 0)
    assert {str(Path(p.source).relative_to(folder)) for p in passages(store)} == {
        "garden.md",
        "boat.pdf",
        "sub/bees.html",
    }


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
    assert KnowledgeIndex.open(store, embedder.fingerprint).roots == (str(folder), str(other))


def test_failures_are_reported_remembered_and_retried_when_changed(
    folder: Path, store: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    encrypt_pdf(write_pdf(folder / "locked.pdf", ["secret"]), "key")
    (folder / "empty.md").touch()
    (folder / "image.txt").write_bytes(bytes(range(256)) * 8)
    (folder / "gone.txt").symlink_to(folder / "nowhere.txt")
    os.mkfifo(folder / "pipe.md")
    first = ingest([folder], store, embedder)
    assert first.added == 4
    assert {Path(f.source).name for f in first.failed} == {
        "locked.pdf", "empty.md", "image.txt", "gone.txt", "pipe.md",
    }  # fmt: skip
    assert all(f.reason.endswith(".") and "\n" not in f.reason for f in first.failed)

    def never(path: Path) -> Any:
        raise AssertionError(path)

    with monkeypatch.context() as patch:
        patch.setitem(loaders.LOADERS, ".pdf", never)
        assert ingest([folder], store, embedder).failed == first.failed
    write_pdf(folder / "locked.pdf", ["open now"])
    repaired = ingest([folder], store, embedder)
    assert "locked.pdf" not in {Path(f.source).name for f in repaired.failed}
    assert "open now" in " ".join(p.text for p in passages(store))


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
    (folder / "moon.txt").chmod(0o600)
    assert ingest([folder], store, embedder).failed == ()


def test_a_hundred_megabyte_line_does_not_stop_the_rest(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    with (folder / "huge.md").open("wb") as file:
        for _ in range(100):
            file.write(b"x" * 2**20)
    report = ingest([folder], store, embedder)
    assert report.added == 4
    assert "100 MB" in report.failed[0].reason


def test_a_path_that_does_not_exist(tmp_path: Path, store: Path, embedder: WordEmbedder) -> None:
    with pytest.raises(SourceMissing, match="nowhere"):
        ingest([tmp_path, tmp_path / "nowhere"], store, embedder)
    assert not store.exists()


def test_a_folder_with_nothing_to_read(tmp_path: Path, store: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "photo.jpg").write_bytes(b"x")
    report = ingest([tmp_path / "bare"], store, embedder)
    assert (report.added, report.passages, report.skipped) == (0, 0, 1)


def test_a_single_file_of_unknown_type_is_a_failure(tmp_path: Path, store: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "a.xyz").write_text("x")
    assert "cannot be read" in ingest([tmp_path / "a.xyz"], store, embedder).failed[0].reason


def test_another_embedder_needs_rebuild(folder: Path, tmp_path: Path, store: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "note.txt").write_text("A note.")
    ingest([folder], store, embedder)
    other = WordEmbedder("other")
    with pytest.raises(EmbedderMismatch):
        ingest([tmp_path / "more"], store, other)
    assert passages(store)
    report = ingest([tmp_path / "more"], store, other, rebuild=True)
    assert (report.added, report.embedded) == (5, report.passages)
    assert KnowledgeIndex.open(store, other.fingerprint).size == report.passages


def test_a_damaged_index_is_kept_until_rebuilt(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    next(store.glob("gen-*/dense.faiss")).write_bytes(b"damage")
    with pytest.raises(IndexCorrupt):
        ingest([folder], store, embedder)
    assert ingest([folder], store, embedder, rebuild=True).added == 4
    assert passages(store)


def test_a_second_writer_is_told_to_wait(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    with writer_lock(store), pytest.raises(IndexBusy):
        ingest([folder], store, embedder)


def test_progress_names_its_phases(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    steps: list[IngestProgress] = []
    report = ingest([folder], store, embedder, on_progress=steps.append)
    assert list(dict.fromkeys(step.phase for step in steps)) == ["reading", "embedding", "saving"]
    assert [step.done for step in steps if step.phase == "reading"] == [1, 2, 3, 4]
    assert [step for step in steps if step.phase == "embedding"][-1].done == report.embedded


def test_a_full_disk_keeps_the_old_index(
    folder: Path, store: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest([folder], store, embedder)
    before = passages(store)
    (folder / "new.txt").write_text("Something new.")

    def full(*args: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StorageError, match="as it was"):
            ingest([folder], store, embedder)
    assert passages(store) == before
    assert ingest([folder], store, embedder).added == 1


def test_a_citation_of_a_changed_or_lost_file_is_refused(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    ingest([folder], store, embedder)
    moon = next(p for p in passages(store) if p.source.endswith("moon.txt"))
    (folder / "moon.txt").write_text("Now it says something else.\n")
    with pytest.raises(DocumentError, match="has changed"):
        resolve(moon)
    (folder / "moon.txt").unlink()
    with pytest.raises(DocumentError, match="cannot be opened"):
        resolve(moon)


def test_kill_at_any_moment_leaves_a_whole_index(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from knowledge.ingest import ingest\n"
        "from tests.knowledge.words import WordEmbedder\n"
        "import faiss, numpy, knowledge.loaders, langchain_core.documents\n"
        "docs, store = map(Path, sys.argv[1:]); print('go', flush=True)\n"
        "for number in range(1_000_000):\n"
        "    (docs / 'twin-a.md').write_text(f'# Round\\n\\nnumber {number}')\n"
        "    (docs / 'twin-b.md').write_text(f'# Round\\n\\nnumber {number}')\n"
        "    ingest([docs], store, WordEmbedder())\n"
    )
    chance = random.Random(11)
    for _ in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", script, str(folder), str(store)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert writer.stdout and writer.stdout.readline() == b"go\n"
        time.sleep(chance.uniform(0, 0.2))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        try:
            twins = [p.text for p in passages(store) if "twin" in p.source]
        except IndexMissing:
            continue  # killed before the first index was complete
        assert len(twins) == 2 and twins[0] == twins[1]
    shutil.rmtree(folder / "sub", ignore_errors=True)
    assert ingest([folder], store, embedder).passages == len(passages(store))
