"""Near-duplicates, in one pass: a text is one if a text kept before it is as near as a threshold.

Greedy, in the order of the rows: the first of a group stays, and a text that was dropped drops no
other. In memory stand the vectors of what was kept. Persona Hub (2406.20094, section 2.3) drops
personas at a cosine of 0.9, after MinHash at the same similarity.
"""

from typing import Any

import numpy as np

CHUNK = 16_384
"""Vectors in an array; a new one is begun when it is full, so that none is ever copied."""
CLEAR = 1e-5
"""Difference of scores that rounding in float32 can't make."""


class Kept:
    """The vectors that were kept, in chunks, and which of them is the nearest to another.

    Blocks only make it fast: nearness is decided in float64, pair by pair, so that it hangs on the
    two vectors alone. Of several that are equally near the first counts.

    Args:
        threshold: Cosine from which two texts are near-duplicates.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.count = 0
        self._chunks: list[Any] = []
        self._block: Any = None
        self._within: Any = None
        """Cosines of the vectors of a block to each other."""
        self._near: list[list[int]] = []
        """For each vector of the block, which of those kept before may be near."""
        self._places: Any = None
        """Of each vector of the block that was kept, its place among all; of others, -1."""

    def begin(self, vectors: Any) -> None:
        """Take a block of unit vectors, (n, dimension) in float32; the rest speaks of its rows."""
        self._block = vectors
        self._within = vectors @ vectors.T
        self._near = [[] for _ in range(len(vectors))]
        self._places = np.full(len(vectors), -1)
        for number in range(len(self._chunks)):
            self._search(number)

    def _search(self, number: int) -> None:
        """Find what may be near in one chunk: the best of each row, and what rounding hides."""
        start = number * CHUNK
        scores = self._block @ self._chunks[number][: self.count - start].T
        best = scores.max(axis=1)
        for row in np.flatnonzero(best >= self.threshold - CLEAR):
            places = np.flatnonzero(scores[row] >= best[row] - CLEAR)
            self._near[row].extend((start + places).tolist())

    def nearest(self, row: int) -> tuple[int, float] | None:
        """Return the place and the cosine of the nearest vector kept, if it is near enough."""
        near = (self._places >= 0) & (self._within[row] >= self.threshold - CLEAR)
        places = self._near[row] + self._places[near].tolist()
        if not places:
            return None
        vector = self._block[row].astype(np.float64)
        scores = [
            float((self._vector(place).astype(np.float64) * vector).sum()) for place in places
        ]
        score, place = max(zip(scores, places, strict=True), key=lambda hit: (hit[0], -hit[1]))
        return (place, score) if score >= self.threshold else None

    def fill(self, vectors: Any) -> None:
        """Keep vectors, whatever is near them: (n, dimension) in float32, of length 1."""
        self._block, self._places = vectors, np.full(len(vectors), -1)
        for row in range(len(vectors)):
            self.keep(row)

    def _vector(self, place: int) -> Any:
        return self._chunks[place // CHUNK][place % CHUNK]

    def keep(self, row: int) -> int:
        """Keep a vector of the block; return its place among all that were kept, from 0."""
        place = self.count
        if place % CHUNK == 0:
            self._chunks.append(np.empty((CHUNK, self._block.shape[1]), dtype=np.float32))
        self._chunks[-1][place % CHUNK] = self._block[row]
        self._places[row] = place
        self.count += 1
        return place
