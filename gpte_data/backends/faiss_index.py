"""Approximate nearest neighbours by faiss: a part of the vectors is looked at, in a smaller form.

    ivf      lists around centres, the nearest of them looked through; vectors in float16
    hnsw     a graph of neighbours, walked towards the query; vectors in float16
    ivfpq    lists with codes of a byte for four numbers
    binary   one bit a number, its sign; in lists too where there are millions

Whatever was found is scored again from the stored vectors, so that scores and the order of hits are
exact, and only a hit that was not found at all is lost. What a query finds does not depend on other
queries searched with it: no product of theirs is rounded together.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data.backends.flat_index import exact_scores
from gpte_data.backends.index_settings import Settings, breadth, fetched, probes
from gpte_data.backends.vectors_on_disk import Vectors

TOGETHER = 256
"""Queries whose hits are in memory together."""
ALWAYS_ALONE = 1 << 30


class FaissIndex:
    """Searches vectors through an index of them.

    Args:
        vectors: Unit vectors, from which hits are scored.
        settings: How the index was made.
        path: Where it lies.
        effort: What is looked at, as a multiple of what the settings suggest.
    """

    def __init__(
        self, vectors: Vectors, settings: Settings, path: Path, effort: float = 1.0
    ) -> None:
        self.vectors, self.settings, self.effort = vectors, settings, effort
        self._binary = settings.kind == "binary"
        self._index = _read(path, binary=self._binary)

    def hits(self, queries: Any, k: int) -> list[Any]:
        """Return for each query (d,) the positions of the best k found, and of ties with the last.

        A query may have fewer than k.
        """
        found = []
        k = min(k, len(self.vectors))
        for start in range(0, len(queries), TOGETHER):
            part = np.ascontiguousarray(queries[start : start + TOGETHER], dtype=np.float32)
            for query, row in zip(part, self._search(part, k), strict=True):
                found.append(self._best(query, np.sort(row[row >= 0]), k))
        return found

    def _search(self, queries: Any, k: int) -> Any:
        """Return positions (queries, fetched), -1 where nothing was found."""
        wanted = fetched(self.settings.kind, len(self.vectors), k, self.effort)
        asked = signs(queries) if self._binary else queries
        if self.settings.lists:
            self._index.nprobe = probes(self.settings.lists, len(self.vectors), k, self.effort)
        elif self.settings.links:
            self._index.hnsw.efSearch = breadth(len(self.vectors), k, self.effort)
        with _each_alone():
            return self._index.search(asked, wanted)[1]

    def _best(self, query: Any, hits: Any, k: int) -> Any:
        """Return the best k of some hits."""
        if len(hits) <= k:
            return hits
        scores = exact_scores(self.vectors.take(hits), query)
        return hits[scores >= np.partition(scores, -k)[-k]]


def signs(vectors: Any) -> Any:
    """Return one bit a number, packed: whether it is above 0."""
    return np.packbits(vectors > 0, axis=1)


def _read(path: Path, *, binary: bool) -> Any:
    """Return an index; it stays on disk, for all processes together, until it is looked at."""
    import faiss

    library: Any = faiss
    mapped = getattr(library, "IO_FLAG_MMAP_IFC", library.IO_FLAG_MMAP)  # the first since 1.11
    read = library.read_index_binary if binary else library.read_index
    return read(str(path), mapped)


@contextmanager
def _each_alone() -> Iterator[None]:
    """Compare queries with centres one by one: a product of matrices rounds by their shape."""
    import faiss

    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = ALWAYS_ALONE
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = before
