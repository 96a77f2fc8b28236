"""How the index grows, from a thousand passages to a million: time, space, latency, recall.

Real vectors of so many passages would take hours, so most are made: each is a mixture of the vector of a real
passage and that of one of its 20 nearest neighbours, in a random proportion, plus noise of half its length in a
random direction, brought back to unit length. Texts are real sentences of the same documents, drawn at random,
three to eight to a passage. Half of the dense queries are made like the passages, half are the real questions,
each with a little noise; the words of the real questions are the lexical queries. Every size is built in a process
of its own and measured in another, so that the memory is that of a search alone.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.growth_plot import draw
from benchmarks.measure import Table, arguments, machine, percentile, publish, resident_mib
from benchmarks.workspace import DOCS, ROOT, private_settings, questions
from knowledge.embedders import build_embeddings
from knowledge.index import FileEntry, IndexWriter, KnowledgeIndex
from knowledge.retriever import HybridRetriever
from knowledge.schema import Passage

SIZES = (1_000, 10_000, 100_000, 1_000_000)
FINGERPRINT = "growth:0:384"
PER_FILE = 20
STEP = 250_000
K = 100
QUERIES = 400
_SENTENCE = re.compile(r"(?<=[.!?:])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Growth:
    """What was measured at one size; times in milliseconds unless named otherwise."""

    passages: int
    build_seconds: float
    change_ms: float
    mib: float
    open_seconds: float
    resident_mib: float
    dense_p50: float
    dense_p95: float
    lexical_p50: float
    lexical_p95: float
    search_p50: float
    search_p95: float
    recall_made: float
    recall_questions: float
    segments: str


def main() -> None:
    """Build and measure every size; print the table and draw the curve."""
    parser = arguments(__doc__)
    parser.add_argument("--docs", type=Path, default=DOCS, help="the FastAPI documentation (Markdown)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--folder", type=Path, help="keep vectors and indexes here; default: a temporary folder")
    parser.add_argument("--plot", type=Path, help="draw the curve into this SVG file")
    parser.add_argument("--part", choices=("build", "measure"), help="used by the benchmark itself")
    given = parser.parse_args()
    if given.part:
        part = build if given.part == "build" else measure
        print(json.dumps(part(given.folder, given.sizes[0])))
        return
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="ratchet-growth-") as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        real(folder, given.docs)
        grown = [_grown(folder, size) for size in given.sizes]
    if given.plot:
        given.plot.write_text(draw(grown), encoding="utf-8")
    publish(facts, {"growth": grown}, [table(grown)], given.json)


def _grown(folder: Path, size: int) -> Growth:
    """One size; what was built before in the same folder is used again."""
    built = folder / f"built-{size}.json"
    if not built.exists():
        built.write_text(_part("build", folder, size))
    return Growth(**json.loads(built.read_text()), **json.loads(_part("measure", folder, size)))


def _part(name: str, folder: Path, size: int) -> str:
    command = [sys.executable, "-m", "benchmarks.growth", "--part", name, "--folder", str(folder), "--sizes", str(size)]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def real(folder: Path, docs: Path) -> None:
    """Vectors of real passages and questions, and real sentences, kept in `folder`."""
    if (folder / "real.npz").exists():
        return
    from knowledge.chunking import embedded_text, split
    from knowledge.loaders import lazy_load

    settings = private_settings(folder)
    embeddings = build_embeddings(settings.knowledge.embedder, settings.models_folder)
    passages = [each for path in sorted(docs.rglob("*.md")) for each in split(lazy_load(path), str(path))]
    print(f"embedding {len(passages)} passages", file=sys.stderr)
    vectors = embeddings.embed([embedded_text(passage) for passage in passages])
    asked = embeddings.embed([question.question for question in questions()])
    embeddings.close()
    sentences = sorted({line.strip() for each in passages for line in _SENTENCE.split(each.text) if len(line) > 20})
    headings = sorted({passage.heading for passage in passages})
    (folder / "real.json").write_text(json.dumps({"sentences": sentences, "headings": headings}))
    np.savez(folder / "real.npz", vectors=vectors, questions=asked)


class Source:
    """Passages and vectors without end, the same for the same seed."""

    def __init__(self, folder: Path, seed: int) -> None:
        texts = json.loads((folder / "real.json").read_text())
        with np.load(folder / "real.npz") as arrays:
            self.real, self.questions = arrays["vectors"], arrays["questions"]
        self.sentences, self.headings = texts["sentences"], texts["headings"]
        self.chance = np.random.default_rng(seed)
        self.near = np.argsort(-(self.real @ self.real.T), axis=1)[:, 1:21]

    def vectors(self, count: int) -> np.ndarray:
        """Made as the module says; float32 [count, d]."""
        rows = self.chance.integers(len(self.real), size=count)
        others = self.near[rows, self.chance.integers(20, size=count)]
        part = self.chance.random((count, 1), dtype=np.float32)
        return self.noisy(part * self.real[rows] + (1 - part) * self.real[others], 0.5)

    def noisy(self, vectors: np.ndarray, size: float) -> np.ndarray:
        """Vectors with noise of `size` times their length, at unit length again."""
        noise = self.chance.standard_normal(vectors.shape, dtype=np.float32) / vectors.shape[1] ** 0.5
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) + size * noise
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    def file(self, number: int, count: int) -> tuple[FileEntry, list[Passage], np.ndarray]:
        """A file of so many passages."""
        source = f"/growth/part-{number // 100}/page-{number}.md"
        heading = self.headings[number % len(self.headings)]
        passages = []
        for place in range(count):
            drawn = self.chance.integers(len(self.sentences), size=self.chance.integers(3, 9))
            text = " ".join(self.sentences[each] for each in drawn)
            passages.append(Passage(f"{number}-{place}", source, text, place + 1, place + 1, heading=heading))
        return FileEntry(source, "0" * 64, 1, number, count), passages, self.vectors(count)


def build(folder: Path, size: int) -> dict[str, Any]:
    """Write an index of `size` passages, then change one file of it; the clock runs for the writer alone.

    A long one is written in steps, each with a commit; when it was interrupted it goes on with the next step.
    """
    index, progress = folder / f"index-{size}", folder / f"progress-{size}.json"
    files, seconds = json.loads(progress.read_text()) if progress.exists() else (0, 0.0)
    while files < size // PER_FILE:
        source = Source(folder, seed=size + files)
        upto = min(files + STEP // PER_FILE, size // PER_FILE)
        with IndexWriter.open(index, FINGERPRINT, source.real.shape[1]) as writer:
            for number in range(files, upto):
                file = source.file(number, PER_FILE)
                seconds += _timed(lambda: writer.replace(*file))  # noqa: B023
            seconds += _timed(lambda: writer.commit(["/growth"]))
        files = upto
        progress.write_text(json.dumps([files, seconds]))
    changed = Source(folder, seed=0).file(0, PER_FILE)
    return {"passages": size, "build_seconds": seconds, "change_ms": 1e3 * _timed(lambda: _change(index, changed))}


def _change(folder: Path, changed: tuple[FileEntry, list[Passage], np.ndarray]) -> None:
    with IndexWriter.open(folder, FINGERPRINT, changed[2].shape[1]) as writer:
        writer.replace(*changed)
        writer.commit(writer.roots)


def measure(folder: Path, size: int) -> dict[str, Any]:
    """Open the index, search it, and compare what it finds with what comparing everything finds."""
    from knowledge.analysis import query_terms

    source = Source(folder, seed=1)
    made = source.vectors(QUERIES // 2)
    again = source.chance.integers(len(source.questions), size=QUERIES - len(made))
    vectors = np.concatenate([made, source.noisy(source.questions[again], 0.1)])
    asked = questions()
    words = [dict.fromkeys(query_terms(asked[row % len(asked)].question), 1.0) for row in range(len(vectors))]
    began = time.perf_counter()
    index = KnowledgeIndex.open(folder / f"index-{size}", FINGERPRINT)
    opened = time.perf_counter() - began
    pairs = list(zip(vectors, words, strict=True))
    source.chance.shuffle(pairs)
    dense, lexical = _latencies(pairs, index)
    resident, _ = resident_mib(_own_pid())
    recalls = _recalls(index, vectors)
    times = {"dense": dense, "lexical": lexical, "search": _searches(index, folder, [each.question for each in asked])}
    parts = {f"{name}_{label}": percentile(values, share) for name, values in times.items() for label, share in _SHARES}
    kinds = [f"{s.facts.layout.kind} {s.facts.rows}" for s in index._segments]
    return parts | {
        "open_seconds": opened,
        "mib": sum(path.stat().st_size for path in (folder / f"index-{size}").rglob("*")) / 2**20,
        "resident_mib": resident,
        "recall_made": float(np.mean(recalls[: len(made)])),
        "recall_questions": float(np.mean(recalls[len(made) :])),
        "segments": ", ".join(kinds),
    }


_SHARES = (("p50", 0.5), ("p95", 0.95))


def _latencies(pairs: list[Any], index: KnowledgeIndex) -> tuple[list[float], list[float]]:
    dense, lexical = [], []
    for vector, words in pairs[:50]:  # brings the files from the disk
        index.search_dense(vector, K)
        index.search_lexical(words, K)
    for vector, words in pairs:
        dense.append(1e3 * _timed(lambda: index.search_dense(vector, K)))  # noqa: B023
        lexical.append(1e3 * _timed(lambda: index.search_lexical(words, K)))  # noqa: B023
    return dense, lexical


def _searches(index: KnowledgeIndex, folder: Path, asked: list[str]) -> list[float]:
    """Milliseconds of whole searches: the question embedded, both indexes searched, scores fused, query expanded."""
    settings = private_settings(folder)
    embeddings = build_embeddings(settings.knowledge.embedder, settings.models_folder)
    retriever = HybridRetriever(index=index, embeddings=embeddings)
    for question in asked:
        retriever.rank(question, 10)
    return [1e3 * _timed(lambda: retriever.rank(question, 10)) for question in asked * 4]  # noqa: B023


def _recalls(index: KnowledgeIndex, vectors: np.ndarray) -> list[float]:
    """Of each query, how many of the ten nearest in truth are among the ten found."""
    best = np.full((len(vectors), 10), -2.0, dtype=np.float32)
    rows = np.zeros((len(vectors), 10), dtype=np.int64)
    for batch in _batches(index):
        cosines = np.concatenate([best, vectors @ index.vectors(batch).T], axis=1)
        numbers = np.concatenate([rows, np.broadcast_to(batch, (len(vectors), len(batch)))], axis=1)
        order = np.argpartition(-cosines, 10, axis=1)[:, :10]
        best, rows = np.take_along_axis(cosines, order, axis=1), np.take_along_axis(numbers, order, axis=1)
    found = [index.search_dense(vector, 10)[0] for vector in vectors]
    return [len(set(one.tolist()) & set(other.tolist())) / 10 for one, other in zip(rows, found, strict=True)]


def _batches(index: KnowledgeIndex) -> Iterator[np.ndarray]:
    files = [index.rows_of(source) for source in index.sources()]
    rows = np.sort(np.concatenate(files))
    yield from np.array_split(rows, max(1, len(rows) // 20_000))


def table(grown: list[Growth]) -> Table:
    """One row per size."""
    head = (
        "passages", "build", "one file changed", "on disk", "open", "resident", "dense p50 / p95",
        "words p50 / p95", "whole search p50 / p95", "recall@10, made", "recall@10, questions", "segments",
    )  # fmt: skip
    rows = [
        (
            f"{g.passages:,}", f"{g.build_seconds:.1f} s", f"{g.change_ms:.0f} ms", f"{g.mib:.0f} MiB",
            f"{g.open_seconds:.2f} s", f"{g.resident_mib:.0f} MiB", f"{g.dense_p50:.2f} / {g.dense_p95:.2f} ms",
            f"{g.lexical_p50:.2f} / {g.lexical_p95:.2f} ms", f"{g.search_p50:.1f} / {g.search_p95:.1f} ms",
            f"{g.recall_made:.3f}", f"{g.recall_questions:.3f}", g.segments,
        )
        for g in grown
    ]  # fmt: skip
    return Table("The index from small to large", head, rows)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _own_pid() -> int:
    import os

    return os.getpid()


if __name__ == "__main__":
    main()
