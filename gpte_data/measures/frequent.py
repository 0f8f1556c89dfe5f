"""How many distinct texts there are, and which are frequent; memory does not grow with rows.

Distinct texts are counted exactly up to SMALLEST; beyond, from the smallest of their hashes (the
k minimum values of Bar-Yossef et al. 2002), with a standard error of 1 / sqrt(k), here .4 %.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gpte_data.text_hashes import hashes

SMALLEST = 65_536
CAPACITY = 50_000
"""Names that are counted; beyond, the rarest are forgotten, so that rare ones may come out low."""


class Distinct:
    """Counts distinct texts."""

    def __init__(self, smallest: int = SMALLEST) -> None:
        self.smallest = smallest
        self.exact = True
        self._hashes: Any = None
        self._waiting: list[Any] = []
        self._size = 0

    def add(self, texts: Sequence[str]) -> None:
        """Count some texts."""
        if texts:
            self._waiting.append(hashes(texts)[:, 0])
            self._size += len(texts)
        if self._size > self.smallest:
            self._settle()

    def _settle(self) -> None:
        import numpy as np

        known = [] if self._hashes is None else [self._hashes]
        if known or self._waiting:
            unique = np.unique(np.concatenate([*known, *self._waiting]))
            self.exact = self.exact and len(unique) <= self.smallest
            self._hashes = unique[: self.smallest]
        self._waiting, self._size = [], 0

    def count(self) -> int:
        """Return how many there are; an estimate where `exact` is False afterwards."""
        self._settle()
        if self._hashes is None:
            return 0
        if self.exact:
            return len(self._hashes)
        return round((self.smallest - 1) / (float(self._hashes[-1]) / 2.0**64))


class Frequent:
    """Counts names; `whole` tells whether none was forgotten."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.counts: Counter[str] = Counter()
        self.whole = True

    def add(self, counts: Mapping[str, int]) -> None:
        """Add counts by name."""
        for name, count in counts.items():
            self.counts[name] += count
        if len(self.counts) > 2 * self.capacity:
            self.counts = Counter(dict(ranked(self.counts.items())[: self.capacity]))
            self.whole = False

    def most(self, count: int) -> dict[str, int]:
        """Return the most frequent names; of equals, the first by name."""
        return dict(ranked(self.counts.items())[:count])


def ranked(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return names and counts, most frequent first, equals by name."""
    return sorted(counts, key=lambda pair: (-pair[1], pair[0]))
