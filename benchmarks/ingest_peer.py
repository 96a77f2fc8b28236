"""One library's way from files to an index on disk: `python ingest_peer.py NAME DOCS OUT WEIGHTS PASSAGES`.

Runs in an environment without this project, so it imports nothing of it. Every library gets the same Markdown
files and the same weights of all-MiniLM-L6-v2, does what its documentation shows first, and says on its last
line, in JSON, how long that took once its modules were imported. The texts it embedded go to OUT/texts.json.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Finished = tuple[float, list[str]]


def files(docs: Path) -> list[Path]:
    """What is read, in order."""
    return sorted(docs.rglob("*.md"))


def langchain(docs: Path, out: Path, weights: str, passages: Path) -> Finished:
    """`FAISS.from_documents` with `HuggingFaceEmbeddings`, 1,000 characters with 200 of overlap."""
    from langchain_community.document_loaders import TextLoader
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    to_index = _langchain_index(weights)
    started = time.perf_counter()
    documents = [document for path in files(docs) for document in TextLoader(str(path), encoding="utf-8").load()]
    chunks = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(documents)
    to_index(chunks).save_local(str(out / "index"))
    return time.perf_counter() - started, [chunk.page_content for chunk in chunks]


def langchain_our_passages(docs: Path, out: Path, weights: str, passages: Path) -> Finished:
    """The same, given the very texts that Ratchet embeds: as many tokens, and no reading or splitting."""
    from langchain_core.documents import Document

    to_index = _langchain_index(weights)
    texts: list[str] = json.loads(passages.read_text(encoding="utf-8"))
    started = time.perf_counter()
    to_index([Document(text) for text in texts]).save_local(str(out / "index"))
    return time.perf_counter() - started, texts


def _langchain_index(weights: str) -> Callable[[list[Any]], Any]:
    from langchain_community.vectorstores import FAISS
    from langchain_huggingface import HuggingFaceEmbeddings

    import_lazily("sentence_transformers", "faiss")
    return lambda chunks: FAISS.from_documents(chunks, HuggingFaceEmbeddings(model_name=weights))


def chroma(docs: Path, out: Path, weights: str, passages: Path) -> Finished:
    """A persistent collection with the SentenceTransformer embedding function, split as for LangChain."""
    import chromadb
    from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    import_lazily("sentence_transformers")
    started = time.perf_counter()
    client = chromadb.PersistentClient(str(out / "index"), settings=chromadb.Settings(anonymized_telemetry=False))
    embed: Any = SentenceTransformerEmbeddingFunction(model_name=weights)
    collection = client.create_collection("docs", embedding_function=embed)
    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
    texts: list[str] = []
    for path in files(docs):
        chunks = splitter.split_text(path.read_text(encoding="utf-8"))
        if chunks:
            ids = [f"{path.relative_to(docs)}:{number}" for number in range(len(chunks))]
            collection.add(ids=ids, documents=chunks, metadatas=[{"source": str(path)}] * len(chunks))
        texts += chunks
    return time.perf_counter() - started, texts


def llama_index(docs: Path, out: Path, weights: str, passages: Path) -> Finished:
    """`VectorStoreIndex.from_documents` with its default splitter (1,024 tokens, 200 of overlap)."""
    from llama_index.core import Settings, SimpleDirectoryReader, VectorStoreIndex
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    import_lazily("sentence_transformers")
    started = time.perf_counter()
    Settings.embed_model = HuggingFaceEmbedding(model_name=weights, device="cpu")
    Settings.llm = None
    documents = SimpleDirectoryReader(str(docs), recursive=True, required_exts=[".md"]).load_data()
    index = VectorStoreIndex.from_documents(documents)
    index.storage_context.persist(str(out / "index"))
    texts = [node.get_content(metadata_mode="embed") for node in index.docstore.docs.values()]  # type: ignore[arg-type]
    return time.perf_counter() - started, texts


def haiku(docs: Path, out: Path, weights: str, passages: Path) -> Finished:
    """`HaikuRAG.create_document_from_source` for each file; its embedder is given the same weights in process."""
    import llama_index.core

    if not hasattr(sqlite3.Connection, "enable_load_extension"):  # some builds of Python leave it out
        sys.modules["sqlite3"] = __import__("pysqlite3")
    # Its tokenizer's table would be downloaded; another package carries it.
    os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(llama_index.core.__file__).parent / "_static" / "tiktoken_cache")
    os.environ |= {"EMBEDDINGS_VECTOR_DIM": "384", "EMBEDDINGS_MODEL": "all-MiniLM-L6-v2"}
    import haiku.rag.embeddings as embeddings
    from sentence_transformers import SentenceTransformer

    texts: list[str] = []

    class Embedder(embeddings.EmbedderBase):
        def __init__(self) -> None:
            self.model = SentenceTransformer(weights, device="cpu")

        async def embed(self, text: str) -> list[float]:
            texts.append(text)
            return self.model.encode(text, show_progress_bar=False).tolist()

    chosen: list[Embedder] = []

    def get_embedder() -> Embedder:
        chosen.extend([] if chosen else [Embedder()])
        return chosen[0]

    embeddings.get_embedder = get_embedder
    from haiku.rag.client import HaikuRAG

    async def run() -> None:
        async with HaikuRAG(out / "haiku.sqlite") as rag:
            for path in files(docs):
                await rag.create_document_from_source(path)

    started = time.perf_counter()
    asyncio.run(run())
    return time.perf_counter() - started, texts


def import_lazily(*names: str) -> None:
    """Import now what a library imports on first use, so that it counts as import for all alike."""
    for name in names:
        __import__(name)


PEERS: dict[str, Callable[[Path, Path, str, Path], Finished]] = {
    "langchain": langchain,
    "langchain, our passages": langchain_our_passages,
    "chroma": chroma,
    "llama_index": llama_index,
    "haiku.rag": haiku,
}

if __name__ == "__main__":
    name, docs, out, weights, passages = sys.argv[1:]
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    seconds, texts = PEERS[name](Path(docs), Path(out), weights, Path(passages))
    (Path(out) / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    print(json.dumps({"seconds": seconds}))
