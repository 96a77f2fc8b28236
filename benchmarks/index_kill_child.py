"""The process that `benchmarks.index_kills` kills: it announces a change of an index, makes it, and says so."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from knowledge.errors import IndexMissing
from knowledge.index import FileEntry, IndexWriter, KnowledgeIndex, dense
from knowledge.schema import Passage

FINGERPRINT = "kills:0:32"
DIMENSION = 32
FILES = 60
ROLES = ("ingest", "compaction", "reindex")
_WORDS = "boat sails water honey dawn mast tide mill bees garden harbour rope".split()
Texts = dict[str, list[str]]


def main() -> None:
    """Change the index in the role given until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    dense.FLAT_AT_MOST = 1500  # so that a whole index has inverted lists and single changes are flat
    chance = random.Random(given.seed)
    texts = held(given.folder)
    say(f"done {digest(texts)}")
    for edition in itertools.count(given.seed * 1000):
        texts = WORK[given.role](given.folder, texts, chance, edition)
        say(f"done {digest(texts)}")


def ingest(folder: Path, texts: Texts, chance: random.Random, edition: int) -> Texts:
    """Change some files, add, move and remove some, commit."""
    texts = dict(texts)
    with opened(folder) as writer:
        for _ in range(chance.randint(1, 4)):
            put(writer, texts, f"/kills/{chance.randrange(FILES)}.md", lines(chance, edition))
        if len(texts) > FILES // 2:
            gone = chance.choice(sorted(texts))
            writer.remove(gone)
            del texts[gone]
        old, new = chance.choice(sorted(texts)), f"/kills/moved-{chance.randrange(9)}.md"
        writer.move(old, entry(new, texts[old]), passages(new, texts[old]))
        texts[new] = texts.pop(old) if new != old else texts[old]
        say(f"next {digest(texts)}")
        writer.commit(["/kills"])
    return texts


def compaction(folder: Path, texts: Texts, chance: random.Random, edition: int) -> Texts:
    """Change one file, then make one segment of all."""
    texts = dict(texts)
    with opened(folder) as writer:
        put(writer, texts, f"/kills/{chance.randrange(FILES)}.md", lines(chance, edition))
        say(f"next {digest(texts)}")
        writer.compact()
    return texts


def reindex(folder: Path, texts: Texts, chance: random.Random, edition: int) -> Texts:
    """Write everything anew while the old index stands."""
    texts = {}
    with opened(folder, fresh=True) as writer:
        for number in range(FILES):
            put(writer, texts, f"/kills/{number}.md", lines(chance, edition))
        say(f"next {digest(texts)}")
        writer.commit(["/kills"])
    return texts


WORK = {"ingest": ingest, "compaction": compaction, "reindex": reindex}


def opened(folder: Path, *, fresh: bool = False) -> contextlib.AbstractContextManager[IndexWriter]:
    """The writer of the index under attack."""
    return IndexWriter.open(folder, FINGERPRINT, DIMENSION, fresh=fresh)


def lines(chance: random.Random, edition: int) -> list[str]:
    """The passages of a file in this edition."""
    return [f"edition {edition}: {' '.join(chance.choices(_WORDS, k=12))}" for _ in range(chance.randint(20, 60))]


def put(writer: IndexWriter, texts: Texts, source: str, content: list[str]) -> None:
    """The file's new content, in the index and in what it should hold."""
    writer.replace(entry(source, content), passages(source, content), vectors(content))
    texts[source] = content


def entry(source: str, content: Sequence[str]) -> FileEntry:
    """What is known of a file."""
    return FileEntry(source, hashlib.sha256("\n".join(content).encode()).hexdigest(), 1, 2, len(content))


def passages(source: str, content: Sequence[str]) -> list[Passage]:
    """One passage per text."""
    return [Passage(f"{source}:{line}", source, text, line, line) for line, text in enumerate(content, 1)]


def vectors(content: Sequence[str]) -> np.ndarray:
    """Unit vectors that depend on the text and are the same in float16: four components of 0.5."""
    found = np.zeros((len(content), DIMENSION), dtype=np.float32)
    for row, text in enumerate(content):
        found[row, random.Random(text).sample(range(DIMENSION), 4)] = 0.5
    return found


def held(folder: Path) -> Texts:
    """Texts by file as the index gives them; empty when there is no index.

    Raises:
        KnowledgeError: it cannot be opened.
        AssertionError: what it gives does not fit together.
    """
    try:
        index = KnowledgeIndex.open(folder, FINGERPRINT)
    except IndexMissing:
        return {}
    found: Texts = {}
    for source, known in index.sources().items():
        rows = index.rows_of(source)
        content = [passage.text for passage in index.passages(rows)]
        assert index.passages(rows) == passages(source, content), source
        assert known == entry(source, content), source
        assert np.array_equal(index.vectors(rows), vectors(content)), source
        assert set(rows.tolist()) <= set(index.search_lexical({"edit": 1.0}, index.size)[0].tolist()), source
        found[source] = content
    assert len(index.search_dense(vectors(["any"])[0], index.size)[0]) <= index.size == sum(map(len, found.values()))
    index.close()
    return found


def digest(texts: Mapping[str, Sequence[str]]) -> str:
    """SHA-256 over all files and texts."""
    return hashlib.sha256("\0".join(_all(texts)).encode()).hexdigest()


def _all(texts: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for source in sorted(texts):
        yield from (source, *texts[source])


def say(line: str) -> None:
    """One line to the parent, at once."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
