"""Queries searched together, each as deep as it needs.

How deep hangs on the query alone: where an index is approximate, a deeper search finds others.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpte_data.backends import Index
from gpte_data.backends.vectors_on_disk import by_value
from gpte_data.mining.pairs import no_negatives
from gpte_data.stage import Row

FEW = 16
"""Positives that every query is searched for at least."""


def searched(index: Index, rows: Sequence[Row], queries: Any, top_k: int) -> list[Any]:
    """Return the hits of each query; one with many positives makes no other search as deep."""
    depths = np.array([top_k + _room(len(no_negatives(row))) for row in rows])
    found: list[Any] = [None] * len(rows)
    for alike in by_value(depths):
        for n, hits in zip(alike, index.hits(queries[alike], int(depths[alike[0]])), strict=True):
            found[n] = hits
    return found


def _room(positives: int) -> int:
    """Return a power of 2 that the positives go into."""
    return int(2 ** math.ceil(math.log2(max(positives, FEW))))
