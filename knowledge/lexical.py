"""Which words of a question are worth looking up, and how they are asked of SQLite's FTS5.

BM25 as FTS5 computes it (https://www.sqlite.org/fts5.html#the_bm25_function), over Porter stems.
"""

from __future__ import annotations

import re

TOKENIZER = "porter unicode61 remove_diacritics 2"
_WORD = re.compile(r"\w+")
_MOST_TERMS = 48
# Question words and politeness count as noise too: queries here are questions, documents are answers.
_STOPWORDS = frozenset(
    "a about after all also am an and any are as at be because been before being between both but by can "
    "could did do does doing done each else ever for from get give go had has have having he her here "
    "hers him his how i if in into is it its itself just know let like many may me might more most much "
    "must my no nor not of off on once only or other our out over own please said same say says shall she "
    "should show so some such tell than that the their them then there these they this those through to "
    "too under until up us use used using very was we were what when where which while who whom whose why "
    "will with would you your yours".split()
)


def query_terms(query: str) -> list[str]:
    """The distinct words of a query, lower case, without stopwords unless it has nothing else."""
    words = list(dict.fromkeys(_WORD.findall(query.lower())))
    return ([word for word in words if word not in _STOPWORDS] or words)[:_MOST_TERMS]


def match_any(terms: list[str]) -> str:
    """An FTS5 expression for passages with any of the terms; quoted, so nothing in it is an operator."""
    return " OR ".join('"' + term.replace('"', '""') + '"' for term in terms)
