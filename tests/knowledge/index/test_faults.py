"""Damage, full disks and kills: the old index or the new one, and never a wrong answer."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from knowledge.errors import IndexCorrupt, IndexMissing, StorageError
from knowledge.index import IndexWriter, dense, generations
from tests.knowledge.index.collection import TEXTS, WORDS, held, open_index, put, vectors_of, write
from tests.knowledge.index.full_disk import full_at

ROOT = Path(__file__).parents[3]
NEW = {"/docs/boat.md": ["The boat has sunk."], "/docs/new.md": ["Something new.", "And more of it."]}
AFTER = TEXTS | NEW
ANEW = {"/docs/anew.md": ["Everything is new here."]}
CHANGES = ("replace", "compact", "fresh")


def contents(folder: Path) -> dict[str, list[str]]:
    index = open_index(folder)
    found = held(index)
    rows, _ = index.search_dense(vectors_of(["x"])[0], 99)
    assert len(rows) == index.size
    index.close()
    return found


def change(folder: Path, kind: str) -> dict[str, list[str]]:
    """Make one change and say what the index shall hold then."""
    with IndexWriter.open(folder, WORDS.fingerprint, WORDS.dimension, fresh=kind == "fresh") as writer:
        for source, texts in (ANEW if kind == "fresh" else NEW).items():
            put(writer, source, texts)
        if kind == "compact":
            writer.compact()
        else:
            writer.commit(["/docs"])
    return ANEW if kind == "fresh" else AFTER


def damaged(content: bytes) -> list[tuple[str, bytes]]:
    """Every byte changed on its own where there are few, every 97th where there are many; and wrong lengths."""
    step = 1 if len(content) <= 1024 else 97
    variants = [("no byte", b""), ("one less", content[:-1]), ("one more", content + b"\0")]
    for position in range(0, len(content), step):
        changed = bytearray(content)
        changed[position] ^= 1 << (position % 8)
        variants.append((f"byte {position}", bytes(changed)))
    return variants


def test_every_changed_byte_of_every_file_is_noticed(tmp_path: Path) -> None:
    write(tmp_path, TEXTS)
    write(tmp_path, NEW)
    current = generations.current(tmp_path)
    needed = {"CURRENT", f"{current.name}/manifest.json", *current.seals}
    paths = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "writer.lock"]
    older = [path for path in paths if path.relative_to(tmp_path).as_posix() not in needed]
    assert len(paths) - len(older) == len(needed) == 1 + 2 + 2 * 7
    assert older
    for path in paths:
        content = path.read_bytes()
        for what, changed in damaged(content):
            if path in older:
                if what == "byte 0":
                    path.write_bytes(changed)
                    assert contents(tmp_path) == AFTER  # nothing of it is read any more
                continue
            path.write_bytes(changed)
            if changed == content:
                continue
            with pytest.raises((IndexCorrupt, IndexMissing)):
                open_index(tmp_path)
                pytest.fail(f"{path.name}: {what}")
        path.write_bytes(content)
    assert contents(tmp_path) == AFTER


def test_a_file_of_another_segment_is_noticed(tmp_path: Path) -> None:
    write(tmp_path, TEXTS)
    write(tmp_path, NEW)
    one, *_, other = sorted(tmp_path.glob("segments/*/passages.sqlite"))
    other.write_bytes(one.read_bytes())
    with pytest.raises(IndexCorrupt):
        open_index(tmp_path)


def test_damage_to_a_segment_stops_the_writer_that_needs_it_and_no_other(tmp_path: Path) -> None:
    write(tmp_path, TEXTS)
    path = next(tmp_path.glob("segments/*/dense.faiss"))
    path.write_bytes(b"nonsense")
    with IndexWriter.open(tmp_path, WORDS.fingerprint, 64) as writer:
        with pytest.raises(IndexCorrupt):
            writer.vectors_of("/docs/boat.md")
        with pytest.raises(IndexCorrupt):
            put(writer, "/docs/more.md", ["more"])
            writer.compact()
    assert change(tmp_path, "fresh") == contents(tmp_path) == ANEW


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("name", ["write", "fsync", "replace", "mkdir", "open"])
def test_a_refusal_at_any_step_leaves_old_or_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    write(tmp_path, TEXTS)
    failing = 0
    for failing in range(1, 100):
        with full_at(monkeypatch, name, failing) as calls:
            try:
                expected = change(tmp_path, kind)
            except StorageError as error:
                assert "no space left" in error.what
            else:
                if len(calls) < failing:
                    break
        assert contents(tmp_path) in (TEXTS, ANEW if kind == "fresh" else AFTER)
    assert failing > 1
    assert contents(tmp_path) == expected
    assert len(list(tmp_path.glob("gen-*"))) <= 2
    assert len(list(tmp_path.glob("segments/*"))) <= 4


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is POSIX")
@pytest.mark.parametrize("limit", [1_000, 5_000, 20_000, 60_000])
def test_a_refusal_by_the_kernel_is_a_storage_error(tmp_path: Path, limit: int) -> None:
    """Reaches what SQLite and FAISS write by themselves."""
    write(tmp_path, TEXTS)
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from knowledge.errors import StorageError\n"
        "from tests.knowledge.index.collection import write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "texts = [f'text number {number} of many' for number in range(400)]\n"
        "try: write(Path(sys.argv[1]), {'/docs/big.md': texts})\n"
        "except StorageError as error: print(error.kept)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "The index stands as it was.\n"
    assert contents(tmp_path) == TEXTS


_STEPS = """
import os, sys
from pathlib import Path
from tests.knowledge.index.test_faults import change
steps = int(sys.argv[2])
def step(event, arguments):
    global steps
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "sqlite3.connect", "shutil.rmtree"):
        if str(arguments[0]).startswith(sys.argv[1]):
            steps -= 1
            if not steps:
                os.kill(os.getpid(), 9)
sys.addaudithook(step)
change(Path(sys.argv[1]), sys.argv[3])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("kind", CHANGES)
def test_a_kill_before_any_file_operation_leaves_old_or_new(tmp_path: Path, kind: str) -> None:
    new = ANEW if kind == "fresh" else AFTER
    outcomes = []
    for step in range(1, 300, 9):
        folder = tmp_path / str(step)
        write(folder, TEXTS)
        killed = subprocess.run([sys.executable, "-c", _STEPS, str(folder), str(step), kind], check=False, cwd=ROOT)
        outcomes.append(contents(folder))
        assert outcomes[-1] in (TEXTS, new)
        write(folder, {"/docs/next.md": ["The next one works."]})
        assert contents(folder) == outcomes[-1] | {"/docs/next.md": ["The next one works."]}
        if killed.returncode == 0:
            break
        assert killed.returncode == -signal.SIGKILL
    assert outcomes[0] == TEXTS
    assert outcomes[-1] == new
    assert len(outcomes) > 5


def test_kills_at_random_moments_leave_a_complete_index(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.knowledge.index.collection import WORDS, put, write\n"
        "from knowledge.index import IndexWriter\n"
        "print('go', flush=True)\n"
        "for number in range(1_000_000):\n"
        "    texts = [f'edition {number} line {line}' for line in range(40)]\n"
        "    write(Path(sys.argv[1]), {f'/docs/{name}.md': texts for name in 'ab'}, fresh=number % 5 == 0)\n"
    )
    chance = random.Random(7)
    write(tmp_path, {"/docs/a.md": ["edition"], "/docs/b.md": ["edition"]})
    for _ in range(8):
        writer = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT)
        assert writer.stdout and writer.stdout.readline() == b"go\n"
        time.sleep(chance.uniform(0, 0.4))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        found = contents(tmp_path)
        assert found["/docs/a.md"] == found["/docs/b.md"]


def test_a_refusal_while_inverted_lists_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "FLAT_AT_MOST", 100)
    write(tmp_path, TEXTS)
    real = Path.open

    class Full:
        """A file that takes 1,000 bytes."""

        def __init__(self, file: Any) -> None:
            self.file, self.left = file, 1000

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def write(self, data: bytes) -> int:
            self.left -= len(data)
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return int(self.file.write(data))

    def opened(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = real(path, mode, *args, **kwargs)
        return Full(file) if path.name == dense.FILE and "x" in mode else file

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(StorageError, match="no space left"):
        write(tmp_path, {"/docs/many.md": [f"text {number} of {number % 17}" for number in range(400)]})
    monkeypatch.setattr(Path, "open", real)
    assert contents(tmp_path) == TEXTS
