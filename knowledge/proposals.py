"""Proposes questions about a collection, for its owner to edit and to measure the search with.

A proposal is made from a passage without copying a sentence of it: from a heading, from a definition, from a
count, or from two words of one sentence. It asks for a place the retriever may or may not find,
yet it speaks the document's words, so a figure measured with proposals alone is an upper bound. Questions
reworded by a person or written by a model are nearer to what people ask.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from knowledge.analysis import query_terms, terms
from knowledge.chunking import HEADING_SEPARATOR
from knowledge.questions import Question
from knowledge.schema import Passage

if TYPE_CHECKING:
    from knowledge.index import KnowledgeIndex

Write = Callable[[Passage], str]

_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)?")
_MARKS = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*`]")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]")
_DEFINITION = re.compile(r"^(?:The |An? )?([A-Za-z][\w-]*(?: [\w-]+){0,2}) (?:is|are) (?:an?|the) ")
_COUNT = re.compile(r"\b(?:\d[\d.,]*|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty) ([a-z]{3,}s)\b")
_FEWEST_WORDS, _MOST_WORDS = 8, 30
_COPIED_WORDS = 6


def propose(index: KnowledgeIndex, count: int, *, write: Write | None = None, seed: int = 0) -> Iterator[Question]:
    """Questions about a collection, spread over its files; fewer than `count` where little can be asked.

    Args:
        index: the collection.
        count: how many at most.
        write: makes a question of a passage, with a language model; a template stands in for an answer that
            is no question or copies the passage.
        seed: the same seed over the same index gives the same questions, as far as `write` does.
    """
    chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
    asked: set[str] = set()
    for row in _spread(index, chance):
        if len(asked) >= count:
            return
        (passage,) = index.passages([row])
        if not _worth_asking(passage.text):
            continue
        written = _checked(write(passage), passage) if write else ""
        question = written or _from_template(passage, row, index, chance)
        if question and question.lower() not in asked:
            asked.add(question.lower())
            yield Question.about(passage, question, "model" if written else "template")


def _spread(index: KnowledgeIndex, chance: random.Random) -> Iterator[int]:
    """Every passage's row once: one of each file in turn, both in random order."""
    sources = sorted(source for source, entry in index.sources().items() if entry.passages)
    chance.shuffle(sources)
    waiting = []
    for source in sources:
        rows = index.rows_of(source).tolist()
        chance.shuffle(rows)
        waiting.append(rows)
    while waiting:
        for rows in waiting:
            yield rows.pop()
        waiting = [rows for rows in waiting if rows]


def _worth_asking(text: str) -> bool:
    """Prose of some length: not code, not a table, not a list of links."""
    letters = sum(char.isalpha() or char == " " for char in text)
    return len(_WORD.findall(text)) >= _FEWEST_WORDS and letters > 0.8 * len(text) and "```" not in text


def _checked(written: str, passage: Passage) -> str:
    """The first line of what a model wrote when it is a question of its own words; else nothing."""
    question = next((line.strip(" \"'*-") for line in written.splitlines() if line.strip()), "")
    words = len(_WORD.findall(question))
    good = question.endswith("?") and 3 <= words <= _MOST_WORDS and not copies(question, passage.text)
    return question if good else ""


def copies(question: str, text: str) -> bool:
    """Whether six words of the question stand in the text one after the other."""
    words = [word.lower() for word in _WORD.findall(question)]
    flat = " " + " ".join(word.lower() for word in _WORD.findall(text)) + " "
    runs = (words[at : at + _COPIED_WORDS] for at in range(len(words) - _COPIED_WORDS + 1))
    return any(f" {' '.join(run)} " in flat for run in runs)


def _from_template(passage: Passage, row: int, index: KnowledgeIndex, chance: random.Random) -> str:
    sentences = [found.group().strip() for found in _SENTENCE.finditer(passage.text) if "://" not in found.group()]
    chance.shuffle(sentences)
    ways = [_of_definition, _of_count, _of_two_words]
    around = index.neighbours(row, 1, 1)
    if all(other.id == passage.id or other.heading != passage.heading for other in around):
        ways.append(_of_heading)  # of a longer section, another passage would be as good an answer
    chance.shuffle(ways)
    for way in ways:
        for sentence in sentences:
            question = way(sentence, passage, index)
            if question and not copies(question, passage.text):
                return question
    return ""


def _of_definition(sentence: str, passage: Passage, index: KnowledgeIndex) -> str:
    found = _DEFINITION.match(sentence)
    if not found or not _telling(found.group(1), index):
        return ""
    return f"What is meant by {found.group(1)}?"


def _of_count(sentence: str, passage: Passage, index: KnowledgeIndex) -> str:
    found = _COUNT.search(sentence)
    about = [word for word in _telling(sentence, index) if found and word.lower() != found.group(1)]
    return f"How many {found.group(1)}: {about[0]} and {about[1]}?" if found and len(about) > 1 else ""


def _of_two_words(sentence: str, passage: Passage, index: KnowledgeIndex) -> str:
    heading = set(terms(passage.heading))
    words = [word for word in _telling(sentence, index) if not heading & set(terms(word))]
    return f"What do the documents say about {words[0]} and {words[1]}?" if len(words) > 1 else ""


def _of_heading(sentence: str, passage: Passage, index: KnowledgeIndex) -> str:
    outer, _, leaf = _MARKS.sub(r"\1", passage.heading).rpartition(HEADING_SEPARATOR)
    if leaf.endswith("?"):
        return leaf
    above = outer.rpartition(HEADING_SEPARATOR)[2]
    if not _telling(leaf, index) or len(leaf.split()) > 8:
        return ""
    return f"What should one know about {leaf}{f' in {above}' if above else ''}?"


def _telling(text: str, index: KnowledgeIndex) -> list[str]:
    """The words of a text that few passages hold; those that stand in other passages too come first.

    A word that stands nowhere else would lead straight to its passage, whatever the search is worth.
    """
    asked = set(query_terms(text))
    words: dict[str, str] = {}
    for word in _WORD.findall(text):
        for term in asked.intersection(terms(word)):
            words.setdefault(term, word)
    frequencies = index.document_frequencies(list(words))
    limit = max(3, index.size // 20)
    few = [term for term in words if len(term) > 2 and 0 < frequencies.get(term, 0) <= limit]
    order = sorted(few, key=lambda term: (frequencies[term] == 1, frequencies[term]))
    return list(dict.fromkeys(words[term] for term in order))
