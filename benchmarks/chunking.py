"""Compare ways to split documents, by the tokens that a search over them brings back.

Questions come with the exact spans that answer them. For each question the five nearest chunks are fetched
with the default embedder; of their tokens, recall is the share of the span's that is there, precision the
share that belongs to the span, IoU intersection over union (B. Smith and A. Troynikov, "Evaluating Chunking
Strategies for Retrieval", Chroma, 2024). Five large chunks hold more than five small ones, so recall is given
for an equal number of tokens too: as many chunks as fit into `SHOWN` of them.

    python -m benchmarks.chunking [--data FOLDER] [--characters 60000] [--only NAME …]
"""

from __future__ import annotations

import bisect
import csv
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agent.config import load_settings
from benchmarks.measure import Table, arguments, machine, publish
from knowledge.chunking import embedded_text, estimate_tokens, split
from knowledge.embedders import CachedEmbeddings, build_embeddings

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "dev" / "chunking"
TOP = 5
SHOWN = 800
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?]+[\"')\]]*|\n|$)\s*")

Range = tuple[int, int]


@dataclass(frozen=True)
class Chunk:
    """Characters `start`..`end` of a corpus as shown, and the text that is embedded for them."""

    corpus: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Question:
    """A question, its corpus and the spans that answer it."""

    text: str
    corpus: str
    spans: tuple[Range, ...]


Splitter = Callable[[str, str], list[Chunk]]


def structural(budget: int, *, neighbours: int = 0) -> Splitter:
    """The product's own splitter; each hit may be shown with its neighbours."""

    def chunks(corpus: str, text: str) -> list[Chunk]:
        from langchain_core.documents import Document

        document = Document(page_content=text, metadata={"markup": "markdown"})
        passages = list(split([document], f"/{corpus}.md", budget))
        begins = [0, *(found.end() for found in re.finditer("\n", text))]
        ranges, at = [], 0
        for passage in passages:
            start = text.index(passage.text, max(begins[passage.start_line - 1], at))
            at = start + len(passage.text)
            ranges.append((start, at))
        texts = map(embedded_text, passages)
        return [Chunk(corpus, *_widened(ranges, n, neighbours), words) for n, words in enumerate(texts)]

    return chunks


def recursive(budget: int, overlap: int = 0) -> Splitter:
    """LangChain's `RecursiveCharacterTextSplitter`, measured in the same tokens."""

    def chunks(corpus: str, text: str) -> list[Chunk]:
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        splitter = RecursiveCharacterTextSplitter(
            chunk_size=budget, chunk_overlap=overlap, length_function=estimate_tokens, add_start_index=True
        )
        found = splitter.create_documents([text])
        places = [(part.metadata["start_index"], part.page_content) for part in found]
        return [Chunk(corpus, start, start + len(words), words) for start, words in places]

    return chunks


def sentences(window: int) -> Splitter:
    """Each sentence is embedded alone and shown with `window` sentences on both sides."""

    def chunks(corpus: str, text: str) -> list[Chunk]:
        ranges = [found.span() for found in _SENTENCE.finditer(text) if len(found.group().strip()) > 1]
        return [
            Chunk(corpus, *_widened(ranges, n, window), text[slice(*ranges[n])].strip()) for n in range(len(ranges))
        ]

    return chunks


def _widened(ranges: Sequence[Range], at: int, by: int) -> Range:
    return ranges[max(0, at - by)][0], ranges[min(len(ranges) - 1, at + by)][1]


STRATEGIES: dict[str, Splitter] = {
    "by structure, 100": structural(100),
    "by structure, 100, 1 neighbour": structural(100, neighbours=1),
    "by structure, 150": structural(150),
    "by structure, 180": structural(180),
    "by structure, 180, 1 neighbour": structural(180, neighbours=1),
    "by structure, 220": structural(220),
    "by structure, 250": structural(250),
    "by structure, 400": structural(400),
    "recursive, 200": recursive(200),
    "recursive, 200, overlap 100": recursive(200, 100),
    "recursive, 400": recursive(400),
    "recursive, 400, overlap 200": recursive(400, 200),
    "recursive, 800": recursive(800),
    "recursive, 800, overlap 400": recursive(800, 400),
    "sentences, 2 around": sentences(2),
}


def read_questions(folder: Path, characters: int) -> tuple[dict[str, str], list[Question]]:
    """The beginnings of the corpora, and the questions whose spans all lie in them."""
    corpora = {path.stem: path.read_text(encoding="utf-8")[:characters] for path in sorted(folder.glob("*.md"))}
    questions = []
    with (folder / "questions_df.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            spans = tuple((part["start_index"], part["end_index"]) for part in json.loads(row["references"]))
            if max(end for _, end in spans) < len(corpora[row["corpus_id"]]):
                questions.append(Question(row["question"], row["corpus_id"], spans))
    return corpora, questions


@dataclass(frozen=True)
class Score:
    """Means over the questions, in percent, and what the strategy costs.

    Attributes:
        recall, precision, iou: of the tokens of the best `TOP` chunks.
        recall_shown: of as many chunks as fit into `SHOWN` tokens.
        chunks: how many there are.
        tokens: what is embedded for a chunk, as estimated, mean.
        seconds: to split the corpora.
    """

    recall: float
    precision: float
    iou: float
    recall_shown: float
    chunks: int
    tokens: float
    seconds: float


class Tokens:
    """Which tokens of which corpus a range of characters holds."""

    def __init__(self, corpora: dict[str, str]) -> None:
        self._starts = {name: [found.start() for found in _TOKEN.finditer(text)] for name, text in corpora.items()}

    def of(self, corpus: str, ranges: Sequence[Range]) -> Iterator[tuple[str, int]]:
        """Tokens of the ranges, repeats included."""
        starts = self._starts[corpus]
        for start, end in ranges:
            yield from ((corpus, n) for n in range(bisect.bisect_left(starts, start), bisect.bisect_left(starts, end)))


def judge(question: Question, ranked: Sequence[Chunk], tokens: Tokens) -> tuple[float, float, float, float]:
    """Recall, precision and IoU of the best five, and recall of as many as may be shown."""
    wanted = set(tokens.of(question.corpus, question.spans))
    best = [token for chunk in ranked[:TOP] for token in tokens.of(chunk.corpus, [(chunk.start, chunk.end)])]
    hits = len(wanted & set(best))
    shown: set[tuple[str, int]] = set()
    for chunk in ranked:
        wider = shown | set(tokens.of(chunk.corpus, [(chunk.start, chunk.end)]))
        if len(wider) > SHOWN:
            break
        shown = wider
    union = len(wanted) + len(best) - hits
    return hits / len(wanted), hits / len(best), hits / union, len(wanted & shown) / len(wanted)


def evaluate(chunks: Sequence[Chunk], questions: Sequence[Question], tokens: Tokens, embed: Embed) -> Score:
    """Search for every question in all the corpora together."""
    vectors = embed([chunk.text for chunk in chunks])
    asked = embed([question.text for question in questions])
    scores = []
    for question, vector in zip(questions, asked, strict=True):
        order = np.argsort(-(vectors @ vector), kind="stable")[:60]
        scores.append(judge(question, [chunks[at] for at in order], tokens))
    recall, precision, iou, shown = (100 * statistics.mean(column) for column in zip(*scores, strict=True))
    size = statistics.mean(estimate_tokens(chunk.text) for chunk in chunks)
    return Score(recall, precision, iou, shown, len(chunks), size, 0.0)


Embed = Callable[[Sequence[str]], np.ndarray]


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="corpora and questions_df.csv")
    parser.add_argument("--characters", type=int, default=60_000, help="read so much of each corpus")
    parser.add_argument("--only", nargs="*", default=[], help="only strategies whose name holds one of these")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir(), "ratchet-chunking"))
    given = parser.parse_args()
    facts = machine()
    corpora, questions = read_questions(given.data, given.characters)
    tokens, results = Tokens(corpora), {}
    settings = load_settings()
    with closing(
        CachedEmbeddings(build_embeddings(settings.knowledge.embedder, settings.models_folder), given.cache)
    ) as embeddings:
        for name, splitter in STRATEGIES.items():
            if given.only and not any(part in name for part in given.only):
                continue
            started = time.perf_counter()
            chunks = [chunk for corpus, text in corpora.items() for chunk in splitter(corpus, text)]
            seconds = time.perf_counter() - started
            score = evaluate(chunks, questions, tokens, embeddings.embed)
            results[name] = replace(score, seconds=seconds)
            if not given.json:
                print(f"{name}: IoU {score.iou:.1f} %", flush=True)
    head = [
        "strategy",
        "chunks",
        "tokens",
        f"recall@{TOP}",
        f"precision@{TOP}",
        f"IoU@{TOP}",
        f"recall in {SHOWN} tokens",
    ]
    rows = [
        [name, r.chunks, *(f"{value:.1f}" for value in (r.tokens, r.recall, r.precision, r.iou, r.recall_shown))]
        for name, r in results.items()
    ]
    title = f"{len(questions)} questions over {sum(map(len, corpora.values())):,} characters, in percent"
    publish(facts, {"strategies": results}, [Table(title, head, rows)], given.json)


if __name__ == "__main__":
    main()
