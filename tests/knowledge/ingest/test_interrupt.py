from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from knowledge.embedders import CachedEmbeddings
from knowledge.errors import IndexMissing
from knowledge.ingest import ingest
from tests.knowledge.ingest.collection import passages
from tests.knowledge.words import WordEmbedder

FILES = 400
# Says how many texts it has been given so far after each batch, which takes a while as with a real model.
SLOW = """
import sys, time
from contextlib import closing
from pathlib import Path
from knowledge.embedders import CachedEmbeddings
from knowledge.errors import IngestInterrupted
from knowledge.ingest import ingest
from tests.knowledge.words import WordEmbedder

class Slow(WordEmbedder):
    def embed(self, texts):
        time.sleep(len(texts) / 100)
        vectors = super().embed(texts)
        print(len(self.texts), flush=True)
        return vectors

docs, store, cache = map(Path, sys.argv[1:])
try:
    with closing(CachedEmbeddings(Slow(), cache)) as embeddings:
        ingest([docs], store, embeddings)
except IngestInterrupted as interrupted:
    print(interrupted.kept, interrupted.fix, flush=True)
    sys.exit(130)
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Many small files, each of one passage of its own."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(FILES):
        (docs / f"{number:03}.md").write_text(f"Note {number} is about subject {number % 7}.\n")
    return docs


def start(script: str, *arguments: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )


def test_ctrl_c_keeps_what_is_finished_and_the_next_run_goes_on(docs: Path, store: Path, tmp_path: Path) -> None:
    child = start(SLOW, docs, store, tmp_path / "cache")
    assert child.stdout is not None
    assert int(child.stdout.readline()) < FILES
    child.send_signal(signal.SIGINT)
    *counts, told = child.communicate()[0].decode().splitlines()
    assert child.returncode == 130
    assert f"of {FILES} files. Run the same command again" in told
    finished = passages(store)
    assert 0 < len(finished) < FILES
    embedder = WordEmbedder()
    report = ingest([docs], store, embedder)
    assert (report.unchanged, report.added) == (len(finished), FILES - len(finished))
    assert len(embedder.texts) == FILES - len(finished), "without the cache: every finished file was in the index"
    assert len(passages(store)) == FILES


def test_a_killed_ingest_embeds_little_again(docs: Path, store: Path, tmp_path: Path) -> None:
    child = start(SLOW, docs, store, tmp_path / "cache")
    assert child.stdout is not None
    given = 0
    while given < 250:
        given = int(child.stdout.readline())
    child.kill()
    child.communicate()
    with pytest.raises(IndexMissing):
        passages(store)  # too early for the first commit
    embedder = WordEmbedder()
    with closing(CachedEmbeddings(embedder, tmp_path / "cache")) as embeddings:
        report = ingest([docs], store, embeddings)
    assert report.added == FILES
    # A hundred a second were embedded, and all but those of the last second or so are kept.
    assert FILES - given <= len(embedder.texts) < FILES - 20
    assert len(passages(store)) == FILES


def test_a_kill_at_any_moment_leaves_a_whole_index(folder: Path, store: Path, embedder: WordEmbedder) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from knowledge.ingest import ingest\n"
        "from tests.knowledge.words import WordEmbedder\n"
        "docs, store = map(Path, sys.argv[1:])\n"
        "for number in range(1_000_000):\n"
        "    (docs / 'twin-a.md').write_text(f'# Round\\n\\nnumber {number}')\n"
        "    (docs / 'twin-b.md').write_text(f'# Round\\n\\nnumber {number}')\n"
        "    ingest([docs], store, WordEmbedder())\n"
        "    if number == 0: print('go', flush=True)\n"
    )
    chance = random.Random(11)
    for _ in range(12):
        writer = start(script, folder, store)
        assert writer.stdout and writer.stdout.readline() == b"go\n"
        time.sleep(chance.uniform(0, 0.2))
        writer.kill()
        writer.communicate()
        twins = [p.text for p in passages(store) if "twin" in p.source]
        assert len(twins) == 2 and twins[0] == twins[1]
    assert ingest([folder], store, embedder).passages == len(passages(store))
