"""Training rows held out to know when to stop: no document is a positive on both sides."""

from collections.abc import Iterable
from typing import Any

from gpte_data.errors import BadInput
from gpte_data.randomness import bits

SHARE = 0.2
MOST = 1000
"""Rows held out, at most."""


def groups(queries: Iterable[Any], positives: Iterable[Any]) -> Any:
    """Return a number for each row, (n,): rows with a query or a positive in common share it."""
    import numpy as np

    parent: dict[tuple[str, int], tuple[str, int]] = {}

    def root(node: tuple[str, int]) -> tuple[str, int]:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent[above]
            node = above
        return node

    asked = [int(query) for query in queries]
    for query, positive in zip(asked, positives, strict=True):
        one, other = root(("q", query)), root(("d", int(positive)))
        parent[max(one, other)] = min(one, other)
    numbers: dict[tuple[str, int], int] = {}
    found = [numbers.setdefault(root(("q", query)), len(numbers)) for query in asked]
    return np.array(found, dtype=np.int64)


def held_out(group: Any, seed: int) -> Any:
    """Return which rows (n,) are held out: whole groups, drawn by the seed.

    Raises:
        BadInput: There are too few rows, or they all hang together.
    """
    import numpy as np

    sizes = np.bincount(group)
    room = min(int(len(group) * SHARE), MOST)
    order = sorted(range(len(sizes)), key=lambda one: bits(seed, one, "held out"))
    out = np.zeros(len(sizes), dtype=bool)
    for one in order:
        if sizes[one] <= room:
            out[one] = True
            room -= sizes[one]
    if not out.any():
        raise BadInput(
            f"{len(group):,} training rows with {len(sizes):,} groups of documents are too few to "
            "hold some out: the probe needs at least 5 rows with different queries and positives"
        )
    return out[group]
