from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.documents import Document

from knowledge.chunking import embedded_text, split
from knowledge.index import FileEntry, IndexWriter, KnowledgeIndex
from knowledge.proposals import copies, propose
from knowledge.schema import Passage
from tests.knowledge.words import WordEmbedder

GUIDE = """# Heron pump

## Warranty

The warranty of the Heron pump covers the motor for 24 months after the day on which it was bought.

## Cleaning

A sieve is the part that keeps gravel away from the turbine. Rinse it under cold water twice a month in winter.

## Code

```python
warranty = pump.warranty(months=24, motor=True, sieve=False, turbine=None)
```
"""
SEA = """# Tides

The tides of the northern coast follow the moon, and a spring tide rises three metres above the harbour wall.

# Salt

Evaporation leaves crystals of salt behind in shallow basins, which workers gather with wooden rakes each August.
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[KnowledgeIndex]:
    embedder = WordEmbedder()
    with IndexWriter.open(tmp_path / "index", embedder.fingerprint, embedder.dimension) as writer:
        for name, text in (("/docs/pump.md", GUIDE), ("/docs/sea.md", SEA), ("/docs/none.md", "")):
            passages = list(split([Document(text, metadata={"markup": "markdown"})], name)) if text else []
            vectors = embedder.embed(list(map(embedded_text, passages)) or ["."])[: len(passages)]
            writer.replace(FileEntry(name, "0" * 64, len(text), 0, len(passages)), passages, vectors)
        writer.commit(("/docs",))
    opened = KnowledgeIndex.open(tmp_path / "index", embedder.fingerprint)
    yield opened
    opened.close()


def test_questions_name_the_place_that_answers_and_do_not_copy_it(index: KnowledgeIndex) -> None:
    found = list(propose(index, 10))
    assert len(found) == 4, "one of each passage of prose"
    assert len({question.question for question in found}) == 4
    for question in found:
        assert question.question.endswith("?")
        assert not copies(question.question, question.text)
        assert question.text in (GUIDE if "pump" in question.source else SEA)
    assert not [question for question in found if "```" in question.text]


def test_they_are_spread_over_the_files_and_no_more_than_asked_for(index: KnowledgeIndex) -> None:
    assert {question.source for question in propose(index, 2)} == {"/docs/pump.md", "/docs/sea.md"}


def test_the_same_seed_asks_the_same(index: KnowledgeIndex) -> None:
    assert list(propose(index, 4, seed=5)) == list(propose(index, 4, seed=5))
    asked = {tuple(question.question for question in propose(index, 4, seed=seed)) for seed in range(6)}
    assert len(asked) > 1


def test_templates_ask_in_several_ways(index: KnowledgeIndex) -> None:
    asked = {question.question for seed in range(30) for question in propose(index, 4, seed=seed)}
    assert "What is meant by sieve?" in asked
    assert any(question.startswith("How many months: ") for question in asked)
    assert any(question.startswith("What should one know about ") for question in asked)
    assert any(question.startswith("What do the documents say about ") for question in asked)


def test_a_model_may_write_the_question(index: KnowledgeIndex) -> None:
    def write(passage: Passage) -> str:
        return f'\n "Who would ever ask {passage.start_line} of {passage.source[-6:-3]}?" \nBecause.'

    found = list(propose(index, 4, write=write))
    assert all(question.question.startswith("Who would ever ask") for question in found)
    assert {question.origin for question in found} == {"model"}
    assert {question.origin for question in propose(index, 4)} == {"template"}


@pytest.mark.parametrize("answer", ["", "No idea.", "Why?", "{text}?"])
def test_a_template_stands_in_for_an_answer_that_is_no_question_of_its_own(index: KnowledgeIndex, answer: str) -> None:
    def write(passage: Passage) -> str:
        return answer.format(text=" ".join(passage.text.split()[:12]))

    assert list(propose(index, 4, write=write)) == list(propose(index, 4))


def test_copying_is_six_words_in_a_row() -> None:
    text = "Rinse it under cold water, twice a month."
    assert copies("When do I rinse it under cold water twice?", text)
    assert not copies("When do I rinse it under cold water?", text)
