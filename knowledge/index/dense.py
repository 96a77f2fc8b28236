"""The vectors of one segment: a flat list while small, inverted lists once large. Searched by FAISS, memory-mapped.

Flat keeps float32 and is exact. Inverted lists keep float16, whose cosines are right to 10^-4, and look only at
the lists whose centres are nearest to the query (Jégou et al., "Product Quantization for Nearest Neighbor
Search", 2011, without the quantization). How many they look at is measured when they are built.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

FILE = "dense.faiss"
FLAT_AT_MOST = 20_000
RECALL_TARGET = 0.95
_MARGIN = 0.6  # of the misses that the target allows, as the recall is measured on a sample
_SAMPLES_PER_LIST = 40
_ROUNDS = 6
_QUERIES = 256
_FEW = 4_000  # rows compared one by one rather than by way of the lists
_BATCH = 50_000


@dataclass(frozen=True, slots=True)
class Layout:
    """How the vectors of a segment are kept; noted in the manifest.

    Attributes:
        kind: "flat" or "ivf".
        lists: number of inverted lists; 0 when flat.
        probes: how many of them a search looks at.
        recall: recall@10 measured with so many, on vectors of the segment; 1.0 when flat.
    """

    kind: str = "flat"
    lists: int = 0
    probes: int = 0
    recall: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return asdict(self)


def build(path: Path, vectors: np.ndarray, target: float = RECALL_TARGET) -> Layout:
    """Write vectors as a FAISS index, flat or in inverted lists by their number.

    Args:
        path: the file to write.
        vectors: unit vectors, float32 [n, d]; may be memory-mapped.
        target: recall@10 that inverted lists shall reach.

    Raises:
        OSError: the disk refused.
    """
    faiss = _faiss()
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    count, dimension = vectors.shape
    if count <= FLAT_AT_MOST:
        index, layout = faiss.IndexFlatIP(dimension), Layout()
        for batch in _batches(vectors):
            index.add(batch)
    else:
        index = _inverted(vectors)
        layout = _measured(index, vectors, target)
        index.make_direct_map()
    with path.open("xb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))
    return layout


def _inverted(vectors: np.ndarray) -> Any:
    """Trained on a sample, so that the time is bounded; filled with everything."""
    import numpy as np

    faiss = _faiss()
    count, dimension = vectors.shape
    lists = int(2 * count**0.5)
    kind = faiss.ScalarQuantizer.QT_fp16
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension), dimension, lists, kind, faiss.METRIC_INNER_PRODUCT, False
    )
    index.cp.niter = _ROUNDS
    index.cp.max_points_per_centroid = _SAMPLES_PER_LIST
    sample = np.sort(np.random.default_rng(0).permutation(count)[: lists * _SAMPLES_PER_LIST])
    index.train(np.ascontiguousarray(vectors[sample]))
    for batch in _batches(vectors):
        index.add(batch)
    return index


def _measured(index: Any, vectors: np.ndarray, target: float) -> Layout:
    """The fewest probes that reach the target.

    Measured with queries halfway between two of the vectors. They lie as far from the lists' centres as real
    questions do: what they miss with a given number of probes is within 2 % of what questions miss, while the
    vectors themselves would be found with a sixth of the probes.
    """
    import numpy as np

    faiss = _faiss()
    sample = np.random.default_rng(1).integers(len(vectors), size=(2, _QUERIES))
    queries = vectors[np.sort(sample[0])] + vectors[np.sort(sample[1])[::-1]]
    queries = np.ascontiguousarray(queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-6))
    exact = _exact(queries, vectors, 10).tolist()
    wanted = 1 - (1 - target) * _MARGIN
    probes = 1
    while True:
        found = index.search(queries, 10, params=faiss.SearchParametersIVF(nprobe=probes))[1].tolist()
        recall = sum(len({*one} & {*other}) for one, other in zip(exact, found, strict=True)) / (10 * _QUERIES)
        if recall >= wanted or probes >= index.nlist:
            return Layout("ivf", index.nlist, probes, round(recall, 4))
        probes = min(index.nlist, max(probes + 1, probes * 5 // 4))


def _exact(queries: np.ndarray, vectors: np.ndarray, k: int) -> np.ndarray:
    import numpy as np

    faiss = _faiss()
    scores, rows = [], []
    for number, batch in enumerate(_batches(vectors)):
        near, found = faiss.knn(queries, batch, min(k, len(batch)), metric=faiss.METRIC_INNER_PRODUCT)
        scores.append(near)
        rows.append(found + number * _BATCH)
    order = np.argsort(-np.concatenate(scores, axis=1), axis=1)[:, :k]
    return np.take_along_axis(np.concatenate(rows, axis=1), order, axis=1)


def _faiss() -> Any:
    """The module; its stubs lack what it adds in Python."""
    import faiss

    return faiss


def _batches(vectors: np.ndarray) -> Iterator[np.ndarray]:
    import numpy as np

    for start in range(0, len(vectors), _BATCH):
        yield np.ascontiguousarray(vectors[start : start + _BATCH], dtype=np.float32)


class Dense:
    """The vectors of one segment, open for search. Safe to use from several threads.

    Args:
        path: of the file that `build` wrote.
        layout: what `build` said.
        hidden: rows that no search finds; default: none.

    Raises:
        RuntimeError: the file is no FAISS index, although its hash is right.
    """

    def __init__(self, path: Path, layout: Layout, hidden: np.ndarray | None = None) -> None:
        import numpy as np

        faiss = _faiss()
        self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        self._layout = layout
        self._visible = np.ones(self._index.ntotal, dtype=bool)
        if hidden is not None:
            self._visible[hidden] = False
        self._number = int(self._visible.sum())
        self._bits = np.packbits(self._visible, bitorder="little") if self._number < self._index.ntotal else None

    def search(self, vector: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k rows nearest to a unit vector, best first: (rows int64, cosines float32).

        Args:
            vector: float32 [d].
            k: how many at most.
        """
        return self._search(vector, min(k, self._number), self._bits, self._layout.probes)

    def search_among(self, vector: np.ndarray, k: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same among some rows only, which ascend; exact when they are few."""
        import numpy as np

        rows = rows[self._visible[rows]]
        k = min(k, len(rows))
        if len(rows) <= _FEW and k > 0:
            faiss = _faiss()
            faiss.omp_set_num_threads(1)
            near = faiss.knn(vector.reshape(1, -1), self.vectors(rows), k, metric=faiss.METRIC_INNER_PRODUCT)
            return rows[near[1][0]], near[0][0]
        allowed = np.zeros(self._index.ntotal, dtype=bool)
        allowed[rows] = True
        # Lists hold fewer of the rows than of all, so that more of them must be looked at.
        probes = min(self._layout.lists, self._layout.probes * self._index.ntotal // max(len(rows), 1))
        return self._search(vector, k, np.packbits(allowed, bitorder="little"), probes)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of some rows, float32 [len(rows), d]."""
        found: np.ndarray = self._index.reconstruct_batch(rows)
        return found

    def _search(
        self, vector: np.ndarray, k: int, bits: np.ndarray | None, probes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest of the rows in `bits`, which are at least k; in all lists when the probed ones hold fewer."""
        import numpy as np

        if k < 1:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        faiss = _faiss()
        options: dict[str, Any] = {} if bits is None else {"sel": faiss.IDSelectorBitmap(bits)}
        if self._layout.lists:
            options["nprobe"] = probes
        kind = faiss.SearchParametersIVF if self._layout.lists else faiss.SearchParameters
        faiss.omp_set_num_threads(1)  # for this thread alone: one query is too little work to share
        cosines, rows = self._index.search(vector.reshape(1, -1), k, params=kind(**options))
        found = rows[0] >= 0
        if self._layout.lists > probes and int(found.sum()) < k:
            return self._search(vector, k, bits, self._layout.lists)
        return rows[0][found], cosines[0][found]
