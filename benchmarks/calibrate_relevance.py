"""Fit the constants by which `HybridRetriever` judges whether it found something.

Nine small collections: five documents with questions (`dev/chunking`) and four groups of three SQuAD
articles (`train/squad`). Each question is asked of its own collection and of all nine together, where the
answer stands, and of another one and of the other eight together, where it does not. A logistic regression
over the best passage's cosine and word coverage separates the two; it is judged on the collection left out.

    python -m benchmarks.calibrate_relevance ../shared/data
"""

from __future__ import annotations

import csv
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.config import load_settings
from knowledge.contents import Contents, save_index
from knowledge.embeddings import LlamaEmbeddings, build_embeddings
from knowledge.index import KnowledgeIndex
from knowledge.ingest import ingest
from knowledge.retriever import HybridRetriever

QUESTIONS = 60
CHARACTERS = 130_000


@dataclass(frozen=True)
class Collection:
    """A topic: its texts by file name, and questions that they answer."""

    name: str
    texts: dict[str, str]
    questions: list[str]


@dataclass(frozen=True)
class Sample:
    """One question asked of one index: the evidence, and whether the answer stands there."""

    topic: str
    evidence: tuple[float, float]
    answered: bool


def chunking_collections(data: Path) -> Iterator[Collection]:
    """The start of each corpus, with the questions whose references all lie in it."""
    folder = data / "dev" / "chunking"
    questions: dict[str, list[str]] = {}
    with (folder / "questions_df.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if max(part["end_index"] for part in json.loads(row["references"])) < CHARACTERS:
                questions.setdefault(row["corpus_id"], []).append(row["question"])
    for name, asked in questions.items():
        text = (folder / f"{name}.md").read_text(encoding="utf-8")[:CHARACTERS]
        yield Collection(name, {f"{name}.md": text}, asked)


def squad_collections(data: Path, groups: int = 4, size: int = 3) -> Iterator[Collection]:
    """Groups of articles, with their answerable questions."""
    articles = json.loads((data / "train" / "squad" / "train_articles.json").read_text("utf-8"))["data"]
    for group in range(groups):
        chosen = articles[group * size : (group + 1) * size]
        texts = {
            f"article-{number}.txt": "\n\n".join(part["context"] for part in article["paragraphs"])
            for number, article in enumerate(chosen)
        }
        asked = [
            item["question"]
            for article in chosen
            for part in article["paragraphs"]
            for item in part["qas"]
            if not item.get("is_impossible")
        ]
        yield Collection(f"squad-{group}", texts, asked)


def open_retriever(folder: Path, contents: Contents, embeddings: LlamaEmbeddings) -> HybridRetriever:
    """A retriever over an index written for the purpose."""
    folder.mkdir()
    save_index(folder, contents, embeddings.fingerprint)
    return HybridRetriever(index=KnowledgeIndex.open(folder, embeddings.fingerprint), embeddings=embeddings)


def read_contents(collection: Collection, work: Path, embeddings: LlamaEmbeddings) -> Contents:
    """The collection as the ordinary ingest makes it."""
    documents = work / collection.name
    documents.mkdir()
    for name, text in collection.texts.items():
        (documents / name).write_text(text, encoding="utf-8")
    store = work / f"{collection.name}-index"
    ingest([documents], store, embeddings)
    return KnowledgeIndex.open(store, embeddings.fingerprint).contents()


def merge(parts: list[Contents]) -> Contents:
    """Several collections as one."""
    passages = [passage for part in parts for passage in part.passages]
    return Contents(passages, np.concatenate([part.vectors for part in parts]), {}, ())


def collect(collections: list[Collection], work: Path, embeddings: LlamaEmbeddings) -> list[Sample]:
    """Ask every sampled question four times."""
    chance = random.Random(0)
    contents = {entry.name: read_contents(entry, work, embeddings) for entry in collections}
    own = {name: open_retriever(work / f"own-{name}", part, embeddings) for name, part in contents.items()}
    everything = open_retriever(work / "all", merge(list(contents.values())), embeddings)
    samples = []
    for entry in collections:
        others = [name for name in contents if name != entry.name]
        rest = merge([contents[name] for name in others])
        without = open_retriever(work / f"without-{entry.name}", rest, embeddings)
        for question in chance.sample(entry.questions, min(QUESTIONS, len(entry.questions))):
            for retriever, answered in (
                (own[entry.name], True),
                (everything, True),
                (without, False),
                (own[chance.choice(others)], False),
            ):
                found = list(retriever.search(question).passages)
                samples.append(Sample(entry.name, retriever.evidence(question, found), answered))
    return samples


def fit(samples: list[Sample]) -> np.ndarray:
    """Bias and weights of a logistic regression, by Newton's method."""
    inputs = np.array([(1.0, *sample.evidence) for sample in samples])
    targets = np.array([sample.answered for sample in samples], dtype=float)
    weights = np.zeros(3)
    for _ in range(30):
        expected = 1 / (1 + np.exp(-inputs @ weights))
        curvature = (inputs * (expected * (1 - expected))[:, None]).T @ inputs + 1e-6 * np.eye(3)
        weights += np.linalg.solve(curvature, inputs.T @ (targets - expected))
    return weights


def main() -> None:
    """Print the constants, and how they do on collections they were not fitted to."""
    data = Path(sys.argv[1])
    embeddings = build_embeddings("local:all-MiniLM-L6-v2", load_settings().models_folder)
    collections = [*chunking_collections(data), *squad_collections(data)]
    with tempfile.TemporaryDirectory() as work:
        samples = collect(collections, Path(work), embeddings)
    scores, answered = [], []
    for topic in {sample.topic for sample in samples}:
        weights = fit([sample for sample in samples if sample.topic != topic])
        held_out = [sample for sample in samples if sample.topic == topic]
        scores += [1 / (1 + np.exp(-weights @ (1.0, *sample.evidence))) for sample in held_out]
        answered += [sample.answered for sample in held_out]
    probability, truth = np.array(scores), np.array(answered)
    print(f"{len(samples)} samples; bias, cosine, coverage: {fit(samples).round(2)}")
    for threshold in (0.3, 0.35, 0.4, 0.45, 0.5):
        found = (probability[truth] >= threshold).mean()
        silent = (probability[~truth] < threshold).mean()
        print(f"threshold {threshold}: {found:.3f} of answers shown, {silent:.3f} of strangers rejected")


if __name__ == "__main__":
    main()
