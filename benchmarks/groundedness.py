"""How well unsupported sentences are told from supported ones, against a rule of lexical overlap.

    python -m benchmarks.groundedness --data ../shared/data

The model and its thresholds come from `benchmarks.train_groundedness`. The rule it is compared with calls a
sentence supported when 60 % of its content words and all of its numbers stand within two sentences of a passage;
"tuned overlap" is the same with the share that does best on the training data.

`dev/squad`: ten articles unlike those trained on, changed in known ways; as many supported sentences as others.
`train/halueval`: judged out of fold, by models that saw nothing of the question.
`dev/halueval` has no evidence: only its responses to requests that bring a text of their own can be judged, by that
text, and its labels speak of the truth in general, not of that text. It is given for completeness.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from agent.grounding import MIN_WORDS
from agent.support import support_model
from benchmarks.boosting import Samples, out_of_fold
from benchmarks.claims_data import Example, balanced, squad
from benchmarks.measure import Table, arguments, machine, publish, summarize
from benchmarks.train_groundedness import collect, evidence_of, measure
from benchmarks.workspace import ROOT
from knowledge.claims import content_words
from knowledge.spans import Span, spans_of

OVERLAP = 0.6
HEAD = ("method", "precision", "recall", "F1", "supported, but marked")
REQUEST_WORDS = 30  # from which on a request of dev/halueval is taken to bring a text of its own


@dataclass(frozen=True)
class Score:
    """Of the sentences called unsupported: precision, recall and F1; and the share of supported ones among them."""

    precision: float
    recall: float
    f1: float
    false_alarms: float
    sentences: int

    def row(self, name: str) -> tuple[str, ...]:
        """One line of a table."""
        return (name, *(f"{value:.3f}" for value in (self.precision, self.recall, self.f1, self.false_alarms)))


def score(flagged: np.ndarray, supported: np.ndarray) -> Score:
    """Compare what was called unsupported with what is."""
    caught = float((flagged & ~supported).sum())
    precision = caught / max(1, flagged.sum())
    recall = caught / max(1, (~supported).sum())
    f1 = 2 * precision * recall / (precision + recall) if caught else 0.0
    return Score(precision, recall, f1, float(flagged[supported].mean()), len(supported))


def overlap(example: Example) -> float:
    """The largest share of content words found in one span that has all the numbers; 0.0 where none has."""
    words = content_words(example.sentence)
    numbers = {word for word in words if any(char.isdigit() for char in word)}
    spans = _spans(example.passages)
    return max((len(words & span.words) / len(words) for span in spans if numbers <= span.words), default=0.0)


@lru_cache(maxsize=8)
def _spans(passages: tuple[str, ...]) -> list[Span]:
    return [span for text in passages for span in spans_of(text)]


def graded(examples: Sequence[Example]) -> list[str]:
    """The grade of each sentence, as the agent gives it."""
    grades, known = [], {}
    for example in examples:
        if example.passages not in known:
            known = {example.passages: evidence_of(example)}
        judgement = known[example.passages].judge(example.sentence)
        grades.append(judgement.grade if judgement else "supported")
    return grades


def tuned_overlap(shares: np.ndarray, supported: np.ndarray) -> float:
    """The share below which calling a sentence unsupported gives the best F1."""
    grid = np.arange(0.3, 1.001, 0.02)
    return float(grid[int(np.argmax([score(shares < limit, supported).f1 for limit in grid]))])


def by_kind(examples: Sequence[Example], *judged: np.ndarray) -> list[tuple[str, ...]]:
    """For each way of making sentences, the share that each method calls unsupported."""
    kinds = sorted({(example.supported, example.kind) for example in examples})
    rows = []
    for supported, kind in kinds:
        held = np.array([example.kind == kind and example.supported == supported for example in examples])
        shares = (f"{100 * flagged[held].mean():.0f} %" for flagged in judged)
        rows.append((kind, "supported" if supported else "unsupported", str(held.sum()), *shares))
    return rows


def requests(path: Path) -> list[Example]:
    """The sentences of responses to requests that bring a text; unsupported where they overlap a marked span."""
    examples = []
    for line in path.read_text("utf-8").splitlines():
        item = json.loads(line)
        if len(item["user_query"].split()) < REQUEST_WORDS:
            continue
        text, marked = item["chatgpt_response"], []
        for span in item["hallucination_spans"]:
            if (start := text.find(span)) >= 0:
                marked.append((start, start + len(span)))
        for span in spans_of(text):
            if "\n" in text[span.start : span.end] or len(span.words) < MIN_WORDS:
                continue
            wrong = any(start < span.end and span.start < end for start, end in marked)
            examples.append(
                Example(item["ID"], "response", text[span.start : span.end], (item["user_query"],), not wrong)
            )
    return examples


def milliseconds(work: Callable[[Example], object], examples: Sequence[Example]) -> list[float]:
    """How long each takes."""
    times = []
    for example in examples:
        began = time.perf_counter()
        work(example)
        times.append(1000 * (time.perf_counter() - began))
    return times


def held_out_halueval(train: Sequence[Example], samples: Samples, limit: float, results: dict[str, object]) -> Table:
    """The sentences of train/halueval, each judged by a model that saw nothing of its question."""
    chosen = np.array([example.kind.endswith("_answer") for example in train])
    truth, predicted, limits = samples.yes[chosen], out_of_fold(samples)[chosen], support_model().limits
    shares = np.array([overlap(example) for example, taken in zip(train, chosen, strict=True) if taken])
    scores = {
        "lexical overlap": score(shares < OVERLAP, truth),
        f"tuned overlap ({limit:.2f})": score(shares < limit, truth),
        "verdict partly or not": score(predicted < limits["supported"], truth),
        "verdict not": score(predicted < limits["partly"], truth),
    }
    results["train/halueval, out of fold"] = scores
    title = f"train/halueval, out of fold: {truth.sum()} supported, {(~truth).sum()} unsupported sentences"
    return Table(title, HEAD, [value.row(name) for name, value in scores.items()])


def speed(examples: Sequence[Example], results: dict[str, object]) -> Table:
    """What a verdict costs, with the preparation of the evidence and without."""
    ready = {example.passages: evidence_of(example) for example in examples}
    parts = {
        "evidence of a turn, three paragraphs": summarize(milliseconds(evidence_of, examples)),
        "verdict, evidence prepared": summarize(
            milliseconds(lambda example: ready[example.passages].judge(example.sentence), examples)
        ),
    }
    results["milliseconds"] = parts
    return Table("Milliseconds", ("what", "median (p90)"), [(name, value.show(2)) for name, value in parts.items()])


def compare(title: str, examples: Sequence[Example], limit: float, results: dict[str, object]) -> Table:
    """Both rules and both grades on the same sentences."""
    shares, grades = np.array([overlap(example) for example in examples]), np.array(graded(examples))
    truth = np.array([example.supported for example in examples])
    methods = {
        "lexical overlap": shares < OVERLAP,
        f"tuned overlap ({limit:.2f})": shares < limit,
        "verdict partly or not": grades != "supported",
        "verdict not": grades == "not",
    }
    scores = {name: score(flagged, truth) for name, flagged in methods.items()}
    results[title] = scores
    title = f"{title}: {truth.sum()} supported, {(~truth).sum()} unsupported sentences"
    return Table(title, HEAD, [value.row(name) for name, value in scores.items()])


def main() -> None:
    """Measure everything and print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    given = parser.parse_args()
    facts, results = machine(), {}
    train, samples = collect(given.data)
    limit = tuned_overlap(np.array([overlap(example) for example in train]), samples.yes)
    held, _ = measure(list(squad(given.data / "dev" / "squad" / "dev_articles.json", per_paragraph=3)))
    asked = requests(given.data / "dev" / "halueval" / "general_data.json")
    shares, grades = np.array([overlap(example) for example in held]), np.array(graded(held))
    kinds = by_kind(held, shares < OVERLAP, grades != "supported", grades == "not")
    results["kinds"] = kinds
    tables = [
        compare("dev/squad, balanced", balanced(held), limit, results),
        held_out_halueval(train, samples, limit, results),
        compare("dev/halueval, requests that bring a text", asked, limit, results),
        Table("dev/squad: share marked, by kind", ("kind", "truth", "n", "overlap", "verdict", "not"), kinds),
        speed(held[:400], results),
    ]
    publish(facts, results, tables, given.json)


if __name__ == "__main__":
    main()
