from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from knowledge.errors import EmbedderMismatch
from knowledge.index import CollectionStore, FileEntry, IndexWriter, dense
from knowledge.schema import Passage
from tests.knowledge.words import WordEmbedder

TEXTS = ["The boat sails at dawn.", "Water the tomatoes every day.", "Bees make honey.", "The boat has a tall mast."]


class WordEmbeddings(Embeddings):
    """The bag-of-words embedder behind LangChain's interface."""

    fingerprint = "words:0:64"

    def __init__(self) -> None:
        self.words = WordEmbedder()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.words.embed(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class TestStandard(VectorStoreIntegrationTests):
    """What LangChain asks of every vector store, sync and async."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        store = CollectionStore(self.get_embeddings(), tmp_path / "collection")
        yield store
        store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CollectionStore]:
    metadata = [{"number": number, "tags": ["x", {"y": None}]} for number in range(4)]
    store = CollectionStore.from_texts(TEXTS, WordEmbeddings(), metadata, ids=list("abcd"), folder=tmp_path / "it")
    yield store
    store.close()


def test_scores_are_cosines_and_relevance_lies_between_0_and_1(store: CollectionStore) -> None:
    (best, cosine), *_, (_, worst) = store.similarity_search_with_score("The boat sails at dawn.")
    assert (best.id, best.page_content, best.metadata["number"]) == ("a", TEXTS[0], 0)
    assert cosine == pytest.approx(1, abs=1e-6)
    assert worst < 0.5
    relevance = store.similarity_search_with_relevance_scores("honey bees", k=4)
    assert [document.id for document, _ in relevance][0] == "c"
    assert all(0 <= score <= 1 for _, score in relevance)


def test_filters_by_metadata_and_by_function(store: CollectionStore) -> None:
    assert [each.id for each in store.similarity_search("boat", filter={"number": 3})] == ["d"]
    assert [each.id for each in store.similarity_search("boat", k=1, filter={"number": 1})] == ["b"]
    assert store.similarity_search("boat", filter={"number": 9}) == []
    odd = store.similarity_search("boat", filter=lambda document: document.metadata["number"] % 2 == 1)
    assert [each.id for each in odd] == ["d", "b"]


def test_a_filter_that_lets_little_through_still_finds_it(tmp_path: Path) -> None:
    texts = [f"boat number {number}" for number in range(300)]
    metadata = [{"rare": number % 100 == 99} for number in range(300)]
    store = CollectionStore.from_texts(texts, WordEmbeddings(), metadata, folder=tmp_path)
    found = store.similarity_search("boat", k=5, filter={"rare": True})
    assert sorted(each.page_content for each in found) == ["boat number 199", "boat number 299", "boat number 99"]
    store.close()


def test_diversity_prefers_what_is_unlike_the_first(store: CollectionStore) -> None:
    store.add_texts(["The boat sails at dawn!"], ids=["twin"])
    near = {each.id for each in store.similarity_search("The boat sails at dawn.", k=2)}
    assert near == {"a", "twin"}
    diverse = store.max_marginal_relevance_search("The boat sails at dawn.", k=2, fetch_k=5, lambda_mult=0.1)
    assert len({each.id for each in diverse} & near) == 1


def test_a_retriever_over_it(store: CollectionStore) -> None:
    retriever = store.as_retriever(search_type="mmr", search_kwargs={"k": 1})
    assert retriever.invoke("honey")[0].page_content == TEXTS[2]
    assert asyncio.run(store.as_retriever(search_kwargs={"k": 1}).ainvoke("honey"))[0].id == "c"


def test_another_store_over_the_same_folder_sees_what_was_added(store: CollectionStore, tmp_path: Path) -> None:
    other = CollectionStore(WordEmbeddings(), tmp_path / "it")
    assert other.get_by_ids(["d", "nobody", "a"]) == store.get_by_ids(["d", "a"])
    store.delete(["a"])
    assert other.get_by_ids(["a"]) == []
    store.delete()
    assert other.similarity_search("boat") == []
    other.close()


def test_files_are_found_and_left_alone(store: CollectionStore, tmp_path: Path) -> None:
    passage = Passage("p1", "/docs/harbour.md", "A boat in the harbour.", 4, 4, heading="Ships")
    with IndexWriter.open(tmp_path / "it", "words:0:64", 64) as writer:
        writer.replace(FileEntry(passage.source, "", 1, 1, 1), [passage], WordEmbedder().embed([passage.text]))
        writer.commit(["/docs"])
    assert store.similarity_search("A boat in the harbour.", k=1) == [passage.to_document()]
    store.delete(["p1"])
    store.delete()
    assert [each.id for each in store.similarity_search("boat")] == ["p1"]


def test_what_cannot_be_stored_is_refused(store: CollectionStore, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 texts, 1 ids"):
        store.add_texts(["one", "two"], ids=["1"])
    with pytest.raises(ValueError, match="JSON"):
        store.add_documents([Document(page_content="x", metadata={"bad": object()})])
    assert len(store.similarity_search("boat", k=99)) == 4
    with pytest.raises(EmbedderMismatch):
        CollectionStore(WordEmbeddings(), tmp_path / "it", "other:0:64").similarity_search("boat")


def test_threads_add_and_search_at_once(store: CollectionStore) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(3):
                store.add_texts([f"thread {number} step {step}"], ids=[f"{number}-{step}"])
                assert store.similarity_search(f"thread {number} step {step}", k=20)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(store.similarity_search("thread", k=99)) == 16


def test_a_filter_finds_what_lies_outside_the_lists_nearest_to_the_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "FLAT_AT_MOST", 1_000)
    monkeypatch.setattr(dense, "_measured", lambda index, vectors, target: dense.Layout("ivf", index.nlist, 1))
    texts = [f"{'boat mast sail' if number % 2 else 'bees honey hive'} {number}" for number in range(2_000)]
    metadata = [{"far": number % 500 == 0} for number in range(2_000)]
    store = CollectionStore.from_texts(texts, WordEmbeddings(), metadata, folder=tmp_path)
    for wanted in ({"far": True}, lambda document: document.metadata["far"]):
        found = store.similarity_search("boat mast sail", k=5, filter=wanted)
        assert sorted(each.page_content for each in found) == sorted(texts[::500])
    assert len(store.similarity_search("boat mast sail", k=2_000)) == 2_000
    store.close()
