from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from knowledge.errors import IndexBusy, IndexCorrupt, IndexMissing, StorageError
from knowledge.index import generations, sealing
from tests.knowledge.index.full_disk import full_at

OLD = {"a": b"old" * 100, "b": b"b" * 50}
NEW = {"a": b"new" * 100, "b": b"B" * 70}


def content(folder: Path) -> dict[str, bytes]:
    generation = generations.current(folder)
    return {Path(name).name: generation.verified(name).read_bytes() for name in generation.seals}


def publish(folder: Path, files: dict[str, bytes], notes: dict[str, Any] | None = None) -> None:
    """Each file but the first is one that generations share."""
    (first, data), *others = files.items()
    shared = {}
    with generations.storage_errors(folder):
        segment = generations.new_shared(folder)
        for name, content in others:
            shared[f"segments/{segment.name}/{name}"] = sealing.write(segment / name, content)
    generations.publish(folder, {first: data}, shared, notes or {})


def test_nothing_published_is_missing(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing, match="ratchet ingest FOLDER"):
        generations.current(tmp_path)


def test_the_newest_is_current_and_one_older_is_kept(tmp_path: Path) -> None:
    for number in range(4):
        publish(tmp_path, {"a": str(number).encode(), "b": b"x"}, {"number": number})
    assert content(tmp_path) == {"a": b"3", "b": b"x"}
    assert generations.current(tmp_path).notes == {"number": 3}
    assert sorted(path.name for path in tmp_path.glob("gen-*")) == ["gen-000003", "gen-000004"]
    assert sorted(path.name for path in tmp_path.glob("segments/*")) == ["seg-000003", "seg-000004"]


def test_what_killed_writers_left_is_swept_away_unless_the_index_is_damaged(tmp_path: Path) -> None:
    generations.new_shared(tmp_path)
    generations.sweep(tmp_path)
    assert list(tmp_path.glob("segments/*")) == []
    for data in (OLD, NEW, OLD):
        publish(tmp_path, data)
    complete = {path for path in tmp_path.rglob("*") if path.is_dir()}
    generations.new_shared(tmp_path)
    (tmp_path / "gen-000009").mkdir()
    generations.sweep(tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_dir()} == complete
    pointer = (tmp_path / "CURRENT").read_text()
    (tmp_path / "CURRENT").write_text("nonsense")
    generations.sweep(tmp_path)
    (tmp_path / "CURRENT").write_text(pointer)
    assert content(tmp_path) == OLD


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    publish(tmp_path, NEW, {"x": 1})
    for path in [entry for entry in tmp_path.rglob("*") if entry.is_file()]:
        original = path.read_bytes()
        for position in range(len(original)):
            damaged = bytearray(original)
            damaged[position] ^= 1 << (position % 8)
            path.write_bytes(damaged)
            with pytest.raises(IndexCorrupt, match="documents are untouched.*ratchet knowledge reindex"):
                content(tmp_path)
        for damaged in (b"", original[:-1], original + b"\0"):
            path.write_bytes(damaged)
            with pytest.raises(IndexCorrupt):
                content(tmp_path)
        path.unlink()
        with pytest.raises((IndexCorrupt, IndexMissing)):
            content(tmp_path)
        path.write_bytes(original)
    assert content(tmp_path) == NEW


def test_an_old_pointer_with_a_new_manifest_is_noticed(tmp_path: Path) -> None:
    publish(tmp_path, OLD)
    pointer = (tmp_path / "CURRENT").read_text()
    publish(tmp_path, NEW)
    (tmp_path / "CURRENT").write_text(pointer.replace("000001", "000002"))
    with pytest.raises(IndexCorrupt):
        content(tmp_path)


@pytest.mark.parametrize("name", ["write", "fsync", "replace", "mkdir"])
def test_a_full_disk_at_any_step_leaves_old_or_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    publish(tmp_path, OLD)
    failing = 0
    for failing in range(1, 50):
        with full_at(monkeypatch, name, failing) as calls:
            try:
                publish(tmp_path, NEW)
            except StorageError as error:
                assert "no space left" in error.what
            else:
                assert len(calls) < failing
                break
        assert content(tmp_path) in (OLD, NEW)
        if name != "fsync":  # the last flush fails after the swap
            assert content(tmp_path) == OLD
    assert failing > 1
    assert content(tmp_path) == NEW
    assert len(list(tmp_path.glob("gen-*"))) <= 2


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is POSIX")
def test_a_real_refusal_by_the_kernel_is_a_storage_error(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from knowledge.index import generations\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: generations.publish(Path(sys.argv[1]), {'a': bytes(10_000)}, {}, {})\n"
        "except generations.StorageError as error: print(error.kept)\n"
    )
    publish(tmp_path, OLD)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, cwd=_root()
    )
    assert done.stdout == "The index stands as it was.\n"
    assert content(tmp_path) == OLD


def test_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError), generations.writer_lock(tmp_path / "file"):
        pass


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from knowledge.index import generations\n"
        "with generations.writer_lock(Path(sys.argv[1])):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    other = _start(script, tmp_path)
    try:
        assert other.stdout and other.stdout.readline() == b"held\n"
        with pytest.raises(IndexBusy, match="Nothing was changed"), generations.writer_lock(tmp_path):
            pass
    finally:
        other.kill()
        other.communicate()
    with generations.writer_lock(tmp_path):  # a killed holder lets go
        with pytest.raises(IndexBusy), generations.writer_lock(tmp_path):
            pass
    with generations.writer_lock(tmp_path):
        pass


def test_kill_at_any_moment_leaves_a_complete_generation(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from knowledge.index import generations\n"
        "folder = Path(sys.argv[1]); print('go', flush=True)\n"
        "for number in range(1_000_000):\n"
        "    data = str(number % 10).encode() * 300_000\n"
        "    generations.publish(folder, {'a': data, 'b': data}, {}, {})\n"
    )
    chance = random.Random(7)
    publish(tmp_path, {"a": b"0", "b": b"0"})
    for _ in range(25):
        writer = _start(script, tmp_path)
        assert writer.stdout and writer.stdout.readline() == b"go\n"
        time.sleep(chance.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        found = content(tmp_path)
        assert found["a"] == found["b"]
    publish(tmp_path, NEW)
    assert len(list(tmp_path.glob("gen-*"))) <= 2


def _start(script: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, cwd=_root())


def _root() -> Path:
    return Path(__file__).parents[3]
