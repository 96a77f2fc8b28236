"""Train and measure the model by which a search judges whether it found something: `knowledge.relevance`.

    python -m benchmarks.calibrate_relevance train     # writes the model
    python -m benchmarks.calibrate_relevance           # measures it, once, on dev/squad

Collections are groups of about ten articles of SQuAD 2.0, each paragraph a passage. Their own answerable questions
and names are to be answered; their unanswerable questions, questions and names of other articles and small talk are
not. The limit is chosen on training articles left out of the fit: 6 % of the answerable questions may be refused.
"""

from __future__ import annotations

import json
import math
import random
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.abstention_curve import draw
from benchmarks.boosting import FOLDS, Samples, out_of_fold, write_model
from benchmarks.measure import Table, arguments, machine, publish
from benchmarks.workspace import ROOT
from knowledge.analysis import query_terms, terms
from knowledge.relevance import FEATURES, MODEL, RELEVANT, confidence, evidence
from knowledge.schema import Passage

REFUSALS = 0.06
FOUND = 5  # passages per question
GROUPS = 4
BEFORE = (-10.46, 16.41, 10.16)  # the earlier rule: bias, cosine, coverage; shown from 0.4 on
CURVE = ROOT / "docs" / "images" / "abstention.svg"
POINTS = (0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Asked:
    """A query asked of a collection: what was found, and whether it answers."""

    kind: str
    group: str
    query: str
    passages: tuple[Passage, ...]
    coverage: float


class Collection:
    """Paragraphs that can be searched by meaning and by words, in equal parts."""

    def __init__(self, articles: Sequence[dict[str, Any]], vectors: dict[str, np.ndarray]) -> None:
        self._vectors = vectors
        self._texts = [part["context"] for article in articles for part in article["paragraphs"]]
        self._matrix = np.stack([vectors[text] for text in self._texts])
        self._counts = [Counter(terms(text)) for text in self._texts]
        self._lengths = [count.total() for count in self._counts]
        self._average = sum(self._lengths) / len(self._lengths)
        held = Counter(term for count in self._counts for term in count)
        self._idf = {term: math.log1p((len(self._texts) - n + 0.5) / (n + 0.5)) for term, n in held.items()}
        self._rows: dict[str, list[int]] = {}
        for row, count in enumerate(self._counts):
            for term in count:
                self._rows.setdefault(term, []).append(row)

    def ask(self, kind: str, group: str, query: str) -> Asked:
        """The best passages for a query."""
        cosines = self._matrix @ self._vectors[query]
        words = np.zeros(len(self._texts))
        asked = query_terms(query)
        for term in asked:
            for row in self._rows.get(term, ()):
                count = self._counts[row]
                often = count[term] / (count[term] + 0.9 * (0.6 + 0.4 * self._lengths[row] / self._average))
                words[row] += self._idf[term] * often
        spread = float(np.ptp(cosines)) or 1.0
        score = (cosines - cosines.min()) / spread + words / (words.max() or 1.0)
        order = np.argsort(-score, kind="stable")[:FOUND]
        found = tuple(
            Passage(str(row), "/", self._texts[row], 1, 1, similarity=float(cosines[row])) for row in map(int, order)
        )
        rarest = math.log1p(2 * len(self._texts))
        weights = {term: self._idf.get(term, rarest) for term in asked}
        share = sum(w for term, w in weights.items() if term in self._counts[order[0]]) / (sum(weights.values()) or 1)
        return Asked(kind, group, query, found, share)


def articles_of(path: Path) -> list[dict[str, Any]]:
    """The articles of a file in SQuAD's form."""
    articles: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["data"]
    return articles


def questions_of(articles: Sequence[dict[str, Any]], answered: bool) -> list[tuple[str, str]]:
    """Article and question, of those that are answered or of those that are not."""
    return [
        (article["title"], item["question"].strip())
        for article in articles
        for part in article["paragraphs"]
        for item in part["qas"]
        if bool(item["answers"]) == answered
    ]


def names_of(articles: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Article and name, of the answers that are names."""
    return sorted(
        {
            (article["title"], item["answers"][0])
            for article in articles
            for part in article["paragraphs"]
            for item in part["qas"]
            if item["answers"] and item["answers"][0][0].isupper() and len(item["answers"][0].split()) <= 3
        }
    )


def queries(
    own: list[dict[str, Any]], foreign: list[dict[str, Any]], talk: list[str], most: int, seed: int
) -> Iterator[tuple[str, str, str]]:
    """Kind, article and query for one collection."""
    chance = random.Random(seed)
    text = " ".join(part["context"] for article in own for part in article["paragraphs"])
    strangers = [(title, name) for title, name in names_of(foreign) if name not in text]
    for kind, pool, share in (
        ("answerable", questions_of(own, True), 1.0),
        ("unanswerable", questions_of(own, False), 1.0),
        ("elsewhere", questions_of(foreign, True), 0.6),
        ("name", names_of(own), 0.2),
        ("foreign name", strangers, 0.2),
        ("small talk", [(line, line) for line in talk], 0.2),
    ):
        for title, query in chance.sample(pool, min(len(pool), int(most * share))):
            yield kind, title, query


def vectors_of(texts: Sequence[str], cache: Path | None) -> dict[str, np.ndarray]:
    """Unit vectors by the bundled embedder; what the cache file holds is not embedded again."""
    from agent.config import load_settings
    from knowledge.embedders import build_embeddings

    known: dict[str, np.ndarray] = {}
    if cache and cache.exists():
        with np.load(cache) as stored:
            known = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))
    missing = sorted(set(texts) - known.keys())
    if missing:
        embedder = build_embeddings("local:all-MiniLM-L6-v2", load_settings().models_folder)
        known |= dict(zip(missing, embedder.embed(missing), strict=True))
        if cache:
            np.savez(cache, texts=np.array(list(known)), vectors=np.stack(list(known.values())))
    return known


def worlds(data: Path, training: bool) -> list[tuple[list[dict[str, Any]], list[tuple[str, str, str]]]]:
    """Collections with the queries to ask of them."""
    train = articles_of(data / "train" / "squad" / "train_articles.json")
    talk = small_talk(data)
    if not training:
        dev = articles_of(data / "dev" / "squad" / "dev_articles.json")
        return [(dev, list(queries(dev, train, talk[1000:], 600, 1)))]
    made = []
    for group in range(GROUPS):
        own = train[group::GROUPS]
        foreign = [article for article in train if article not in own]
        made.append((own, list(queries(own, foreign, talk[:1000], 200, group))))
    return made


def small_talk(data: Path) -> list[str]:
    """Utterances to an assistant that no encyclopedia answers, in a fixed order."""
    lines = json.loads((data / "train" / "clinc150" / "data_full.json").read_text("utf-8"))["train"]
    texts = sorted({line[0] for line in lines})
    random.Random(0).shuffle(texts)
    return ["hello", "thanks", "ok", "help", "asdf qwer", *texts]


def collect(data: Path, training: bool, cache: Path | None) -> list[Asked]:
    """Ask everything."""
    made = worlds(data, training)
    texts = [part["context"] for own, _ in made for article in own for part in article["paragraphs"]]
    vectors = vectors_of([*texts, *(query for _, asked in made for _, _, query in asked)], cache)
    found = []
    for own, asked in made:
        collection = Collection(own, vectors)
        found += [collection.ask(*query) for query in asked]
    return found


def train(data: Path, cache: Path | None) -> None:
    """Fit the model and choose its limit."""
    asked = collect(data, True, cache)
    yes = np.array([entry.kind in ("answerable", "name") for entry in asked])
    weights = np.where(yes, 0.5 / yes.mean(), 0.5 / (~yes).mean())
    folds = np.array([zlib.crc32(entry.group.encode()) % FOLDS for entry in asked])
    values = np.array([evidence(entry.query, entry.passages, entry.coverage) for entry in asked])
    samples = Samples(values, yes, weights, folds)
    sure = out_of_fold(samples)
    answerable = np.array([entry.kind == "answerable" for entry in asked])
    limit = round(float(np.quantile(sure[answerable], REFUSALS)), 3)
    write_model(MODEL, samples, FEATURES, {"relevant": limit})
    kinds = {kind: np.array([entry.kind == kind for entry in asked]) for kind in dict.fromkeys(e.kind for e in asked)}
    for kind, chosen in kinds.items():
        print(f"{kind}: {(sure[chosen] < limit).mean():.3f} of {chosen.sum()} refused, out of fold")
    print(f"relevant from {limit}, to be RELEVANT in knowledge/relevance.py; wrote {MODEL.name}")


def earlier(entry: Asked) -> float:
    """The confidence of the rule before this one."""
    bias, cosine, coverage = BEFORE
    return 1 / (1 + math.exp(-(bias + cosine * entry.passages[0].similarity + coverage * entry.coverage)))


def curve(yes: np.ndarray, no: np.ndarray) -> list[tuple[float, float]]:
    """False refusals and abstention at each limit."""
    limits = np.unique(np.concatenate([yes, [0.0, 1.01]]))
    return [(float((yes < limit).mean()), float((no < limit).mean())) for limit in limits]


def at(points: Sequence[tuple[float, float]], refusals: float) -> float:
    """The most abstention that a share of false refusals buys."""
    return max(abstained for refused, abstained in points if refused <= refusals)


def main() -> None:
    """Train, or measure on articles that the training never saw."""
    parser = arguments(__doc__)
    parser.add_argument("what", nargs="?", choices=("train", "measure"), default="measure")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--cache", type=Path, help="an .npz file that keeps vectors from run to run")
    parser.add_argument("--draw", action="store_true", help=f"write {CURVE.relative_to(ROOT)}")
    given = parser.parse_args()
    if given.what == "train":
        train(given.data, given.cache)
        return
    facts, asked = machine(), collect(given.data, False, given.cache)
    now = np.array([confidence(entry.query, entry.passages, entry.coverage) for entry in asked])
    before = np.array([earlier(entry) for entry in asked])
    kinds = {kind: np.array([entry.kind == kind for entry in asked]) for kind in dict.fromkeys(e.kind for e in asked)}
    curves = {
        f"{kind}, {name}": curve(sure[kinds["answerable"]], sure[kinds[kind]])
        for kind in ("unanswerable", "elsewhere")
        for name, sure in (("now", now), ("before", before))
    }
    silent = now < RELEVANT
    rows = [
        (kind, chosen.sum(), f"{100 * (before[chosen] < 0.4).mean():.1f} %", f"{100 * silent[chosen].mean():.1f} %")
        for kind, chosen in kinds.items()
    ]
    points = [(f"{100 * p:.0f} %", *(f"{100 * at(line, p):.1f} %" for line in curves.values())) for p in POINTS]
    tables = [
        Table("dev/squad: refused", ("query", "n", "before", "now"), rows),
        Table("Abstention by false refusals", ("false refusals", *curves), points),
    ]
    if given.draw:
        draw(CURVE, curves, (float(silent[kinds["answerable"]].mean()), float(silent[kinds["unanswerable"]].mean())))
    publish(facts, {"refused": rows, "curves": points}, tables, given.json)


if __name__ == "__main__":
    main()
