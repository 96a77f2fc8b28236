from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from knowledge.contents import Contents, save_index
from knowledge.embeddings import LlamaEmbeddings
from knowledge.index import KnowledgeIndex
from knowledge.ingest import ingest
from knowledge.ranking import fuse, without_repeats
from knowledge.resolve import resolve
from knowledge.retriever import HybridRetriever
from knowledge.schema import Passage


@pytest.fixture
def hybrid(folder: Path, tmp_path: Path, embeddings: LlamaEmbeddings) -> HybridRetriever:
    ingest([folder], tmp_path / "index", embeddings)
    index = KnowledgeIndex.open(tmp_path / "index", embeddings.fingerprint)
    return HybridRetriever(index=index, embeddings=embeddings)


@pytest.mark.parametrize(
    ("question", "name", "quote"),
    [
        ("How much water do tomatoes need?", "garden.md", "two litres"),
        ("When is honey harvested?", "bees.html", "August"),
        ("How tall is the mast of the boat?", "boat.pdf", "eleven metres"),
        ("What is the distance to the moon?", "moon.txt", "384,400 km"),
    ],
)
def test_questions_find_their_passage(hybrid: HybridRetriever, question: str, name: str, quote: str) -> None:
    found = hybrid.search(question)
    best = found.passages[0]
    assert Path(best.source).name == name
    assert quote in best.text == resolve(best)
    assert found.relevant and 0.4 < found.confidence < 1
    assert found.seconds > 0
    assert [p.score for p in found.passages] == sorted((p.score for p in found.passages), reverse=True)


@pytest.mark.parametrize("question", ["Who won the 1998 world cup?", "How do I compile a Linux kernel?", "asdf qwer"])
def test_questions_beside_the_point_are_not_relevant(hybrid: HybridRetriever, question: str) -> None:
    found = hybrid.search(question)
    assert found.passages
    assert not found.relevant and 0 < found.confidence < 0.4


def test_k_and_odd_queries(hybrid: HybridRetriever) -> None:
    assert len(hybrid.search("water", k=1).passages) == 1
    for query in ("", "  \n", "\x1b[31m"):
        empty = hybrid.search(query)
        assert (empty.passages, empty.relevant, empty.confidence) == ((), False, 0.0)
    assert hybrid.search("\x1b[2Jwater\x00").query == "water"
    assert hybrid.search("tomatoes " * 2000).passages


def test_an_empty_index_answers_nothing(tmp_path: Path, embeddings: LlamaEmbeddings) -> None:
    save_index(tmp_path, Contents([], embeddings.embed([]), {}, ()), embeddings.fingerprint)
    index = KnowledgeIndex.open(tmp_path, embeddings.fingerprint)
    found = HybridRetriever(index=index, embeddings=embeddings).search("anything")
    assert (found.passages, found.relevant) == ((), False)


def test_copies_of_a_passage_appear_once(folder: Path, tmp_path: Path, embeddings: LlamaEmbeddings) -> None:
    for number in range(4):
        (folder / f"copy{number}.md").write_bytes((folder / "garden.md").read_bytes())
    ingest([folder], tmp_path / "index", embeddings)
    index = KnowledgeIndex.open(tmp_path / "index", embeddings.fingerprint)
    copied = HybridRetriever(index=index, embeddings=embeddings)
    found = copied.search("How much water do tomatoes need?", k=3)
    texts = [p.text for p in found.passages]
    assert len(texts) == len(set(texts)) == 3


def test_fusion_rewards_agreement_and_fills_gaps() -> None:
    scores = fuse({"both": 0.8, "near": 0.9, "words": 0.1}, {"both": 6.0, "words": 8.0})
    assert max(scores, key=lambda name: scores[name]) == "both"
    assert scores == pytest.approx({"both": (0.7 / 0.8 + 6 / 8) / 2, "near": 0.5, "words": 0.5})
    assert fuse({}, {}) == {}
    assert fuse({"only": 0.3}, {}) == {"only": 0.0}


def test_repeats_keep_the_better_one() -> None:
    texts = ["one two three four five six seven eight nine ten", "something else entirely"]
    first, near, other = (
        Passage(name, "/a", text, 1, 1)
        for name, text in (("1", texts[0]), ("2", texts[0].upper() + " ten!"), ("3", texts[1]))
    )
    assert without_repeats([first, near, other], 5) == [first, other]
    assert without_repeats([first, near, other], 1) == [first]


def test_importing_the_search_path_stays_light() -> None:
    script = (
        "import sys, knowledge\n"
        "heavy = {'faiss', 'numpy', 'langchain_core', 'xllamacpp', 'pypdf', 'gguf'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
        "import knowledge.index, knowledge.ingest, knowledge.resolve, knowledge.text, knowledge.schema\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
        "import knowledge.retriever\n"
        "banned = {'torch', 'transformers', 'sentence_transformers', 'pypdf', 'gguf', 'langchain'}\n"
        "assert not banned & sys.modules.keys(), banned & sys.modules.keys()\n"
        "assert all(hasattr(knowledge, name) for name in knowledge.__all__)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


class TestStandard(RetrieversIntegrationTests):
    """LangChain's own tests for retrievers."""

    @pytest.fixture(autouse=True)
    def _built(self, hybrid: HybridRetriever) -> None:
        self.built = hybrid

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return HybridRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"index": self.built.index, "embeddings": self.built.embeddings}

    @property
    def retriever_query_example(self) -> str:
        return "water for tomatoes"

    @property
    def num_results_arg_name(self) -> str:
        return "top_k"
