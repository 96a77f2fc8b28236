"""A document as its reader sees it: sections in order, and in each the sentences that stand for it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from knowledge.claims import content_words
from knowledge.naming import words_of
from knowledge.schema import Passage
from knowledge.spans import Span, sentences_of

if TYPE_CHECKING:
    import numpy as np

SEPARATOR = " › "
MOST_BLOCKS = 8  # sections made of a document that has no headings, pages or parts
LONGEST_SENTENCE = 400  # characters; what is longer is a list or a table, not a sentence to quote
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_NOT_PROSE = re.compile(r"^\s*(?:[#|<{!/]|\d+\s*\||import\s|from\s+\w+\s+import|[-*+]\s*$|\[[^\]]*\]\([^)]*\)\s*$)")
_LINK = re.compile(r"\[([^\[\]]*)\]\([^()\s]*\)")
LEANING = 0.6  # what a sentence that leans on its neighbours counts, quoted alone
_LEANS = re.compile(
    r"^[-*\s]*(?:but|so|and|then|also|or|this|that|these|those|it|they|there|here|such|in this|in that|for this|"
    r"because of this|you will|now)\b|:[\"')\]*_`”]*$",
    re.IGNORECASE,
)
_ENDS = re.compile(r"[.!?:][\"')\]*_`”]*$")


@dataclass(slots=True)
class Section:
    """One main section.

    Attributes:
        title: the last part of its heading path, or its page or part; may be empty.
        positions: of its passages in the document, in reading order.
    """

    title: str
    positions: list[int] = field(default_factory=list)


def sections_of(passages: Sequence[Passage]) -> list[Section]:
    """The main sections: by the highest level of headings that tells passages apart, else by part or page.

    A document without any of these is taken in at most `MOST_BLOCKS` stretches of equal length.
    """
    deepest = max((len(passage.heading.split(SEPARATOR)) for passage in passages if passage.heading), default=0)
    for depth in range(1, deepest + 1):
        keys = [SEPARATOR.join(passage.heading.split(SEPARATOR)[:depth]) for passage in passages]
        if len({*keys} - {""}) > 1:  # what stands before the first heading tells nothing apart
            return _grouped(keys)
    for keys in ([p.part for p in passages], [f"page {p.page}" if p.page else "" for p in passages]):
        if len(set(keys)) > 1:
            return _grouped(keys)
    size = max(1, math.ceil(len(passages) / MOST_BLOCKS))
    return [Section("", list(range(at, min(at + size, len(passages))))) for at in range(0, len(passages), size)]


def _grouped(keys: Sequence[str]) -> list[Section]:
    groups = groupby(range(len(keys)), key=lambda position: keys[position])
    return [Section(key.rsplit(SEPARATOR, 1)[-1], list(positions)) for key, positions in groups]


def positions_under(passages: Sequence[Passage], title: str) -> list[int]:
    """The passages below the headings of this title, or below the only one that holds all of its words."""
    wanted = words_of(title)
    paths = {path for passage in passages if passage.heading for path in _ancestors(passage.heading)}
    words = {path: words_of(path.rsplit(SEPARATOR, 1)[-1]) for path in paths}
    meant = {path for path in paths if words[path] == wanted}
    if not meant:
        holding = {path for path in paths if {*wanted.split()} <= {*words[path].split()}}
        meant = holding if len(holding) == 1 else set()
    return [at for at, passage in enumerate(passages) if meant.intersection(_ancestors(passage.heading))]


def _ancestors(heading: str) -> list[str]:
    """A heading path and all that it lies below, the highest first."""
    titles = heading.split(SEPARATOR)
    return [SEPARATOR.join(titles[:depth]) for depth in range(1, len(titles) + 1)]


def outline_of(passages: Sequence[Passage]) -> list[tuple[int, str, int]]:
    """Every heading as (level from 0, title, position of the first passage below it), in reading order."""
    seen: set[str] = set()
    found: list[tuple[int, str, int]] = []
    for position, passage in enumerate(passages):
        for level, path in enumerate(_ancestors(passage.heading) if passage.heading else []):
            if path not in seen:
                seen.add(path)
                found.append((level, path.rsplit(SEPARATOR, 1)[-1], position))
    return found


def spread(sections: Sequence[Section], centrality: np.ndarray, most: int) -> list[int]:
    """Positions of the passages that stand for a document: each section has its share, the central ones first.

    Args:
        sections: in order.
        centrality: per passage, float32 [n].
        most: how many to choose. With fewer than there are sections, neighbouring ones share.

    Returns:
        Positions in reading order.
    """
    groups = [section.positions for section in sections]
    if len(groups) > most:
        size = len(groups) / most
        groups = [
            [at for group in groups[round(i * size) : round((i + 1) * size)] for at in group] for i in range(most)
        ]
    total = sum(map(len, groups))
    shares = [max(1, min(len(group), round(most * len(group) / total))) for group in groups]
    while sum(shares) > most:  # each keeps one; the largest give
        shares[max(range(len(shares)), key=lambda at: shares[at])] -= 1
    chosen: list[int] = []
    for group, share in zip(groups, shares, strict=True):
        chosen += sorted(group, key=lambda at: (-float(centrality[at]), at))[:share]
    return sorted(chosen)


def centrality_of(vectors: np.ndarray, sections: Sequence[Section]) -> np.ndarray:
    """How near each passage is to the middle of its section and of the document: mean cosine, float32 [n].

    The centroid method of Radev et al., "Centroid-based summarization of multiple documents" (2004), on
    sentence-embedding vectors.

    Args:
        vectors: unit vectors of the document's passages, float32 [n, d].
        sections: which passages belong together.
    """
    import numpy as np

    score = vectors @ _middle(vectors)
    for section in sections:
        own = vectors[section.positions]
        score[section.positions] += own @ _middle(own)
    half: np.ndarray = (score / 2).astype(np.float32)
    return half


def _middle(vectors: np.ndarray) -> np.ndarray:
    import numpy as np

    mean = vectors.mean(axis=0)
    middle: np.ndarray = mean / (float(np.linalg.norm(mean)) or 1.0)
    return middle


def key_sentence(passage: Passage, frequencies: Counter[str]) -> Span | None:
    """The sentence of a passage that says most of what the document keeps saying; None where there is no prose.

    Args:
        passage: where to look.
        frequencies: in how many passages of the document each content word stands.
    """
    best: tuple[float, Span] | None = None
    telling = [(span, _said_in(passage.text[span.start : span.end])) for span in prose(passage.text)]
    for place, (span, words) in enumerate([said for said in telling if len(said[1]) >= 3] or telling):
        weight = sum(math.log(1 + frequencies[word]) for word in words) / math.sqrt(len(words) + 4)
        merit = weight * (LEANING if _LEANS.search(passage.text[span.start : span.end]) else 1.0) - 0.15 * place
        if best is None or merit > best[0]:
            best = merit, span
    return best[1] if best else None


def _said_in(sentence: str) -> frozenset[str]:
    """The content words of a sentence, without the addresses of its links."""
    return content_words(_LINK.sub(r"\1", sentence))


def prose(text: str) -> list[Span]:
    """The whole sentences of a text, without code, tables, headings and markup."""
    fenced = _fenced(text)
    return [
        span
        for span in sentences_of(text)
        if span.words
        and span.end - span.start <= LONGEST_SENTENCE
        and _ENDS.search(text[span.start : span.end])
        and not _NOT_PROSE.match(text[span.start : span.end])
        and not any(start <= span.start < end for start, end in fenced)
    ]


def _fenced(text: str) -> list[tuple[int, int]]:
    """Where code fences begin and end, as offsets; a fence that is cut off reaches to the nearest end."""
    marks: list[int] = []
    offset = 0
    for line in text.split("\n"):
        if _FENCE.match(line):
            marks.append(offset)
        offset += len(line) + 1
    if len(marks) % 2:
        marks.append(len(text) + 1)
    return [(start, end + 1) for start, end in zip(marks[::2], marks[1::2], strict=True)]


def frequencies_of(passages: Sequence[Passage]) -> Counter[str]:
    """In how many passages each content word stands."""
    return Counter(word for passage in passages for word in _said_in(passage.text))
