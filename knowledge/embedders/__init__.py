"""Text → unit vectors: the bundled model, GGUF files, sentence-transformers, Ollama, OpenAI-compatible servers."""

from knowledge.embedders.cache import CachedEmbeddings
from knowledge.embedders.protocol import Embedder, UnitEmbeddings
from knowledge.embedders.registry import Services, build_embeddings

__all__ = ["CachedEmbeddings", "Embedder", "Services", "UnitEmbeddings", "build_embeddings"]
