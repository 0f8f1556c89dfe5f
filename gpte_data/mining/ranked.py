"""The best of a pool, by one teacher or by several together."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data.mining.fusion import Fusion, fused
from gpte_data.mining.pools import Pools


@dataclass(frozen=True, slots=True)
class Ranked:
    """Which entries of a pool are candidates, query by query, best first."""

    entries: Any
    """(c,)"""
    bounds: Any
    """Where the candidates of each query begin, and the end, (q + 1,)."""
    found_by: Any
    """Which teacher found each first, by number, (c,); -1 where only an earlier mining did."""
    own: Any
    """Whether an entry is among the first teacher's best k, (m,)."""
    teacher_ranks: Any
    """By each of several teachers, (c, teachers), or None if there is but one."""


def ranked(pools: Pools, scores: Any, ids: Any, top_k: int, fusion: Fusion) -> Ranked:
    """Return the best k, and what was written or is earlier wherever it ranks.

    Args:
        pools: Of some queries.
        scores: Of each entry by each teacher, (m, teachers).
        ids: By which equal scores are told apart, (m,).
        top_k: Candidates of a query, and of each teacher before they are fused.
        fusion: How several teachers rank together.
    """
    best = np.stack([_best(pools, n, scores[:, n], ids, top_k) for n in range(scores.shape[1])], 1)
    found: Any = best.any(axis=1)
    value, ranks = scores[:, 0], None
    if scores.shape[1] > 1:
        value, ranks = _fused(pools, scores, found, fusion)
    place = pools.places(np.where(found, value, -np.inf), ids)
    # What no teacher found stands behind, and changes nothing for the others.
    behind = pools.places(np.where(found, -np.inf, scores[:, 0]), ids)
    place = np.where(found, place, len(scores) + behind)
    entries = np.flatnonzero((found & (place < top_k)) | pools.given)
    entries = entries[np.lexsort((place[entries], pools.owners[entries]))]
    known = found[entries] | pools.written[entries]
    found_by = np.where(known, best[entries].argmax(axis=1), -1)
    return Ranked(
        entries,
        np.searchsorted(pools.owners[entries], np.arange(len(pools.bounds))),
        found_by.astype(np.int8),
        best[:, 0],
        ranks[entries] if ranks is not None else None,
    )


def _best(pools: Pools, teacher: int, scores: Any, ids: Any, top_k: int) -> Any:
    """Return which of a teacher's hits are its best k; a search may find more than it must."""
    found = pools.found[:, teacher]
    return found & (pools.places(np.where(found, scores, -np.inf), ids) < top_k)


def _fused(pools: Pools, scores: Any, found: Any, fusion: Fusion) -> tuple[Any, Any]:
    """Return the fused score of each entry that was found, and the rank of each by each teacher."""
    value = np.zeros(len(scores))
    ranks = np.zeros(scores.shape, dtype=np.int32)
    for entries in pools.by_query(np.arange(len(scores))):
        mine, others = entries[found[entries]], entries[~found[entries]]
        if len(mine):
            value[mine], ranks[mine] = fused(list(scores[mine].T), fusion)
        ranks[others] = (scores[mine] > scores[others][:, None]).sum(axis=1) + 1
    return value, ranks
