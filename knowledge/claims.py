"""What a sentence claims: its content words in order, numbers, names, code, negations and quantifiers."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from knowledge.amounts import Amount, amounts_of

_WORD = re.compile(
    r"(?<![\w.,:])(?:\d+,\d\d?(?![\d,])|\d\d?:\d\d(?![\d:]))"  # 1,8 and 14:30 are one number each
    r"|[^\W_]+(?:[._][^\W_]+|['’](?:[st]|re|ve|ll|d|m)\b)*",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_BREAK = re.compile(r"[.!?:\n“\"]")
_CODE = re.compile(r"(?<!`)`+([^`\n]+)`+")  # begun only where backticks begin: linear on a run of them
_STOP = frozenset(
    "a an and are as at be been being but by can could do does did for from had has have he her his how i if in into "
    "is it its just may might more most must my no nor not of on or our out over she should so some such than that "
    "the their them then there these they this those to under up use used using very was we were what when where "
    "which while who whom why will with would you your also etc per via".split()
)
_NUMBER_WORDS = dict(
    zip(
        "two three four five six seven eight nine ten eleven twelve twenty thirty hundred thousand million".split(),
        "2 3 4 5 6 7 8 9 10 11 12 20 30 100 1000 1000000".split(),
        strict=True,
    )
)
_NEGATIONS = frozenset(
    "not no never none neither nor cannot without nothing nobody nowhere hardly barely fail fails failed failing "
    "unable lack lacks lacked lacking refuse refuses refused except".split()
)
_HEDGES = frozenset(
    "may might could possibly perhaps probably likely allegedly reportedly apparently suggest suggests suggested "
    "believed thought considered claimed claim claims estimated sometimes often usually generally".split()
)
_STRICT_QUANTIFIERS = frozenset("all every each always only both entirely completely fully exclusively solely".split())

_SCOPE = 2


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ies", "ied", "ed", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word.rstrip("e") if len(word) > 4 else word


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A lower-case word without its ending; numbers are kept as they stand."""
    return word if any(char.isdigit() for char in word) else _stem(word)


@dataclass(frozen=True, slots=True)
class Claim:
    """A text taken apart for comparison.

    Attributes:
        stems: of the content words, in order, repeats included.
        words: the same, once each.
        spoken: stems of all words, the empty ones too.
        numbers: those written in digits, or in words from two to a million.
        names: stems of words with a capital that no sentence begins with, and of those that mix letters and digits.
        amounts: its numbers with their signs, units and limits.
        code: what stands between backticks, verbatim.
        negations: how many words deny something.
        denied: stems of the content words, at most two, that follow each of them.
        hedges, quantifiers: whether it speaks of possibility; the words that leave no exception.
        passive: whether it has "by", with which doer and deed may change places.
    """

    stems: tuple[str, ...]
    words: frozenset[str]
    spoken: frozenset[str]
    numbers: frozenset[str]
    names: frozenset[str]
    amounts: tuple[Amount, ...]
    code: tuple[str, ...]
    negations: int
    denied: frozenset[str]
    hedges: bool
    quantifiers: frozenset[str]
    passive: bool


def content_words(text: str) -> frozenset[str]:
    """The stemmed words of a text that carry meaning; numbers are kept as they stand."""
    return claim_of(text).words


def written(text: str, stems: Collection[str]) -> list[str]:
    """The words of a text that have these stems, as they are written there, in order and once each."""
    found: dict[str, str] = {}
    for match in _WORD.finditer(_THOUSANDS.sub("", text)):
        root = _root(match.group())
        if root in stems:
            found.setdefault(root, match.group())
    return list(found.values())


def denies(one: Claim, other: Claim) -> bool:
    """Whether one text denies a word that the other has without any negation."""
    return not other.negations and bool((one.denied & other.words) - other.denied)


def _denies(word: str) -> bool:
    return word in _NEGATIONS or word.endswith("n't")


def _root(written_word: str) -> str:
    word = written_word.lower().replace("’", "'").replace(",", ".").replace(":", ".").removesuffix("'s")
    return stem(_NUMBER_WORDS.get(word, word))


def claim_of(text: str) -> Claim:
    """Take a sentence, or a few, apart."""
    stems: list[str] = []
    lower: list[str] = []
    numbers: set[str] = set()
    names: set[str] = set()
    denied: set[str] = set()
    scope = 0  # content words that the last negation still denies
    opening = ""  # a capitalized word that begins a sentence: a name if another follows
    plain, end = _THOUSANDS.sub("", text), 0
    for match in _WORD.finditer(plain):
        between, end = plain[end : match.start()], match.end()
        raw = match.group().replace("’", "'")
        word = raw.lower().removesuffix("'s")
        lower.append(word)
        if _denies(word):
            scope = _SCOPE
        if word in _STOP or _denies(word):
            opening = ""
            continue
        root = _root(raw)
        stems.append(root)
        if scope:
            denied.add(root)
            scope -= 1
        begins = not stems[1:] and len(lower) == 1 or _BREAK.search(between) is not None
        if any(char.isdigit() for char in root):
            numbers.add(root)
        elif raw[0].isupper() and (not begins or raw[1:2].isupper()):
            names |= {root, opening} if opening and between == " " else {root}
        opening = root if begins and raw[0].isupper() else ""
    held = frozenset(lower)
    return Claim(
        stems=tuple(stems),
        words=frozenset(stems),
        spoken=frozenset(map(stem, lower)),
        numbers=frozenset(numbers),
        names=frozenset(names),
        amounts=amounts_of(text) if numbers else (),
        code=tuple(found.group(1).strip() for found in _CODE.finditer(text)),
        negations=sum(map(_denies, lower)),
        denied=frozenset(denied),
        hedges=bool(held & _HEDGES),
        quantifiers=held & _STRICT_QUANTIFIERS,
        passive="by" in held,
    )
