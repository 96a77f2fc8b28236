"""Arithmetic that an answer states, checked with the calculator.

Only claims that can be read in one way are judged: "17 × 23 = 381", "15% of 80 is 13", "$1,200 + $300 = $1,600",
"12 km + 30 km = 41 km". What looks like a date, a range, a version, a citation, code, algebra, a conversion of units,
a question or a hypothesis is left alone: a false alarm costs more trust than a missed slip.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from agent.arithmetic_claims import Claim, claim_at, tokenize
from tools.calculator import CalculationError, calculate

# Blanked out at the same length: what is not said in words, and the emphasis and LaTeX around what is.
_HIDDEN = re.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`|https?://\S+|\[\d+(?:\s*[,–-]\s*\d+)*\]"
    r"|\b\d{1,4}([-/.])\d{1,2}\1\d{1,4}\b|\b24/7\b|(?<!\d)\*\*|\*\*(?!\d)|__|\\boxed|\\left|\\right|\\[()\[\],!;]",
    re.DOTALL,
)
_LATEX = {r"\times": "×", r"\cdot": "·", r"\div": "÷", r"\approx": "≈", r"\$": "$", r"\%": "%"}
_UNSURE = re.compile(
    r"\b(?:not|never|wrong\w*|incorrect\w*|false\w*|mistak\w+|error|erroneous\w*|claim\w*|suppose|assum\w+|pretend|"
    r"imagine|binary|octal|hex\w*|base|mod|modulo|modular|matrix|instead|joke|remain\w*|left\s?over)\b|n['’]t\b|≠",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=\s)|[.!?]?\n|[.!?]?\Z")
# Factors between units that a result may have been brought to without a word: 0.5 × 4 = 200 cents.
_CONVERSIONS = frozenset(Fraction(n) for n in (7, 10, 12, 16, 24, 36, 52, 60, 100, 365, 1000, 3600, 10**6))


@dataclass(frozen=True, slots=True)
class Miscalculation:
    """A wrong result in a text.

    Attributes:
        start, end: where the claim stands, in characters: `text[start:end]` is "17*23 = 381".
        stated: the result as it was written, such as "381" or "1,600".
        exact: the right one, with thousands separators or a percent sign where the stated one has them; rounded to
            at least two decimals where it has no end.
    """

    start: int
    end: int
    stated: str
    exact: str


def miscalculations(text: str) -> list[Miscalculation]:
    """Every claim of the text that is wrong, in order; a correctly rounded or cut-off result is right."""
    shown = _spoken(text)
    tokens = tokenize(shown)
    ends = [match.end() for match in _SENTENCE_END.finditer(shown)]
    found = []
    for place, token in enumerate(tokens):
        if token.kind not in ("equals", "verb"):
            continue
        claim = claim_at(tokens, place, shown)
        if claim is not None and not _is_unsure(shown, ends, claim):
            found += _judged(text, claim)
    return found


def _spoken(text: str) -> str:
    """The text with everything blanked out that makes no claim; every character keeps its place."""
    for written, symbol in _LATEX.items():
        text = text.replace(written, symbol.ljust(len(written)))
    # A space that only groups digits: 12 000 with a no-break or thin space.
    text = re.sub(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))", ",", text)
    return _HIDDEN.sub(lambda match: " " * len(match.group()), text)


def _is_unsure(text: str, ends: Sequence[int], claim: Claim) -> bool:
    """Whether the sentence around a claim asks, denies or supposes it, or does not mean plain numbers."""
    first = bisect_left(ends, claim.start + 1)
    last = min(bisect_left(ends, claim.end), len(ends) - 1)
    sentence = text[ends[first - 1] if first else 0 : ends[last]]
    return sentence.rstrip().endswith("?") or _UNSURE.search(sentence) is not None


def _judged(text: str, claim: Claim) -> list[Miscalculation]:
    try:
        exact = Fraction(calculate(claim.expression).removesuffix(" (rounded)"))
    except (CalculationError, ValueError):
        return []
    readings = [exact]
    if claim.percent or claim.in_percent:
        # "1/2 = 50%", "20/50*100 = 40%" and "25% + 30% = 55" are all written and all right.
        readings = [exact * 100, exact]
    if any(_agrees(claim, value) for value in readings):
        return []
    if claim.converts and _is_conversion(claim.value, exact):
        return []
    stated = text[claim.result_start : claim.result_end]
    value = exact * 100 if claim.percent else exact
    return [Miscalculation(claim.start, claim.end, stated, _written(value, claim, stated))]


def _agrees(claim: Claim, exact: Fraction) -> bool:
    """Whether the stated result is the exact one, or the exact one rounded or cut off where the stated one ends."""
    difference = abs(claim.value - exact)
    # The calculator gives twelve digits of what has no end.
    if difference <= abs(exact) / 10**11:
        return True
    if claim.is_fraction:
        return False
    last = Fraction(1, 10**claim.decimals)
    if claim.approximate:
        return difference <= (last if claim.decimals else Fraction(10) ** claim.trailing_zeros)
    if difference <= last / 2:
        return True
    # 100 / 6 = 16 boxes; one decimal that was cut off reads as a slip.
    cut_off = claim.goes_on or (claim.decimals != 1 and "/" in claim.expression)
    return cut_off and _has_no_end(exact, claim.decimals) and abs(claim.value) < abs(exact) and difference < last


def _has_no_end(value: Fraction, decimals: int) -> bool:
    scaled: Fraction = value * Fraction(10**decimals)
    return scaled.denominator != 1


def _is_conversion(stated: Fraction, exact: Fraction) -> bool:
    if not stated or not exact:
        return False
    ratio = abs(stated / exact)
    return ratio in _CONVERSIONS or 1 / ratio in _CONVERSIONS


def _written(value: Fraction, claim: Claim, stated: str) -> str:
    """A number as the stated one is written."""
    decimals = next((n for n in range(7) if not _has_no_end(value, n)), max(2, claim.decimals))
    whole, part = divmod(round(abs(value) * 10**decimals), 10**decimals)
    number = f"{whole:,}" if "," in stated else str(whole)
    behind = f".{part:0{decimals}}" if decimals else ""
    return f"{'-' if value < 0 else ''}{number}{behind}{'%' if claim.percent else ''}"
