"""In which order examples are written: shuffled by their keys, in bounded memory.

The keys lie on the disk; they are looked at once for each range of them that fits in memory, and
only that range is sorted.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

RANGE = 1 << 22
"""Keys that are sorted at once: 64 MB with their places."""
SCAN = 1 << 20
"""Keys that are looked at together."""
BITS = 16
"""Of a key's first bits, ranges are made."""


def shuffled(examples: Any, part: int) -> Iterator[Any]:
    """Yield the places of a part's examples in the order of their keys, (k,) in int64 at a time.

    Args:
        examples: (n,) of EXAMPLE, on the disk.
        part: Which of them.
    """
    for low, high in _ranges(_histogram(examples, part)):
        places, keys = _between(examples, part, low, high)
        order = np.argsort(keys, kind="stable")
        for start in range(0, len(order), SCAN):
            yield places[order[start : start + SCAN]]


def _histogram(examples: Any, part: int) -> Any:
    """Return how many keys of a part begin with each value of their first bits."""
    counts = np.zeros(1 << BITS, dtype=np.int64)
    for start in range(0, len(examples), SCAN):
        block = examples[start : start + SCAN]
        first = (block["key"][block["part"] == part] >> np.uint64(64 - BITS)).astype(np.int64)
        counts += np.bincount(first, minlength=1 << BITS)
    return counts


def _ranges(counts: Any) -> Iterator[tuple[int, int]]:
    """Yield the first and last of first bits that fit in memory together, all of them in order."""
    low, held = 0, 0
    for value, count in enumerate(counts.tolist()):
        if held and held + count > RANGE:
            yield low, value - 1
            low, held = value, 0
        held += count
    if held:
        yield low, len(counts) - 1


def _between(examples: Any, part: int, low: int, high: int) -> tuple[Any, Any]:
    """Return places and keys of a part's examples whose keys begin with low to high."""
    places, keys = [], []
    for start in range(0, len(examples), SCAN):
        block = examples[start : start + SCAN]
        first = (block["key"] >> np.uint64(64 - BITS)).astype(np.int64)
        mine = np.flatnonzero((block["part"] == part) & (first >= low) & (first <= high))
        places.append(mine + start)
        keys.append(block["key"][mine])
    return np.concatenate(places), np.concatenate(keys)
