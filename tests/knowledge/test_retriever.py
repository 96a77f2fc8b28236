from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from knowledge.embedders import Embedder
from knowledge.index import IndexWriter, KnowledgeIndex
from knowledge.ingest import ingest
from knowledge.ranking import WORDS
from knowledge.resolve import resolve
from knowledge.retriever import HybridRetriever
from knowledge.schema import SearchFilter
from tests.knowledge.words import WordEmbedder


@pytest.fixture
def words() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def hybrid(folder: Path, tmp_path: Path, embeddings: Embedder) -> HybridRetriever:
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


def test_an_empty_index_answers_nothing(tmp_path: Path, embeddings: Embedder) -> None:
    with IndexWriter.open(tmp_path, embeddings.fingerprint, embeddings.dimension) as writer:
        writer.commit((str(tmp_path),))
    index = KnowledgeIndex.open(tmp_path, embeddings.fingerprint)
    found = HybridRetriever(index=index, embeddings=embeddings).search("anything")
    assert (found.passages, found.relevant) == ((), False)


def test_copies_of_a_passage_appear_once(folder: Path, tmp_path: Path, embeddings: Embedder) -> None:
    for number in range(4):
        (folder / f"copy{number}.md").write_bytes((folder / "garden.md").read_bytes())
    ingest([folder], tmp_path / "index", embeddings)
    index = KnowledgeIndex.open(tmp_path / "index", embeddings.fingerprint)
    copied = HybridRetriever(index=index, embeddings=embeddings)
    found = copied.search("How much water do tomatoes need?", k=3)
    texts = [p.text for p in found.passages]
    assert len(texts) == len(set(texts)) == 3


def test_a_filter_keeps_to_its_files(hybrid: HybridRetriever) -> None:
    only = hybrid.search("How much water do tomatoes need?", where=SearchFilter(suffixes=(".txt", ".pdf")))
    assert {Path(passage.source).suffix for passage in only.passages} == {".txt", ".pdf"}
    assert not only.relevant
    assert hybrid.search("water", where=SearchFilter(suffixes=(".docx",))).passages == ()


def test_the_ranking_is_whole_ordered_and_the_same_every_time(hybrid: HybridRetriever) -> None:
    ranked = hybrid.rank("How much water do tomatoes need?", 100)
    assert len(ranked) == len({row for row, _ in ranked}) == hybrid.index.size
    assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)
    assert ranked == hybrid.rank("How much water do tomatoes need?", 100)
    assert hybrid.rank("How much water do tomatoes need?", 2) == ranked[:2]


def test_words_of_the_first_passages_find_others_without_the_query_s_own(tmp_path: Path, words: WordEmbedder) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("The zebrule is bred from a zebra and a pony, a hybrid called zony.")
    (folder / "z.txt").write_text("A zony lives for thirty years on any farm.")
    for number in range(8):
        (folder / f"c{number}.txt").write_text(f"Farm number {number} lives on wheat for {number} years.")
    ingest([folder], tmp_path / "index", words)
    with closing(KnowledgeIndex.open(tmp_path / "index", words.fingerprint)) as index:
        (other,) = index.rows_of(str(folder / "z.txt")).tolist()
        plain = HybridRetriever(index=index, embeddings=words, feedback=False)
        places = [
            [row for row, _ in each.rank("zebrule", 10)].index(other)
            for each in (plain, plain.model_copy(update={"feedback": True}))
        ]
    assert places[1] == 1 < places[0]


def test_deleted_passages_leave_scores_and_coverage_in_bounds(tmp_path: Path, words: WordEmbedder) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.txt").write_text(f"The turbine number{number} turns.")
    ingest([folder], tmp_path / "index", words)
    for number in range(3):
        (folder / f"{number}.txt").unlink()
    ingest([folder], tmp_path / "index", words)
    with closing(KnowledgeIndex.open(tmp_path / "index", words.fingerprint)) as index:
        assert index.document_frequencies(["turbin"])["turbin"] > index.size, "else nothing is shown here"
        retriever = HybridRetriever(index=index, embeddings=words)
        assert all(-1 <= score <= 1 + 2 * WORDS for _, score in retriever.rank("turbine", 20))
        (best, *_) = retriever.search("turbine number7").passages
        assert 0 <= retriever.coverage("turbine number7", best) <= 1
        assert 0 <= retriever.coverage("turbine alpha9", best) <= 1


class ByLength:
    """A reranker that likes short texts."""

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        return [-float(len(text)) for text in texts]


def test_a_reranker_decides_the_order(hybrid: HybridRetriever) -> None:
    reranked = hybrid.model_copy(update={"reranker": ByLength()})
    lengths = [len(passage.text) for passage in reranked.search("water for tomatoes", 4).passages]
    assert lengths == sorted(lengths)
    assert lengths != [len(passage.text) for passage in hybrid.search("water for tomatoes", 4).passages]


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
