"""Questions → passages, by meaning and by words, with a verdict on whether they are to the point."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, InstanceOf

from knowledge.analysis import query_terms, terms
from knowledge.embedders import Embedder
from knowledge.index import KnowledgeIndex
from knowledge.query_adapter import QueryAdapter
from knowledge.ranking import expanded, fuse, without_repeats
from knowledge.relevance import RELEVANT, confidence
from knowledge.schema import Passage, Retrieval, SearchFilter
from knowledge.text import sanitize

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document

_POOL = 100  # candidates of each kind
_FEEDBACK = 5  # passages that the query is expanded from
_RERANKED = 30  # passages that a reranker reads


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows of the index, best first, with the score they are ranked by and their cosine to the query.

    Attributes:
        rows: int64 [n].
        scores: float32 [n], descending.
        cosines: float32 [n].
    """

    rows: np.ndarray
    scores: np.ndarray
    cosines: np.ndarray


class HybridRetriever(BaseRetriever):
    """A LangChain retriever over a `KnowledgeIndex`; `search` also tells how sure it is.

    Args:
        index: an open index; the retriever does not close it.
        embeddings: the embedder the index was made with.
        top_k: how many passages to return.
        reranker: reads the best candidates together with the query (`knowledge.reranking`); default: none.
        feedback: whether the query is expanded by terms of the first passages found.
        adapter: moves the query's vector, as learned for this collection (`knowledge.tune`); default: none.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    index: KnowledgeIndex
    embeddings: Embedder
    top_k: int = Field(5, ge=1)
    reranker: Any = None
    feedback: bool = True
    adapter: InstanceOf[QueryAdapter] | None = None

    @classmethod
    def over(
        cls, index: KnowledgeIndex, embeddings: Embedder, *, top_k: int = 5, reranker: Any = None
    ) -> HybridRetriever:
        """A retriever with all that the collection has, such as its query adapter.

        Raises:
            AdapterDamaged: the adapter beside the index is not what was written.
        """
        adapter = QueryAdapter.load(index.folder, embeddings.fingerprint)
        return cls(index=index, embeddings=embeddings, top_k=top_k, reranker=reranker, adapter=adapter)

    def search(self, query: str, k: int | None = None, where: SearchFilter | None = None) -> Retrieval:
        """The passages nearest to the query in meaning and words, best first, repeats left out.

        Args:
            query: a question or key words, of any length.
            k: how many passages at most; default `top_k`.
            where: look into these files only.

        Raises:
            EmbedderError: the query could not be embedded.
            RerankerError: the reranker cannot be used.
            IndexCorrupt: the index cannot be read any more.
        """
        started = time.perf_counter()
        query = sanitize(query).strip()
        passages = self._passages(query, k or self.top_k, where) if query and self.index.size else []
        sure = confidence(query, passages, self.coverage(query, passages[0])) if passages else 0.0
        seconds = time.perf_counter() - started
        return Retrieval(query, tuple(passages), sure >= RELEVANT, sure, seconds)

    def rank(self, query: str, k: int, where: SearchFilter | None = None) -> list[tuple[int, float]]:
        """The k best rows of the index with their scores, best first, repeats included and not reranked.

        Raises:
            EmbedderError: the query could not be embedded.
            IndexCorrupt: the index cannot be read any more.
        """
        ranking = self._rank(query, max(k, _POOL), where)
        return list(zip(ranking.rows[:k].tolist(), ranking.scores[:k].tolist(), strict=True))

    def coverage(self, query: str, passage: Passage) -> float:
        """How much of the query a passage speaks of: its terms, weighted by rarity, in [0, 1]."""
        rarity = self.index.rarity(query_terms(query))
        held = {*terms(passage.text), *terms(passage.heading)}
        total = sum(rarity.values())
        return sum(weight for term, weight in rarity.items() if term in held) / total if total else 0.0

    def _passages(self, query: str, k: int, where: SearchFilter | None) -> list[Passage]:
        ranking = self._rank(query, max(_POOL, k), where)
        if self.reranker is not None:
            best = list(islice(self._read(ranking, _RERANKED), max(k, _RERANKED)))
            return without_repeats(self._reranked(query, best), k)
        return without_repeats(self._read(ranking, 2 * k), k)

    def _read(self, ranking: Ranking, batch: int) -> Iterator[Passage]:
        """The passages of a ranking with their scores, read as they are needed."""
        for start in range(0, len(ranking.rows), batch):
            part = slice(start, start + batch)
            passages = self.index.passages(ranking.rows[part])
            for passage, score, cosine in zip(passages, ranking.scores[part], ranking.cosines[part], strict=True):
                yield passage.scored(float(score), float(cosine))

    def _reranked(self, query: str, passages: list[Passage]) -> list[Passage]:
        if self.reranker is None:
            return passages
        scores = self.reranker.scores(query, [passage.text for passage in passages])
        scored = [each.scored(score, each.similarity) for each, score in zip(passages, scores, strict=True)]
        return sorted(scored, key=lambda passage: -passage.score)

    def _rank(self, query: str, pool: int, where: SearchFilter | None) -> Ranking:
        import numpy as np

        allowed = None if where is None else self.index.rows_where(where)
        vector = self.embeddings.query_vector(query)
        moved = vector if self.adapter is None else self.adapter.apply(vector)
        weights = dict.fromkeys(query_terms(query), 1.0)
        ceiling = self._ceiling(weights)
        near, _ = self.index.search_dense(moved, pool, allowed)
        rows = np.union1d(near, self.index.search_lexical(weights, pool, allowed)[0])
        ranking = self._scored(rows, (vector, moved), weights, ceiling)
        if self.feedback and weights and len(rows):
            # Only the candidates are scored again: looking for others as well changed no measured figure.
            weights = self._with_feedback(weights, ranking)
            ranking = self._scored(rows, (vector, moved), weights, max(ceiling, self._ceiling(weights) / 2))
        return ranking

    def _ceiling(self, weights: Mapping[str, float]) -> float:
        """BM25 of a passage that holds all these terms to saturation."""
        return sum(weights[term] * rarity for term, rarity in self.index.rarity(weights).items())

    def _scored(
        self, rows: np.ndarray, query: tuple[np.ndarray, np.ndarray], weights: Mapping[str, float], ceiling: float
    ) -> Ranking:
        """Candidates ranked; `query` is its vector, and that vector as the adapter moved it."""
        import numpy as np

        vectors = self.index.vectors(rows)
        scores = fuse(vectors @ query[1], self.index.lexical_scores(weights, rows), ceiling)
        order = np.lexsort((rows, -scores))
        return Ranking(rows[order], scores[order], (vectors @ query[0])[order])

    def _with_feedback(self, weights: Mapping[str, float], ranking: Ranking) -> dict[str, float]:
        best = self.index.passages(ranking.rows[:_FEEDBACK])
        texts: Sequence[list[str]] = [terms(f"{passage.heading}\n{passage.text}") for passage in best]
        return expanded(weights, texts, ranking.scores[:_FEEDBACK].tolist(), self.index.rarity)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return [passage.to_document() for passage in self.search(query, kwargs.get("top_k")).passages]
