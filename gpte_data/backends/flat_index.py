"""Exact nearest neighbours by inner product, in blocks, through faiss.

The vectors may be larger than memory: they are read block by block, and only the best k of each
query are kept. faiss scores a block with another summation order for few queries than for many;
`mine-negatives` therefore computes the scores that it stores itself, in float64.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

BLOCK = 65_536


class FlatIndex:
    """Searches vectors that lie in one or more (memory-mapped) arrays.

    Args:
        arrays: Vectors (n_i, dimension) in float32; positions count through all of them.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = arrays

    def search(self, queries: Any, k: int) -> tuple[Any, Any]:
        """Return scores and positions of the k best, (queries, k); missing ones are -inf and -1."""
        import faiss

        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        positions = np.full((len(queries), k), -1, dtype=np.int64)
        offset = 0
        for array in self.arrays:
            for start in range(0, len(array), BLOCK):
                block = np.ascontiguousarray(array[start : start + BLOCK])
                found, where = faiss.knn(
                    queries, block, min(k, len(block)), metric=faiss.METRIC_INNER_PRODUCT
                )
                where += offset + start
                scores, positions = _merge(scores, positions, found, where, k)
            offset += len(array)
        return scores, positions


def _merge(scores: Any, positions: Any, found: Any, where: Any, k: int) -> tuple[Any, Any]:
    """Return the k best of two lists of hits a query; equal scores by position."""
    all_scores = np.concatenate([scores, found], axis=1)
    all_positions = np.concatenate([positions, where], axis=1)
    order = np.lexsort((all_positions, -all_scores), axis=1)[:, :k]
    return np.take_along_axis(all_scores, order, 1), np.take_along_axis(all_positions, order, 1)
