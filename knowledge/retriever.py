"""Questions → passages, by meaning and by words, with a verdict on whether they are to the point."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from knowledge.embeddings import Embedder
from knowledge.index import KnowledgeIndex
from knowledge.ranking import fuse, without_repeats
from knowledge.schema import Passage, Retrieval
from knowledge.text import sanitize

if TYPE_CHECKING:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document

_POOL = 40
# Fitted by benchmarks/calibrate_relevance.py: at this threshold 94 % of the questions that a collection
# answers are shown passages, and 94 % of those about something else are not.
_BIAS, _COSINE, _COVERAGE = -10.46, 16.41, 10.16
_RELEVANT = 0.4


class HybridRetriever(BaseRetriever):
    """A LangChain retriever over a `KnowledgeIndex`; `search` also tells how sure it is.

    Args:
        index: an open index; the retriever does not close it.
        embeddings: the embedder the index was made with.
        top_k: how many passages to return.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    index: KnowledgeIndex
    embeddings: Embedder
    top_k: int = Field(5, ge=1)

    def search(self, query: str, k: int | None = None) -> Retrieval:
        """The passages nearest to the query in meaning and words, best first, repeats left out.

        Args:
            query: a question or key words, of any length.
            k: how many passages at most; default `top_k`.

        Raises:
            EmbedderError: the query could not be embedded.
            IndexCorrupt: the index cannot be read any more.
        """
        started = time.perf_counter()
        query = sanitize(query).strip()
        passages = self._ranked(query, k or self.top_k) if query and self.index.size else []
        sure = _confidence(*self.evidence(query, passages)) if passages else 0.0
        seconds = time.perf_counter() - started
        return Retrieval(query, tuple(passages), sure >= _RELEVANT, sure, seconds)

    def evidence(self, query: str, passages: list[Passage]) -> tuple[float, float]:
        """What confidence rests on: the best passage's cosine, and its share of the query's rare words."""
        best = passages[0]
        return best.similarity, self.index.coverage(query, [best.id])[best.id]

    def _ranked(self, query: str, k: int) -> list[Passage]:
        vector = self.embeddings.embed([query])[0]
        near = [name for name, _ in self.index.search_dense(vector, _POOL)]
        words = dict(self.index.search_lexical(query, _POOL))
        cosines = self.index.similarities(vector, {*near, *words})
        scores = fuse(cosines, words)
        order = sorted(scores, key=lambda name: (-scores[name], name))
        passages = without_repeats(self.index.passages(order), k)
        return [passage.scored(scores[passage.id], cosines[passage.id]) for passage in passages]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return [passage.to_document() for passage in self.search(query, kwargs.get("top_k")).passages]


def _confidence(cosine: float, coverage: float) -> float:
    return 1 / (1 + math.exp(-(_BIAS + _COSINE * cosine + _COVERAGE * coverage)))
