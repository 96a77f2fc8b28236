"""What it takes to keep an index fresh: ten thousand small files, and then nothing, one, or a folder changes.

The first table embeds by hashing words, which costs next to nothing, so that what is left is the pipeline's
own; the second has the bundled embedder, on fewer files. Every figure is the wall time of one `ingest`.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.measure import Table, arguments, machine, publish, resident_mib
from benchmarks.workspace import private_settings
from knowledge.embedders import CachedEmbeddings, Embedder, build_embeddings
from knowledge.ingest import ingest
from knowledge.schema import IngestReport

PER_FOLDER = 100
WORDS = 90  # a file: one heading and one paragraph, about a passage


class HashEmbedder:
    """Each word adds to one of 384 dimensions: as many as the bundled embedder's, at almost no cost."""

    fingerprint = "hash:0:384"
    dimension = 384

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts, float32 [n, 384]."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text):
                vectors[row, int.from_bytes(hashlib.md5(word.encode()).digest()[:2]) % self.dimension] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

    def query_vector(self, text: str) -> np.ndarray:
        """The vector of one text, float32 [384]."""
        vector: np.ndarray = self.embed([text])[0]
        return vector

    def embed_query(self, text: str) -> list[float]:
        """`query_vector` as a list."""
        vector: list[float] = self.query_vector(text).tolist()
        return vector

    def close(self) -> None:
        """Nothing to release."""


def write_files(docs: Path, count: int, seed: int) -> None:
    """Small Markdown files of words that look like a language's, in folders of a hundred."""
    chance = random.Random(seed)
    lexicon = ["".join(chance.choices("abcdefghiklmnoprstuw", k=chance.randint(3, 9))) for _ in range(5000)]
    for number in range(count):
        path = docs / f"{number // PER_FOLDER:03}" / f"{number:05}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# Note {number}\n\n{' '.join(chance.choices(lexicon, k=WORDS))}.\n", encoding="utf-8")


def measure(docs: Path, home: Path, embedder: Embedder) -> list[tuple[str, float, IngestReport]]:
    """(what was done, seconds, the report) of a first ingest and of what may follow it."""
    steps: list[tuple[str, float, IngestReport]] = []
    with closing(CachedEmbeddings(embedder, home / "cache")) as embeddings:

        def step(name: str) -> None:
            began = time.perf_counter()
            report = ingest([docs], home / "index", embeddings)
            steps.append((name, time.perf_counter() - began, report))

        step("first ingest")
        time.sleep(0.3)  # beyond the tick of the clock, so that the next one finds no doubtful file
        step("nothing changed")
        step("nothing changed, again")
        one = next(docs.rglob("*.md"))
        one.write_text(one.read_text(encoding="utf-8") + "\nOne more line.\n", encoding="utf-8")
        step("one file changed")
        (docs / "000").rename(docs / "moved")
        step(f"a folder of {PER_FOLDER} files moved")
        docs.rename(docs.with_name("elsewhere"))
        docs.mkdir()
        docs.with_name("elsewhere").rename(docs / "inner")
        step("every file moved")
        shutil.copytree(docs / "inner" / "001", docs / "copies")
        step(f"{PER_FOLDER} files copied")
        shutil.rmtree(docs / "inner" / "002")
        step(f"{PER_FOLDER} files deleted")
    return steps


def table(title: str, steps: Sequence[tuple[str, float, IngestReport]]) -> Table:
    """One row per step."""
    rows = []
    for name, seconds, report in steps:
        did = [f"{getattr(report, key):,} {key}" for key in ("added", "updated", "moved", "removed", "unchanged")]
        rows.append((name, f"{seconds:.2f}", report.embedded, ", ".join(part for part in did if part[0] != "0")))
    return Table(title, ("step", "seconds", "embedded", "files"), rows)


def main() -> None:
    """Run both, print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="for the pipeline alone")
    parser.add_argument("--embedded-files", type=int, default=500, help="for the bundled embedder")
    given = parser.parse_args()
    facts = machine()
    results, tables = {}, []
    with tempfile.TemporaryDirectory(prefix="ratchet-freshness-") as name:
        root = Path(name)
        settings = private_settings(root)
        bundled = build_embeddings(settings.knowledge.embedder, settings.models_folder)
        runs = (
            ("pipeline alone", HashEmbedder(), given.files),
            ("with the bundled embedder", bundled, given.embedded_files),
        )
        for title, embedder, count in runs:
            home = root / title.replace(" ", "-")
            write_files(home / "docs", count, seed=1)
            steps = measure(home / "docs", home, embedder)
            results[title] = [{"step": step, "wall": wall, **report.to_json()} for step, wall, report in steps]
            tables.append(table(f"{title}, {count:,} files", steps))
    _, peak = resident_mib(os.getpid())
    results["peak_mib"] = [{"peak": peak}]
    publish(facts, results, tables, given.json)


if __name__ == "__main__":
    main()
