"""All runs of one length in the evaluation texts, looked up many at a time.

Sorted hashes, each with its place, and before them a bitmap that turns away nearly all that is not
there: about 14 bytes for each run.
"""

from typing import Any

from gpte_data.spans import spans

SLOTS = 16
"""Bits of the bitmap for each run: one in so many strangers passes it."""


class Table:
    """Runs by their hashes.

    Args:
        hashes: Of the runs, (runs,) in uint64, in any order.
        places: Where each begins among all words of the evaluation texts, (runs,).
    """

    def __init__(self, hashes: Any, places: Any) -> None:
        import numpy as np

        order = np.argsort(hashes, kind="stable")
        self.hashes, self.places = hashes[order], places[order]
        bits = max(10, (SLOTS * len(hashes) - 1).bit_length())
        self.shift = np.uint64(64 - bits)
        self.bitmap = np.zeros(1 << bits - 3, dtype=np.uint8)
        slots = self.hashes >> self.shift  # sorted, as the hashes are
        first = np.flatnonzero(np.diff(slots >> np.uint64(3), prepend=np.uint64(MISSING)))
        marks = np.uint8(1) << (slots & np.uint64(7)).astype(np.uint8)
        self.bitmap[(slots[first] >> np.uint64(3)).astype(np.int64)] = np.bitwise_or.reduceat(
            marks, first
        )

    def find(self, hashes: Any) -> tuple[Any, Any, Any]:
        """Return which of some hashes are here, and where their places begin and end, (found,)."""
        import numpy as np

        slots = hashes >> self.shift
        bytes_ = self.bitmap[(slots >> np.uint64(3)).astype(np.int64)]
        marked = bytes_ >> (slots & np.uint64(7)).astype(np.uint8) & np.uint8(1)
        maybe = np.flatnonzero(marked)
        begin = np.searchsorted(self.hashes, hashes[maybe], "left")
        end = np.searchsorted(self.hashes, hashes[maybe], "right")
        there = end > begin
        return maybe[there], begin[there], end[there]

    def of(self, begin: Any, end: Any) -> Any:
        """Return the places of several runs of the table, one after another."""
        return self.places[spans(begin, end - begin)]


MISSING = (1 << 64) - 1
"""No slot has this number."""
