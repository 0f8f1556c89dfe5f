"""Leaders whose vectors are near each other: exactly, each against all that were kept.

In memory stand the vectors of what was kept, four bytes a number.
"""

from typing import Any

import numpy as np

from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.near_duplicates import Kept

BLOCK = 1024
"""Leaders compared together."""


class Cosines:
    """Finds the kept leader with the highest cosine.

    Args:
        vectors: Of all rows.
        rows: Of the leaders, in their order, (leaders,).
        threshold: Cosine from which two are near-duplicates.
    """

    deep = 0

    def __init__(self, vectors: Vectors, rows: Any, threshold: float) -> None:
        self.vectors, self.rows = vectors, rows
        self._kept = Kept(threshold)
        self._leaders: list[int] = []
        """The leader of each vector kept."""
        self._block = range(0)

    def fill(self, leaders: int) -> None:
        """Keep so many leaders, the first, whatever is near them."""
        for start in range(0, leaders, BLOCK):
            self._kept.fill(self._take(start, min(start + BLOCK, leaders)))
        self._leaders.extend(range(leaders))

    def nearest(self, leader: int) -> tuple[float, int] | None:
        """Return the cosine and the number of the nearest kept leader, if it is near enough."""
        if leader not in self._block:
            self._block = range(leader, min(leader + BLOCK, len(self.rows)))
            self._kept.begin(self._take(self._block.start, self._block.stop))
        found = self._kept.nearest(leader - self._block.start)
        return None if found is None else (found[1], self._leaders[found[0]])

    def keep(self, leader: int) -> None:
        """Compare those that come after with this one."""
        self._kept.keep(leader - self._block.start)
        self._leaders.append(leader)

    def _take(self, start: int, stop: int) -> Any:
        vectors = self.vectors.take(self.rows[start:stop])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
