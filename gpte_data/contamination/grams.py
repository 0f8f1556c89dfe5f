"""Runs of words as one number each: a rolling hash, for all texts and any length at once.

With `P` odd, the sum of `number[i] * P^i` over a run, times `P^-start`, is a polynomial hash modulo
2^64; differences of one running sum give it for every run of every length.
"""

from functools import lru_cache
from typing import Any

P = 0x9E3779B97F4A7C15
"""Odd, and far from a power of small order."""
MASK = (1 << 64) - 1


class Grams:
    """The runs of some texts.

    Args:
        numbers: Of their words, one text after another, (words,) in uint64.
        starts: Where each text begins and the last one ends, (texts + 1,).
    """

    def __init__(self, numbers: Any, starts: Any) -> None:
        import numpy as np

        powers, self.back = _powers(_rounded(len(numbers)))
        self.sums = np.zeros(len(numbers) + 1, dtype=np.uint64)
        np.cumsum(numbers * powers[: len(numbers)], out=self.sums[1:])
        self.starts = starts
        self.ends = np.repeat(starts[1:], np.diff(starts))

    def of(self, n: int) -> tuple[Any, Any]:
        """Return all runs of n words that lie in one text: hashes in uint64, and where they begin.

        Both (runs,), in the order of the texts.
        """
        import numpy as np

        count = max(0, len(self.ends) - n + 1)
        places = np.flatnonzero(np.arange(n, n + count) <= self.ends[:count])
        return self.at(places, n), places

    def at(self, places: Any, n: int) -> Any:
        """Return the hashes of the runs of n words that begin at these places."""
        import numpy as np

        value = (self.sums[places + n] - self.sums[places]) * self.back[places]
        value ^= value >> np.uint64(32)
        value *= np.uint64(0xD6E8FEB86659FD93)
        value ^= value >> np.uint64(32)
        return value


def _rounded(count: int) -> int:
    """Return the next power of two: few sizes are asked for."""
    return 1 << max(16, (count - 1).bit_length())


@lru_cache(maxsize=2)
def _powers(count: int) -> tuple[Any, Any]:
    """Return the powers of P and of its inverse modulo 2^64, (count,) each."""
    import numpy as np

    rows = []
    for base in (P, pow(P, -1, 1 << 64)):
        powers = np.full(count, base & MASK, dtype=np.uint64)
        powers[0] = 1
        rows.append(np.cumprod(powers, dtype=np.uint64))
    return rows[0], rows[1]
