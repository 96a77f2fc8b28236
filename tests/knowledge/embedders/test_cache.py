from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from knowledge.embedders import CachedEmbeddings
from knowledge.embedders.cache import FILE_NAME
from tests.knowledge.words import WordEmbedder

TEXTS = [f"text number {number} of many" for number in range(20)]


def reopened(folder: Path, name: str = "words", **options: int) -> tuple[CachedEmbeddings, WordEmbedder]:
    embedder = WordEmbedder(name)
    return CachedEmbeddings(embedder, folder, **options), embedder


def test_a_text_is_embedded_once(tmp_path: Path) -> None:
    cache, embedder = reopened(tmp_path)
    first = cache.embed([*TEXTS, TEXTS[0]])
    assert embedder.texts == TEXTS
    assert (cache.hits, cache.misses) == (1, 20)
    cache.close()
    cache, embedder = reopened(tmp_path)
    np.testing.assert_array_equal(cache.embed(["new", *TEXTS, TEXTS[0]])[1:], first)
    assert embedder.texts == ["new"]
    assert (cache.hits, cache.misses) == (21, 1)
    cache.close()


def test_vectors_may_be_changed_by_who_got_them(tmp_path: Path) -> None:
    cache, _ = reopened(tmp_path)
    first = cache.embed(TEXTS)
    expected = first.copy()
    first *= 0
    np.testing.assert_array_equal(cache.embed(TEXTS), expected)


def test_embedders_do_not_mix(tmp_path: Path) -> None:
    cache, _ = reopened(tmp_path)
    cache.embed(TEXTS)
    cache.close()
    cache, other = reopened(tmp_path, "other")
    assert cache.fingerprint == other.fingerprint
    cache.embed(TEXTS)
    assert other.texts == TEXTS
    cache.close()


def test_queries_are_not_remembered(tmp_path: Path) -> None:
    cache, embedder = reopened(tmp_path)
    np.testing.assert_array_equal(cache.query_vector("who?"), embedder.query_vector("who?"))
    assert cache.embed_query("who?") == embedder.embed_query("who?")
    assert (cache.hits, cache.misses) == (0, 0)
    assert not (tmp_path / FILE_NAME).exists()


def test_it_stays_within_its_size_and_forgets_the_oldest(tmp_path: Path) -> None:
    most = 300_000
    old, used, new = ([f"{kind} {number}" for number in range(300)] for kind in ("old", "used", "new"))
    for texts in (used, old, used, new, [f"newer {number}" for number in range(150)]):
        cache, embedder = reopened(tmp_path, most_bytes=most)
        cache.embed(texts)
        cache.close()
    assert (tmp_path / FILE_NAME).stat().st_size <= most * 1.5
    cache, embedder = reopened(tmp_path, most_bytes=most)
    cache.embed(new)
    assert not embedder.texts
    cache.embed(old)
    assert len(embedder.texts) > 150


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is no database" * 1000)
    cache, embedder = reopened(tmp_path)
    assert cache.embed(TEXTS).shape == (20, 64)
    cache.close()
    assert (tmp_path / f"{FILE_NAME}.damaged").read_bytes().startswith(b"this is no")
    cache, embedder = reopened(tmp_path)
    cache.embed(TEXTS)
    assert not embedder.texts
    cache.close()


def test_no_damage_changes_a_vector(tmp_path: Path) -> None:
    cache, embedder = reopened(tmp_path / "whole")
    expected = cache.embed(TEXTS)
    cache.close()
    whole = (tmp_path / "whole" / FILE_NAME).read_bytes()
    noise = np.random.default_rng(0)
    for number in range(60):
        folder = tmp_path / str(number)
        folder.mkdir()
        data = bytearray(whole)
        for at in noise.integers(0, len(data), 40):
            data[at] = noise.integers(0, 256)
        (folder / FILE_NAME).write_bytes(data)
        cache, _ = reopened(folder)
        np.testing.assert_array_equal(cache.embed(TEXTS), expected)
        cache.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    cache, _ = reopened(tmp_path / "below")
    assert cache.embed(TEXTS).shape == (20, 64)


def test_a_file_in_the_way_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache, embedder = reopened(tmp_path / "file")
    for _ in range(2):
        assert cache.embed(TEXTS).shape == (20, 64)
    assert embedder.texts == TEXTS * 2
    cache.close()


def test_a_lock_that_is_not_given_up_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.embedders.cache._PATIENCE", 0.05)
    cache, _ = reopened(tmp_path)
    cache.embed(TEXTS)
    cache.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as other:
        other.execute("BEGIN IMMEDIATE")
        cache, _ = reopened(tmp_path)
        assert cache.embed(["another"]).shape == (1, 64)
        cache.close()
        other.rollback()
    other.close()


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    cache, _ = reopened(tmp_path)
    cache.embed(TEXTS)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    cache.close()


def test_threads_share_one(tmp_path: Path) -> None:
    cache, _ = reopened(tmp_path)
    expected = WordEmbedder().embed(TEXTS)
    failed: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            if not np.array_equal(cache.embed(TEXTS[number:]), expected[number:]):
                failed.append(number)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failed
    assert cache.hits + cache.misses == 20 * sum(20 - number for number in range(6))
    cache.close()


CHILD = """
import sys, time
from pathlib import Path
from knowledge.embedders import CachedEmbeddings
from tests.knowledge.words import WordEmbedder
cache = CachedEmbeddings(WordEmbedder(), Path(sys.argv[1]))
for number in range(100_000):
    cache.embed([f"{sys.argv[2]} {number} {part}" for part in range(20)])
    time.sleep(0.005)  # an embedder of 4,000 texts a second
    if number == 49:
        print(number, flush=True)
"""


def test_a_busy_file_is_waited_for_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.embedders.cache._PATIENCE", 0.05)
    monkeypatch.setattr("knowledge.embedders.cache._SECONDS_BETWEEN_WRITES", 0.0)
    cache, embedder = reopened(tmp_path)
    cache.embed(["before"])
    with sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        cache.embed(["meanwhile"])
        assert cache.embed(["meanwhile"]).shape == (1, embedder.dimension)
        other.execute("ROLLBACK")
    other.close()
    cache.embed(["after"])
    cache.close()
    again, embedder = reopened(tmp_path)
    again.embed(["before", "meanwhile", "after"])
    assert embedder.texts == []
    again.close()


def written(folder: Path, text: str) -> bool:
    """Whether another process would find the vector of a text in the file."""
    key = hashlib.sha256(f"{WordEmbedder().fingerprint}\0{text}".encode()).digest()
    with closing(sqlite3.connect(folder / FILE_NAME, timeout=60)) as connection:
        return connection.execute("SELECT 1 FROM vectors WHERE key = ?", (key,)).fetchone() is not None


def test_processes_share_one_and_a_killed_one_loses_little(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    start = [sys.executable, "-c", CHILD, str(tmp_path)]
    children = [
        subprocess.Popen([*start, name], cwd=root, stdout=subprocess.PIPE, text=True) for name in ("first", "second")
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()  # it has embedded the texts looked for below
    deadline = time.monotonic() + 60
    while not all(written(tmp_path, f"{name} 48 19") for name in ("first", "second")):
        assert time.monotonic() < deadline, "what was embedded never reached the disk"
        time.sleep(0.05)
    for child in children:
        child.kill()
        child.communicate()
    cache, embedder = reopened(tmp_path)
    for name in ("first", "second"):
        cache.embed([f"{name} {number} {part}" for number in range(49) for part in range(20)])
    assert embedder.texts == []
    cache.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
