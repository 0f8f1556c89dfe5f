"""Exact nearest neighbours by inner product, whatever the corpus' size.

The vectors are read block by block, and of each query only those documents are kept that may be
among its best. What a pass over the blocks says of scores is rounded; `hits` therefore returns
every document that could be among the k best, and scores are computed again, in float64, for these
alone. Which documents come out does not depend on blocks, threads or the kind of pass.

Three ways, by what the machine has (see `scan` for the first two):

    bfloat16   several times faster, where the processor or a GPU multiplies it in hardware
    float32    blocked matrix products by torch
    faiss      the same by faiss, where torch is not installed
"""

from typing import Any, Literal

import numpy as np

from gpte_data.backends.scan import Scan, has_bf16, has_torch
from gpte_data.backends.vectors_on_disk import Vectors

BLOCK = 32_768
SLACK = 8
"""Hits fetched beyond those wanted, so that rounding can't change which are the best."""
CLEAR = 1e-5
"""Difference of scores of unit vectors that rounding in float32 can't make."""
Pass = Literal["auto", "bfloat16", "float32", "faiss"]


class FlatIndex:
    """Searches all vectors.

    Args:
        vectors: Unit vectors.
        first_pass: How they are looked through; the result is the same.
    """

    def __init__(self, vectors: Vectors, first_pass: Pass = "auto") -> None:
        self.vectors = vectors
        if first_pass == "auto":
            first_pass = ("bfloat16" if has_bf16() else "float32") if has_torch() else "faiss"
        rounded = first_pass == "bfloat16"
        torch_is_there = first_pass != "faiss"
        self._scan: Any = Scan(vectors, rounded=rounded).hits if torch_is_there else self._hits

    def hits(self, queries: Any, k: int) -> list[Any]:
        """Return for each query (d,) the positions of its best k and of what ties with the last."""
        k = min(k, len(self.vectors))
        found: list[Any] = self._scan(np.ascontiguousarray(queries, dtype=np.float32), k)
        return found

    def search(self, queries: Any, k: int) -> tuple[Any, Any]:
        """Return scores and positions of the k best, (queries, k); missing ones are -inf and -1.

        Equal scores stand in the order of their positions.
        """
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        positions = np.full((len(queries), k), -1, dtype=np.int64)
        for row, (query, hits) in enumerate(zip(queries, self.hits(queries, k), strict=True)):
            found = exact_scores(self.vectors.take(hits), query)
            best = np.lexsort((hits, -found))[:k]
            scores[row, : len(best)], positions[row, : len(best)] = found[best], hits[best]
        return scores, positions

    def _hits(self, queries: Any, k: int) -> list[Any]:
        """Look through all blocks in float32; where the last hits tie, look deeper."""
        scores, positions = self._best(queries, min(k + SLACK, len(self.vectors)))
        found = list(positions)
        for row in np.flatnonzero(scores[:, k - 1] - scores[:, -1] < CLEAR):
            found[row] = self._deep(queries[row : row + 1], k, len(found[row]))
        return found

    def _deep(self, query: Any, k: int, have: int) -> Any:
        """Return hits of a query down to where a score is clearly below that of the k-th."""
        while have < len(self.vectors):
            have = min(4 * have, len(self.vectors))
            scores, positions = self._best(query, have)
            if scores[0, k - 1] - scores[0, -1] >= CLEAR:
                return positions[0][scores[0] >= scores[0, k - 1] - CLEAR]
        return np.arange(len(self.vectors))

    def _best(self, queries: Any, k: int) -> tuple[Any, Any]:
        """Return the k best by float32 scores."""
        import faiss

        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        positions = np.full((len(queries), k), -1, dtype=np.int64)
        for start, block in self.vectors.blocks(max(BLOCK, k)):
            rows = np.ascontiguousarray(block, dtype=np.float32)
            found, where = faiss.knn(
                queries, rows, min(k, len(rows)), metric=faiss.METRIC_INNER_PRODUCT
            )
            scores, positions = _merge(scores, positions, found, where + start)
        return scores, positions


def exact_scores(documents: Any, query: Any) -> Any:
    """Return the inner products of documents (n, d) and a query (d,), computed in float64."""
    return (documents.astype(np.float64) @ query.astype(np.float64)).astype(np.float32)


def _merge(scores: Any, positions: Any, found: Any, where: Any) -> tuple[Any, Any]:
    """Return the best of two lists of hits a query, as many as the first has."""
    k = scores.shape[1]
    both = np.concatenate([scores, found], axis=1)
    best = np.argpartition(-both, k - 1, axis=1)[:, :k]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(both, best, 1), axis=1), 1)
    places = np.concatenate([positions, where], axis=1)
    return np.take_along_axis(both, best, 1), np.take_along_axis(places, best, 1)
