"""Sets of shingles that share a band of their signatures, and how much they have in common.

Rows are asked for in their order, and only those that were kept are compared with what comes after:
a bucket of a hundred thousand texts that are all alike costs a comparison for each. Where a bucket
holds many that were kept, the last of them count: neither the order of the rows nor what was
dropped changes which these are.
"""

from array import array
from typing import Any

import numpy as np

from gpte_data.deduping.shingles import jaccard
from gpte_data.deduping.storing import StoredSets

DEEPEST = 256
"""Sets of a bucket that another is compared with, at most."""


class Buckets:
    """Finds the kept leader with the most shingles in common.

    Args:
        sets: Of all rows.
        rows: Of the leaders, in their order, (leaders,).
        total: How many rows there are.
        threshold: Jaccard similarity from which two are near-duplicates.
    """

    def __init__(self, sets: StoredSets, rows: Any, total: int, threshold: float) -> None:
        self.sets, self.threshold = sets, threshold
        leader_of = np.full(total, -1, dtype=np.int64)
        leader_of[rows] = np.arange(len(rows))
        owners = leader_of[sets.rows]
        mine = np.flatnonzero(owners >= 0)
        mine = mine[np.argsort(owners[mine], kind="stable")]
        entries, self._numbers, count = _shared(sets, mine)
        self.owners = owners[mine]
        """The leader of each set, lowest first."""
        self.where = mine
        """Where each set stands among those stored."""
        self.starts = np.searchsorted(entries, np.arange(len(mine) + 1))
        """Where the buckets of each set begin."""
        self.sizes = sets.sizes[mine]
        self._set_of = entries
        self._last = array("i", [-1]) * count
        """Of each bucket the last entry of a set that was kept."""
        self._before = array("i", [-1]) * len(entries)
        """Of each entry the one of its bucket that was kept before it."""
        self.first = np.searchsorted(self.owners, np.arange(len(rows) + 1))
        """Where the sets of each leader begin."""
        self.deep = 0
        """Sets that were compared with the last of a bucket only."""

    def shared(self) -> Any:
        """Return the leaders that share a bucket with another, in order."""
        many = np.diff(self.starts) > 0
        return np.unique(self.owners[many])

    def fill(self, leaders: int) -> None:
        """Keep so many leaders, the first, whatever is near them."""
        shared = self.shared()
        for leader in shared[shared < leaders].tolist():
            self.keep(leader)

    def keep(self, leader: int) -> None:
        """Compare those that come after with this one."""
        for entry in self._entries(leader):
            bucket = int(self._numbers[entry])
            self._before[entry] = self._last[bucket]
            self._last[bucket] = entry

    def nearest(self, leader: int) -> tuple[float, int] | None:
        """Return the Jaccard similarity and the number of the nearest kept leader, if near enough.

        Of several that are equally near the first counts.
        """
        best: tuple[float, int] | None = None
        for one in range(int(self.first[leader]), int(self.first[leader + 1])):
            for other in sorted(self._met(one)):
                found = self._similar(one, other)
                if found >= self.threshold and (best is None or found > best[0]):
                    best = (found, int(self.owners[other]))
        return best

    def _entries(self, leader: int) -> range:
        """Return the entries of a leader's sets."""
        first, last = int(self.first[leader]), int(self.first[leader + 1])
        return range(int(self.starts[first]), int(self.starts[last]))

    def _met(self, one: int) -> set[int]:
        """Return the kept sets that share a bucket with a set."""
        met, before, sets = set[int](), self._before, self._set_of
        for entry in range(int(self.starts[one]), int(self.starts[one + 1])):
            other, depth = self._last[int(self._numbers[entry])], 0
            while other >= 0 and depth < DEEPEST:
                met.add(int(sets[other]))
                other, depth = before[other], depth + 1
            self.deep += other >= 0
        return met

    def _similar(self, one: int, other: int) -> float:
        """Return how much two sets have in common, or 0 if their sizes rule it out."""
        less, more = sorted((int(self.sizes[one]), int(self.sizes[other])))
        if less < self.threshold * more:
            return 0.0
        return jaccard(self.sets.get(int(self.where[one])), self.sets.get(int(self.where[other])))


def _shared(sets: StoredSets, mine: Any) -> tuple[Any, Any, int]:
    """Return which sets stand in which buckets that hold more than one.

    Returns:
        For each entry the number of its set in `mine`, lowest first, and of its bucket; and how
        many buckets there are.
    """
    members, numbers, count = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], 0
    for band in range(sets.bands):
        keys = sets.band(band)[mine]
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.concatenate([[True], keys[1:] != keys[:-1]])
        bucket = np.cumsum(first) - 1
        many = np.bincount(bucket)[bucket] > 1
        found, of = np.unique(bucket[many], return_inverse=True)
        members.append(order[many].astype(np.int32))
        numbers.append((of + count).astype(np.int32))
        count += len(found)
    joined = np.concatenate(members)
    del members
    order = np.argsort(joined, kind="stable")
    return joined[order], np.concatenate(numbers)[order], count
