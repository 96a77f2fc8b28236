"""What it brings to embed the headings above a passage with its text: 40 questions, 124 real manual pages.

For each question of `benchmarks/data` the passages of the FastAPI documentation are ranked by the default
embedder alone, once with the path of headings before each text and once without. What counts is the rank of
the first passage from a file that answers.

    python -m benchmarks.heading_context [--docs FOLDER]
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from agent.config import load_settings
from benchmarks.measure import Table, arguments, machine, publish
from benchmarks.workspace import DOCS, Question, questions
from knowledge.chunking import embedded_text, split
from knowledge.embedders import CachedEmbeddings, build_embeddings
from knowledge.schema import Passage

# Lists of people, releases and generated references would only be more to embed: no question is about them.
TOP = (".", "advanced", "deployment", "how-to", "tutorial")
FOLDERS = (*TOP, "advanced/security", "tutorial/dependencies", "tutorial/security")
LEFT_OUT = ("release-notes.md", "external-links.md", "fastapi-people.md", "contributing.md", "_llm-test.md")
WAYS: dict[str, Callable[[Passage], str]] = {"with headings": embedded_text, "text alone": lambda passage: passage.text}


def read(docs: Path) -> list[Passage]:
    """The passages of the manual's pages; their source is relative to `docs`."""
    from langchain_core.documents import Document

    paths = [path for name in FOLDERS for path in sorted((docs / name).glob("*.md")) if path.name not in LEFT_OUT]
    found: list[Passage] = []
    for path in paths:
        document = Document(path.read_text(encoding="utf-8"), metadata={"markup": "markdown"})
        found += split([document], path.relative_to(docs).as_posix())
    return found


def rank(question: Question, order: np.ndarray, passages: list[Passage]) -> int:
    """Of the first passage from a right file, from 1."""
    return 1 + next(at for at, row in enumerate(order) if passages[row].source in question.files)


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--docs", type=Path, default=DOCS, help="the FastAPI documentation (Markdown)")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir(), "ratchet-chunking"))
    given = parser.parse_args()
    facts, settings, results = machine(), load_settings(), {}
    passages, asked = read(given.docs), questions(True)
    embedder = build_embeddings(settings.knowledge.embedder, settings.models_folder)
    with closing(CachedEmbeddings(embedder, given.cache)) as embeddings:
        queries = np.stack([embeddings.query_vector(question.question) for question in asked])
        for name, text in WAYS.items():
            scores = queries @ embeddings.embed([text(passage) for passage in passages]).T
            ranks = [rank(question, np.argsort(-row), passages) for question, row in zip(asked, scores, strict=True)]
            found = {f"in the first {k}": sum(rank <= k for rank in ranks) for k in (1, 5, 10)}
            results[name] = found | {"mean reciprocal rank": round(statistics.fmean(1 / rank for rank in ranks), 3)}
    head = ["embedded", *next(iter(results.values()))]
    table = Table(
        f"{len(asked)} questions, {len(passages)} passages", head, [[n, *r.values()] for n, r in results.items()]
    )
    publish(facts, results, [table], given.json)


if __name__ == "__main__":
    main()
