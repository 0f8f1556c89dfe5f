"""What may become a candidate of several queries, as flat arrays with one entry a passage.

The entries of a query stand together and queries stand in order, so that NumPy works on thousands
of entries at a time instead of on tens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Pools:
    """Passages that a teacher found, or that were written, for q queries; none is a positive."""

    owners: Any
    """The query of each entry, by its number, rising, (m,)."""
    positions: Any
    """Of the passages in the corpus, (m,)."""
    written: Any
    """Whether it was written as a negative for its query, (m,)."""
    found: Any
    """Which teachers found it, (m, teachers)."""
    bounds: Any
    """Where the entries of each query begin, and the end, (q + 1,)."""

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
    hits: Sequence[Sequence[Any]], positives: Sequence[Any], written: Sequence[Any], total: int
) -> Pools:
    """Put together what teachers found and what was written, without the positives.

    Args:
        hits: By each teacher, for each query, positions in the corpus.
        positives: Positions for each query.
        written: The same of what was written as a negative.
        total: Passages of the corpus.
    """
    by_teacher = [_keys(lists, total) for lists in hits]
    own = _keys(written, total)
    together = np.unique(np.concatenate([*by_teacher, own]))
    together = together[~np.isin(together, _keys(positives, total))]
    owners, positions = np.divmod(together, total)
    found = np.stack([np.isin(together, keys) for keys in by_teacher], axis=1)
    bounds = np.searchsorted(owners, np.arange(len(positives) + 1))
    return Pools(owners, positions, np.isin(together, own), found, bounds)


def starts(lists: Sequence[Any]) -> Any:
    """Return where each of some lists begins when they are joined, and the end."""
    return np.cumsum([0, *map(len, lists)])


def _keys(lists: Sequence[Any], total: int) -> Any:
    """Return one number for each query and position."""
    owners = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    return owners * total + np.concatenate(lists)
