"""First questions for an empty page, made from the titles and headings of the user's own documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import PurePath
from typing import TYPE_CHECKING

from knowledge.chunking.structure import HEADING_SEPARATOR
from knowledge.naming import title_of
from tools.visible import visible

if TYPE_CHECKING:
    from agent.state import Documents
    from knowledge.schema import Passage

_MOST_FILES = 40  # looked into, spread evenly over all there are
_MOST_PASSAGES = 200  # of one file
_LONGEST = 60  # characters of a heading or title
_LONGEST_WRITTEN = 300  # characters of one with its markup; looking for markup in more of them could take hours
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[`*_#]+|\{[^}]*\}|<[^>]+>")
_NUMBERING = re.compile(
    r"^(?:(?:chapter|section|part|appendix)\s+)?(?:\d{1,2}(?:\.\d+)*[.):]?|(?:[ivx]+|[a-z])[.):])\s+", re.IGNORECASE
)
_ASKS = re.compile(r"^(?:what|how|why|when|where|which|who|can|does|do|is|are|should)\b[^.!]*\?$", re.IGNORECASE)
_HOW_TO = re.compile(r"^how\s+to\s+", re.IGNORECASE)
_SYMBOL = re.compile(r"[(){}\[\]<>=;\\/@|]|::|\w\.\w|://")  # of code and addresses
_SAYS_NOTHING = frozenset(
    "abstract acknowledgements appendix authors background changelog conclusion conclusions content contents example "
    "examples faq figures general glossary index information intro introduction license licence links misc "
    "miscellaneous more motivation notes other overview preface readme recap references resources see summary tables "
    "todo usage welcome".split()
) | {"getting started", "further reading", "see also", "table of contents", "what's next", "next steps", "read more"}


def first_questions(index: Documents, limit: int = 4) -> list[str]:
    """Questions that the documents can answer, one file after the other; the same documents give the same ones.

    Args:
        index: the documents, such as a `KnowledgeIndex`.
        limit: at most so many.
    """
    named = sorted(source for source, entry in index.sources().items() if entry.passages)
    step = max(1, len(named) // _MOST_FILES)
    asked = [_questions(source, _opening(index, source)) for source in named[::step][:_MOST_FILES]]
    # First what files with headings tell of; what a file is about can be asked of any.
    headed = [question for round_ in zip_longest(*(of_file for of_file, _ in asked)) for question in round_ if question]
    general = [about for _, about in asked if about]
    distinct = {question.casefold(): question for question in reversed([*headed, *general])}
    return list(reversed(distinct.values()))[:limit]


def _opening(index: Documents, source: str) -> list[Passage]:
    return index.passages(index.rows_of(source)[:_MOST_PASSAGES])


def _questions(source: str, passages: Sequence[Passage]) -> tuple[list[str], str]:
    """What can be asked about the sections of a file, the longest first, and about the file."""
    title = _plain(title_of(passages))
    name = f"“{title}”" if title and _telling(title) else visible(PurePath(source).name)
    lengths: dict[str, int] = {}
    for passage in passages:
        for heading in _sections(passage):
            lengths[heading] = lengths.get(heading, 0) + len(passage.text)
    chosen = sorted((heading for heading in lengths if heading != title), key=lambda each: (-lengths[each], each))
    return [_asked(heading, name) for heading in chosen], f"What is {name} about?"


def _sections(passage: Passage) -> Iterator[str]:
    """The innermost heading of a passage that means something where it stands alone."""
    for heading in reversed(passage.heading.split(HEADING_SEPARATOR)):
        plain = _plain(heading)
        if plain and _telling(plain):
            yield plain
            return


def _plain(heading: str) -> str:
    """A heading without its number and markup; nothing of one that is too long."""
    if len(heading) > _LONGEST_WRITTEN:
        return ""
    text = " ".join(_MARKUP.sub(lambda found: found.group(1) or " ", heading).split())
    return _NUMBERING.sub("", text).strip(" .:–—-")


def _telling(heading: str) -> bool:
    """Whether a heading says what is below it, in words that a person would use; and shows all it holds."""
    words = re.findall(r"\w+", heading)
    return (
        3 <= len(heading) <= _LONGEST
        and any(letter.isalpha() for letter in heading)
        and heading.casefold() not in _SAYS_NOTHING
        and not _SYMBOL.search(heading)
        and visible(heading) == heading
        and max(map(len, words)) <= 30
    )


def _asked(heading: str, name: str) -> str:
    if _ASKS.match(heading):
        return heading[0].upper() + heading[1:]
    if _HOW_TO.match(heading):
        return f"How do I {_HOW_TO.sub('', heading).rstrip('?')}?"
    return f"What does {name} say about {_lowered(heading)}?"


def _lowered(heading: str) -> str:
    """As it reads within a sentence: names and abbreviations keep their capitals."""
    words = heading.split(" ")
    if all(word[:1].isupper() for word in words if len(word) > 3) and len(words) > 1:
        return f"“{heading}”"
    first = words[0]
    return heading if first[1:] != first[1:].lower() or len(first) == 1 else first.lower() + heading[len(first) :]
