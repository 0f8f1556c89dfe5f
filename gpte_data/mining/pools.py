"""What may become a candidate of several queries, as flat arrays with one entry a passage.

The entries of a query stand together and queries stand in order, so that NumPy works on thousands
of entries at a time instead of on tens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data.mining.earlier import Kept


@dataclass(frozen=True, slots=True)
class Pools:
    """Passages found for q queries, written or kept from an earlier mining; no positives."""

    owners: Any
    """The query of each entry, by its number, rising, (m,)."""
    positions: Any
    """Of the passages in the corpus, (m,)."""
    written: Any
    """Whether it was written as a negative for its query, (m,)."""
    earlier: Any
    """Place and source in an earlier mining, (2, m); place 0 where none had it."""
    found: Any
    """Which teachers found it, (m, teachers)."""
    bounds: Any
    """Where the entries of each query begin, and the end, (q + 1,)."""

    @property
    def given(self) -> Any:
        """Which entries are candidates wherever they rank, (m,)."""
        return self.written | (self.earlier[0] > 0)

    def places(self, values: Any, ids: Any) -> Any:
        """Return the place of each entry among its query's by falling values, from 0, (m,).

        Equal values stand in the order of ids (m,).
        """
        places = np.empty(len(values), dtype=np.int64)
        order = np.lexsort((ids, -values, self.owners))
        places[order] = np.arange(len(values)) - self.bounds[self.owners]
        return places

    def by_query(self, values: Any) -> list[Any]:
        """Return the values (m, …) of each query."""
        return np.split(values, self.bounds[1:-1])


def pooled(
    hits: Sequence[Sequence[Any]], positives: Sequence[Any], written: Sequence[Any],
    kept: Sequence[Kept], total: int,
) -> Pools:  # fmt: skip
    """Put together what teachers found, what was written and what was kept, without the positives.

    Args:
        hits: By each teacher, for each query, positions in the corpus.
        positives: Positions for each query, and what else is no negative of it.
        written: The same of what was written as a negative.
        kept: Of an earlier mining, for each query.
        total: Passages of the corpus.
    """
    by_teacher = [np.sort(_keys(lists, total)) for lists in hits]
    own, old = np.sort(_keys(written, total)), _keys([one.positions for one in kept], total)
    together = np.unique(np.concatenate([*by_teacher, own, old]))
    together = together[~_among(together, np.sort(_keys(positives, total)))]
    owners, positions = np.divmod(together, total)
    found = np.stack([_among(together, keys) for keys in by_teacher], axis=1)
    bounds = np.searchsorted(owners, np.arange(len(positives) + 1))
    earlier = np.zeros((2, len(together)), dtype=np.int32)
    told = np.concatenate([(one.places, one.sources) for one in kept], axis=1)
    earlier[:, _among(together, old)] = told[:, _among(old, together)]
    return Pools(owners, positions, _among(together, own), earlier, found, bounds)


def _among(keys: Any, others: Any) -> Any:
    """Return which keys are among others; these rise."""
    if not len(others):
        return np.zeros(len(keys), dtype=bool)
    return others[np.minimum(np.searchsorted(others, keys), len(others) - 1)] == keys


def starts(lists: Sequence[Any]) -> Any:
    """Return where each of some lists begins when they are joined, and the end."""
    return np.cumsum([0, *map(len, lists)])


def _keys(lists: Sequence[Any], total: int) -> Any:
    """Return one number for each query and position."""
    owners = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    return owners * total + np.concatenate(lists)
