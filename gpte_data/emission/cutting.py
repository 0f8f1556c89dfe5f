"""Where one shard ends and the next one starts: after so many rows, or so many bytes of text."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gpte_data.emission.gathered import Gathered
from gpte_data.emission.library import Shelf

LOOK = 65_536
"""Examples whose sizes are looked up together."""


def cuts(order: Any, rows: int, size: int | None, gathered: Gathered, shelf: Shelf) -> list[int]:
    """Return where shards start, and the last one's end.

    Args:
        order: Places of examples in the order in which they are written, (n,).
        rows: The most rows in a shard.
        size: The most bytes of text in one, before compression, or None; a row larger than that
            has a shard of its own.
        gathered: Where the examples are.
        shelf: The texts of their documents.
    """
    return cut(len(order), rows, size, _sizes(order, gathered, shelf))


def cut(total: int, rows: int, size: int | None, sizes: Iterable[int]) -> list[int]:
    """Return where shards of so many rows start, and the last one's end; see `cuts`.

    Args:
        total: How many rows there are in all.
        rows: The most in a shard.
        size: The most bytes in one, or None.
        sizes: How many bytes each row has; not looked at without `size`.
    """
    if size is None:
        return [*range(0, total, rows), total] if total else [0]
    starts, held, count = [0], 0, 0
    for place, one in enumerate(sizes):
        if count and (held + one > size or count == rows):
            starts.append(place)
            held, count = 0, 0
        held, count = held + one, count + 1
    return [*starts, total] if total else [0]


def _sizes(order: Any, gathered: Gathered, shelf: Shelf) -> Iterator[int]:
    """Yield how many bytes of text each example has."""
    queries, documents = gathered.rows["query"].sizes(), shelf.sizes()
    for start in range(0, len(order), LOOK):
        found = gathered.at(order[start : start + LOOK])
        held = np.concatenate([[0], np.cumsum(documents[shelf.places[found.document]])])
        ends = held[found.offsets]
        yield from (np.diff(ends) + queries[found.table["row"]]).tolist()
