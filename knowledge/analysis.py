"""Text → the terms by which it is found: one analysis for the lexical index and for the query.

Words are lower-cased, stripped of diacritics and reduced to their stem by the Porter2 algorithm
(https://snowballstem.org/algorithms/english/stemmer.html); words that say nothing are left out.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from typing import Any

_WORD = re.compile(r"\w+")
_DIACRITICS = re.compile("[\u0300-\u036f]+")
_MOST_TERMS = 64
_STOPWORDS = frozenset(
    "a an and are as at be been but by can could did do does for from had has have he her his how i if in into is it "
    "its me my no nor not of on or our she should so some such than that the their them then there these they this "
    "those to us was we were what when where which who whom why will with would you your".split()
)
# Politeness and question words are noise in a query too, but may mean something in a document.
_ASKING = frozenset(
    "about after all also am any because before being between both each else ever get give go having here hers him "
    "itself just know let like many may might more most much must off once only other out over own please said same "
    "say says shall show tell through too under until up use used using very while whose yours".split()
)
_stemmers = threading.local()


def terms(text: str) -> list[str]:
    """The terms of a text, in order, repeats included."""
    return _stemmed([word for word in _words(text) if word not in _STOPWORDS])


def query_terms(query: str) -> list[str]:
    """The distinct terms of a query, at most 64; never none while there is a word in it."""
    words = _words(query)
    kept = [word for word in words if word not in _STOPWORDS and word not in _ASKING]
    kept = kept or [word for word in words if word not in _STOPWORDS] or words
    return list(dict.fromkeys(_stemmed(kept)))[:_MOST_TERMS]


def _words(text: str) -> list[str]:
    text = text.lower()
    if not text.isascii():
        text = _DIACRITICS.sub("", unicodedata.normalize("NFKD", text))
    return _WORD.findall(text)


def _stemmed(words: list[str]) -> list[str]:
    stemmer: Any = getattr(_stemmers, "english", None)  # not safe to share between threads
    if stemmer is None:
        import Stemmer

        stemmer = _stemmers.english = Stemmer.Stemmer("english")
    stems: list[str] = stemmer.stemWords(words)
    return stems
