"""Questions about documents: what is answered stands in the passages, and what is refused does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.prompts import REFUSAL
from finetune.dataset.build import BuildSettings, build_dataset
from finetune.dataset.documents import DocumentSource, completing, grounded, group_of, quoted_answer
from finetune.dataset.records import MOST_TOOLS
from finetune.errors import DatasetError
from finetune.schema import Example
from knowledge.index import FileEntry, IndexWriter, KnowledgeIndex
from knowledge.schema import Passage
from tests.agent.scripted import ScriptedModel
from tests.finetune.dataset.collection import PUMP, indexed
from tests.finetune.dataset.samples import CALCULATOR
from tests.knowledge.words import WordEmbedder

SEARCH = {
    "type": "function",
    "function": {
        "name": "search_knowledge",
        "description": "Search the user's documents.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[KnowledgeIndex]:
    opened = KnowledgeIndex.open(indexed(tmp_path / "index"), WordEmbedder().fingerprint)
    yield opened
    opened.close()


def parts(examples: list[Example]) -> tuple[list[Example], list[Example], list[Example]]:
    """Answers, refusals, decisions."""
    refused = [one for one in examples if one.messages[-1]["content"] == REFUSAL]
    decided = [one for one in examples if one.tools]
    return [one for one in examples if one not in refused and one not in decided], refused, decided


def test_an_answer_stands_in_one_passage_and_a_refusal_has_none(index: KnowledgeIndex) -> None:
    source = DocumentSource(index, unanswerable=1.0)
    source.check()
    answered, refused, decided = parts(list(source.read()))
    assert len(answered) >= 4
    assert refused
    assert not decided
    answers = {one.messages[0]["content"]: one.messages[1]["content"] for one in answered}
    for one in answered:
        passages = one.messages[0]["passages"]
        assert 1 <= len(passages) <= 4
        assert sum(answers[one.messages[0]["content"]] in " ".join(text.split()) for text in passages) == 1
    for one in refused:
        assert all(
            answers[one.messages[0]["content"]] not in " ".join(text.split()) for text in one.messages[0]["passages"]
        )


def test_the_same_seed_gives_the_same_examples_which_lead_to_their_passage(index: KnowledgeIndex) -> None:
    first = list(DocumentSource(index, tools=(SEARCH,), seed=3).read())
    assert first == list(DocumentSource(index, tools=(SEARCH,), seed=3).read())
    ids = {f"passage:{one.id}" for source in index.sources() for one in index.passages(index.rows_of(source))}
    assert {one.source for one in first} <= ids
    assert {one.group.partition("~")[0] for one in first} <= {
        "document:pump.md",
        "document:sea.md",
        "document:house.md",
    }
    assert "eve" not in "".join(one.group for one in first), "a path may tell of its owner"


def test_searches_and_small_talk_come_in_pairs_with_the_same_tools(index: KnowledgeIndex) -> None:
    tools = (CALCULATOR, SEARCH)
    decided = [one for seed in range(5) for one in parts(list(DocumentSource(index, tools=tools, seed=seed).read()))[2]]
    assert decided
    searched = [one for one in decided if one.messages[-1].get("tool_calls")]
    assert 2 * len(searched) == len(decided)
    for one in searched:
        (call,) = one.messages[-1]["tool_calls"]
        assert call["arguments"]["query"] in one.messages[0]["content"]
        assert one.tools == tools
    assert not parts(list(DocumentSource(index, tools=(CALCULATOR,)).read()))[2], (
        "without the tool nothing is made of it"
    )


def test_of_many_tools_all_examples_show_the_same_few(index: KnowledgeIndex) -> None:
    many = tuple({"type": "function", "function": {"name": f"tool{n}", "parameters": {}}} for n in range(30))
    source = DocumentSource(index, tools=(*many, SEARCH), seed=4)
    source.check()
    assert source.reading.facts.endswith("; searches with 8 tools")
    boxes = [one.tools for one in source.read() if one.tools]
    assert boxes and all(box == boxes[0] for box in boxes)
    assert len(boxes[0]) == MOST_TOOLS and boxes[0][-1] == SEARCH
    (other,) = {
        json.dumps(one.tools) for one in DocumentSource(index, tools=(*many, SEARCH), seed=5).read() if one.tools
    }
    assert other != json.dumps(boxes[0])


def test_a_model_may_answer_and_what_the_passage_does_not_support_is_not_taken(index: KnowledgeIndex) -> None:
    def complete(prompt: str) -> str:
        if prompt.startswith("Write one short question"):
            return "What does the maker promise?"
        return (
            "The warranty covers the motor for 24 months." if "24 months" in prompt else "It costs 900 euros in Oslo."
        )

    answered, _, _ = parts(list(DocumentSource(index, complete=complete).read()))
    said = [one.messages[-1]["content"] for one in answered]
    assert "900" not in " ".join(said)
    assert all(one.messages[-1]["content"] != "" for one in answered)


def test_a_chat_model_completes(index: KnowledgeIndex) -> None:
    assert completing(ScriptedModel(script=["Yes, it does."]))("Does it?") == "Yes, it does."


def test_an_empty_collection_is_an_error(tmp_path: Path) -> None:
    embedder = WordEmbedder()
    with IndexWriter.open(tmp_path / "index", embedder.fingerprint, embedder.dimension) as writer:
        writer.replace(FileEntry("/docs/none.md", "0" * 64, 0, 0, 0), [], embedder.embed(["."])[:0])
        writer.commit(("/docs",))
    opened = KnowledgeIndex.open(tmp_path / "index", embedder.fingerprint)
    with pytest.raises(DatasetError, match="no passages"):
        DocumentSource(opened).check()
    opened.close()


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many months: Heron and warranty?", "24 months"),
        ("What is meant by sieve?", "A sieve is the part that keeps gravel away from the turbine."),
        ("Who won the football match?", ""),
    ],
)
def test_the_words_that_answer_a_question(question: str, answer: str) -> None:
    assert quoted_answer(question, PUMP) == answer


def test_grounded_means_every_sentence() -> None:
    passage = Passage("p", "/d", PUMP, 1, 10)
    assert grounded("A sieve is the part that keeps gravel away from the turbine.", [passage])
    assert grounded("24 months", [passage])
    assert not grounded("A sieve is the part that keeps gravel away from the turbine. It costs 900 euros.", [passage])
    assert not grounded("25 months", [passage])
    assert not grounded("", [passage])


def test_documents_of_the_same_name_are_different_groups() -> None:
    assert group_of("/a/readme.md") != group_of("/b/readme.md")


def test_a_data_set_is_built_from_documents(index: KnowledgeIndex, tmp_path: Path) -> None:
    made = build_dataset([DocumentSource(index, unanswerable=1.0)], tmp_path / "set", BuildSettings(near=None))
    assert made.card.kinds == {"passage": sum(made.card.examples.values())}
    assert made.card.teaches["refusal"] >= 1
    assert {len({one.group for one in made.examples(part)}) for part in ("train", "dev", "test")} == {1}  # type: ignore[arg-type]
