"""How many tokens a text takes, without a tokenizer, and where a line too long for one passage is cut.

The estimate is for WordPiece with BERT's uncased vocabulary and leans to the high side: on English prose and
technical text by a tenth to a third. For words that no language has, spelled with plausible letter pairs, it
can be too low, by a factor of 2.7 in the worst of many random samples; embedders take what is too long for
them in parts, so nothing is cut off even then.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_UNIT = re.compile(r"[A-Za-z]{1,48}|\d{1,48}|\S")  # bounded, so that endless runs cost no more than words
_LONGEST_WORD = 20
# Letter pairs that make up less than 0.01 % of those in English text: what holds one is rarely one token.
_ODD_PAIR = re.compile(
    "a[ahjoqz]|b[bcdfghkmnpqvwxyz]|c[bdfgjmnpvwxz]|d[bchjkpqtxz]|e[jkz]|f[bcdghjkmnpqvwxz]|g[bcdfjkpqvwxz]|"
    "h[bcdfghjkpqvwxz]|i[hjqwy]|j[b-df-np-rtv-z]|k[bcdfghjkmpqrtuvwxyz]|l[bghjnqrwxz]|m[cdfhjknqrtvwxz]|n[bjqwxz]|"
    "o[qz]|p[bcfjknqvwxz]|q[a-tv-z]|r[hjqxz]|s[gjnvxz]|t[bdfgjknqvxz]|u[hjoquvwxyz]|v[b-df-hj-np-z]|"
    "w[bcdfgjklmpqtuvwxyz]|x[bdfghj-oq-sv-zu]|y[bfghjkqrvwxyz]|z[b-df-z]"
)
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s+|[。！？]")


def estimate_tokens(text: str) -> int:
    """WordPiece tokens the text will take, rounded up.

    Words count one token and one more per six letters, words with letter pairs foreign to English two per
    three letters, runs too long to be words one per two, digits one per three, every other character one
    after decomposition (which is how a Hangul syllable becomes three).
    """
    if not text.isascii():
        text = unicodedata.normalize("NFD", text)
    return sum(map(_cost, _UNIT.findall(text)))


@lru_cache(maxsize=2**16)
def _cost(unit: str) -> int:
    if unit.isdigit():
        return 1 + (len(unit) - 1) // 3
    if len(unit) > _LONGEST_WORD:
        return len(unit) // 2
    if len(unit) > 2 and _ODD_PAIR.search(unit.lower()):
        return 1 + len(unit) * 2 // 3
    return 1 + len(unit) // 6


def cut_line(line: str, budget: int) -> Iterator[str]:
    """Pieces of a line, each within the budget and of about the same length.

    Cut at the end of a sentence where there is one in reach, else between two words, else between two
    characters. Blanks around a cut belong to no piece.
    """
    start, left = 0, estimate_tokens(line)
    while start < len(line):
        parts = -(-left // budget)
        # A little over the even share, so that sentences that end just behind it still belong.
        limit = _reach(line, start, budget if parts < 2 else min(budget, round(1.1 * left / parts)))
        end = limit if limit == len(line) else _break(line, start, limit)
        left = max(1, left - estimate_tokens(line[start:end]))
        if piece := line[start:end].strip():
            yield piece
        start = end


def _reach(line: str, start: int, budget: int) -> int:
    """The furthest place to which the text from `start` stays within budget; always past `start`."""
    used = 0
    for unit in _UNIT.finditer(line, start):
        used += estimate_tokens(unit.group())
        if used > budget:
            return max(unit.start(), start + 1)
    return len(line)


def _break(line: str, start: int, limit: int) -> int:
    """Before `limit`: the last sentence end in the second half, else the last blank, else `limit`."""
    half = (start + limit) // 2
    ends = [found.end() for found in _SENTENCE_END.finditer(line, half, limit)]
    if ends:
        return ends[-1]
    blank = line.rfind(" ", half, limit)
    return blank + 1 if blank > 0 else limit
