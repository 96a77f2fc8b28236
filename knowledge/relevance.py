"""How likely it is that the passages found answer a question: a calibrated "nothing relevant".

A small model (`knowledge.boosted_trees`) weighs how close the passages are in meaning, which of the question's words
they hold, how the sentence that comes closest differs from the question, and whether something of the kind that is
asked for, such as a number or a name, stands beside it. `benchmarks/calibrate_relevance.py` trains and measures it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from knowledge.boosted_trees import load_trees
from knowledge.claims import Claim, claim_of
from knowledge.likeness import FEATURES as LIKENESS
from knowledge.likeness import features as likeness
from knowledge.schema import Passage
from knowledge.spans import Span, SpanIndex

MODEL = Path(__file__).with_name("relevance_model.json")
RELEVANT = 0.354  # from this confidence on passages are shown; the limit in the file of the model
DEPTH = 3  # passages that are looked into
_LONGEST = 6_000  # characters of the query that are compared; the time for a pasted document grows with its square
FEATURES = (
    "cosine",  # of the best passage
    "cosine_first",  # of the passage ranked first
    "cosine_mean",  # of the passages looked into
    "lead",  # of the best cosine over the mean of the others
    "coverage",  # share of the query's terms in the passage ranked first, rare ones counting more
    "terms",  # log(1 + number of content words in the query)
    "held",  # share of the query's content words in the passages looked into
    "names_absent",  # share of the query's names that none of them holds
    "numbers_absent",  # the same of its numbers
    "asks_number",
    "asks_time",
    "asks_person",
    "asks_place",
    "kind_present",  # what is asked for stands in the nearest sentences, and is not from the query
    *LIKENESS,  # between the query and the sentences nearest to it
)
_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|old|long|far|tall|large|big|high|often)\b|\bwhat (?:number|percent)", re.I
)
_ASKS_TIME = re.compile(r"\bwhen\b|\b(?:what|which|in) (?:year|date|day|month|century|decade|time)\b", re.I)
_ASKS_PERSON = re.compile(r"\bwho(?:m|se)?\b", re.I)
_ASKS_PLACE = re.compile(r"\bwhere\b|\b(?:what|which) (?:city|country|state|place|town|region|continent)\b", re.I)
_TIME = re.compile(
    r"\b(?:\d{3,4}s?|\d\d?(?:st|nd|rd|th)|January|February|March|April|May|June|July|August|September|October|"
    r"November|December|century|today|annually|daily)\b"
)


def confidence(query: str, passages: Sequence[Passage], coverage: float) -> float:
    """Probability that the passages answer the query, in [0, 1]; 0.0 when there are none.

    Args:
        query: the question.
        passages: best first, with their cosine to the query in `similarity`.
        coverage: share of the query's terms that the first passage holds, each counting by its idf, in [0, 1].
    """
    return load_trees(MODEL).probability(evidence(query, passages, coverage)) if passages else 0.0


def evidence(query: str, passages: Sequence[Passage], coverage: float) -> list[float]:
    """What the confidence rests on: the numbers of `FEATURES`, in that order."""
    query = query[:_LONGEST]
    top = passages[:DEPTH]
    cosines = [passage.similarity for passage in top]
    best = max(cosines)
    others = [passage.similarity for passage in passages[1:]] or [0.0]
    claim = claim_of(query)
    texts = [f"{passage.heading}\n{passage.text}" for passage in top]
    spans = SpanIndex(texts)
    held = frozenset().union(*spans.words)
    nearest = spans.nearest(claim, None)
    kinds = [bool(kind.search(query)) for kind in (_ASKS_NUMBER, _ASKS_TIME, _ASKS_PERSON, _ASKS_PLACE)]
    return [
        best,
        cosines[0],
        sum(cosines) / len(cosines),
        best - sum(others) / len(others),
        coverage,
        math.log1p(len(claim.words)),
        _share(claim.words, held),
        _share(claim.names, held, missing=True),
        _share(claim.numbers, held, missing=True),
        *map(float, kinds),
        *_beside(claim, kinds, texts, spans, nearest),
    ]


def _share(words: frozenset[str], held: frozenset[str], *, missing: bool = False) -> float:
    found = len(words - held if missing else words & held)
    return found / len(words) if words else 0.0


def _beside(
    claim: Claim,
    kinds: Sequence[bool],
    texts: Sequence[str],
    spans: SpanIndex,
    nearest: tuple[int, Span] | None,
) -> list[float]:
    """Whether the kind of answer stands in the nearest sentences, and how those differ from the query."""
    if nearest is None:
        return [0.0] * (1 + len(LIKENESS))
    index, span = nearest
    text = texts[index][span.start : span.end]
    against = claim_of(text)
    number, time, person, place = kinds
    numbers, names = bool(against.numbers - claim.numbers), bool(against.names - claim.words)
    fits = numbers if number else bool(_TIME.search(text)) if time else names if person or place else True
    return [float(fits), *likeness(claim, against, spans.words[index], spans.rarity)]
