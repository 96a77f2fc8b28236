"""How alike a sentence and a span of text are, in numbers that a reader can follow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

from knowledge.antonyms import antonyms
from knowledge.claims import Claim, denies

FEATURES = (
    "coverage",  # share of the sentence's content words in the span, rare words counting more
    "uncovered",  # log(1 + number of content words that are missing)
    "coverage_passage",  # share of the content words anywhere in the passage
    "alike",  # share of the missing words whose first five letters stand in the span
    "run",  # longest run of content words in common, over the sentence's length
    "pairs",  # share of neighbouring content words that are neighbours in the span
    "disorder",  # share of common words that stand in another order
    "disorder_active",  # the same, where neither or both say "by"
    "numbers_missing",  # share of its numbers that the span lacks
    "number_changed",  # a number is missing and the span has one that the sentence lacks
    "names_missing",  # share of its names that the span lacks
    "name_changed",  # a name is missing and the span has one that the sentence lacks
    "names_elsewhere",  # share of its names that only the rest of the passage has
    "apart",  # share of its names and numbers that stand away from their neighbours in the span
    "misattached",  # a number stands beside a word that is nearer to another number in the span
    "names_swapped",  # two names stand in the other order, in the same voice
    "replaced",  # share of the missing words in whose very place the span has another
    "negation_added",  # the sentence denies a word that the span has and does not deny
    "negation_dropped",  # the span denies a word that the sentence has and does not deny
    "negations_differ",  # one of the two has an odd number of negations
    "opposite",  # a word of the sentence is denied by one of the span
    "quantifier",  # "all", "only", "always" ... that the span does not say
    "hedge_dropped",  # the span says "may", the sentence does not
    "missing_between",  # share of the missing words that stand between words in common
    "brevity",  # 1 / number of content words
    "last_missing",  # one of the last two content words is missing
)
_NEAR = 4  # content words
_ROOT = 5  # letters


def features(claim: Claim, span: Claim, passage: frozenset[str], weights: Mapping[str, float]) -> list[float]:
    """The numbers of `FEATURES`, in that order.

    Args:
        claim: the sentence; it has at least one content word.
        span: what it is compared with.
        passage: the content words of the passage in which the span lies.
        weights: of content words, by how rare they are in the evidence; 1.0 for those not listed.
    """
    words, count = claim.words, len(claim.words)
    missing = words - span.words
    total = sum(weights.get(word, 1.0) for word in words)
    roots = {word[:_ROOT] for word in span.words if len(word) >= _ROOT}
    alike = sum(word[:_ROOT] in roots for word in missing if len(word) >= _ROOT)
    places = _places(span)
    common = [places[word][0] for word in dict.fromkeys(claim.stems) if word in places]
    disorder = _disorder(common)
    same_voice = claim.passive == span.passive
    return [
        1 - sum(weights.get(word, 1.0) for word in missing) / total,
        math.log1p(len(missing)),
        len(words & passage) / count,
        alike / max(1, len(missing)),
        _longest_run(claim.stems, span.stems) / len(claim.stems),
        _neighbours(claim.stems, places),
        disorder,
        disorder * same_voice,
        len(claim.numbers - span.words) / max(1, len(claim.numbers)),
        float(bool(claim.numbers - span.words) and bool(span.numbers - claim.words)),
        len(claim.names - span.words) / max(1, len(claim.names)),
        float(bool(claim.names - span.words) and bool(span.names - claim.words)),
        len((claim.names & passage) - span.words) / max(1, len(claim.names)),
        _apart(claim, places),
        _misattached(claim, span, places),
        _names_swapped(claim, places) * same_voice,
        _replaced(claim.stems, span.stems, places),
        float(denies(claim, span)),
        float(denies(span, claim)),
        float(claim.negations % 2 != span.negations % 2),
        _opposite(claim, span),
        float(bool(claim.quantifiers - span.spoken)),
        float(span.hedges and not claim.hedges),
        _between(claim.stems, missing),
        1 / count,
        float(any(word in missing for word in claim.stems[-2:])),
    ]


def _places(span: Claim) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, word in enumerate(span.stems):
        places.setdefault(word, []).append(place)
    return places


def _disorder(places: Sequence[int]) -> float:
    """Share of neighbouring pairs that go backwards."""
    steps = len(places) - 1
    return sum(b < a for a, b in zip(places, places[1:], strict=False)) / steps if steps > 0 else 0.0


def _longest_run(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common run of words, by the usual table, one row at a time."""
    longest, row = 0, [0] * (len(other) + 1)
    for word in one:
        previous, row = row, [0] * (len(other) + 1)
        for place, against in enumerate(other, 1):
            if word == against:
                row[place] = previous[place - 1] + 1
                longest = max(longest, row[place])
    return longest


def _neighbours(stems: Sequence[str], places: Mapping[str, Sequence[int]]) -> float:
    pairs = list(zip(stems, stems[1:], strict=False))
    near = sum(_close(places.get(one, ()), places.get(other, ())) for one, other in pairs)
    return near / len(pairs) if pairs else 0.0


def _close(one: Sequence[int], other: Sequence[int], within: int = 2) -> bool:
    """Whether a place of one lies near a place of the other; both ascend, and each is looked at once."""
    a = b = 0
    while a < len(one) and b < len(other):
        if abs(one[a] - other[b]) <= within:
            return True
        if one[a] < other[b]:
            a += 1
        else:
            b += 1
    return False


def _apart(claim: Claim, places: Mapping[str, Sequence[int]]) -> float:
    """Share of names and numbers found in the span, but near none of the words they stand beside here."""
    marked = claim.names | claim.numbers
    found = lonely = 0
    for place, word in enumerate(claim.stems):
        if word not in marked or word not in places:
            continue
        beside = [*claim.stems[max(0, place - 2) : place], *claim.stems[place + 1 : place + 3]]
        beside = [other for other in beside if other in places and other not in marked]
        found += 1
        lonely += bool(beside) and not any(_close(places[word], places[other], _NEAR) for other in beside)
    return lonely / found if found else 0.0


def _misattached(claim: Claim, span: Claim, places: Mapping[str, Sequence[int]]) -> float:
    """Whether the words on both sides of a number stand nearer to another number in the span."""
    numbers = [(place, word) for place, word in enumerate(span.stems) if word in span.numbers]

    @cache
    def nearest_to(word: str) -> str:
        return min((abs(at - spot), name) for at in places[word] for spot, name in numbers)[1]

    for place, word in enumerate(claim.stems):
        if word not in claim.numbers or word not in places:
            continue
        beside = [*claim.stems[max(0, place - 1) : place], *claim.stems[place + 1 : place + 2]]
        beside = [other for other in beside if other in places and other not in claim.numbers]
        if beside and all(nearest_to(other) != word for other in beside):
            return 1.0
    return 0.0


def _names_swapped(claim: Claim, places: Mapping[str, Sequence[int]]) -> float:
    named = [word for word in dict.fromkeys(claim.stems) if word in claim.names and word in places]
    return float(any(places[one][0] > places[two][-1] for one, two in zip(named, named[1:], strict=False)))


def _replaced(stems: Sequence[str], against: Sequence[str], places: Mapping[str, Sequence[int]]) -> float:
    held = set(stems)
    missing = replaced = 0
    for place, word in enumerate(stems):
        if word in places:
            continue
        missing += 1
        before = places.get(stems[place - 1], ()) if place else ()
        after = set(places.get(stems[place + 1], ())) if place + 1 < len(stems) else set()
        replaced += any(spot + 2 in after and against[spot + 1] not in held for spot in before)
    return replaced / missing if missing else 0.0


def _opposite(claim: Claim, span: Claim) -> float:
    table = antonyms()
    said = span.spoken - claim.spoken  # "turn it off by the switch on the left" speaks of no "on"
    return float(any(table[word] & said for word in claim.spoken - span.spoken if word in table))


def _between(stems: Sequence[str], missing: frozenset[str]) -> float:
    """Share of the missing words that have a common word on either side: replaced rather than added."""
    held = [place for place, word in enumerate(stems) if word not in missing]
    if not held or not missing:
        return 0.0
    inner = sum(held[0] < place < held[-1] for place, word in enumerate(stems) if word in missing)
    return inner / sum(word in missing for word in stems)
