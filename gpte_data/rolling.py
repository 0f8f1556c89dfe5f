"""Runs of numbers as one number each: a rolling hash, for runs of any length at once.

With an odd base, the sum of `number[i] * BASE^i` over a run, times `BASE^-start`, is a polynomial
hash modulo 2^64 (Karp and Rabin 1987). Differences of one running sum give it for every run, so
that its length costs nothing. Whoever keeps few of its bits mixes them first.
"""

from functools import lru_cache
from typing import Any

BASE = 0x9E3779B97F4A7C15
"""Odd, so that it has an inverse, and far from a power of small order."""


class Rolling:
    """The runs of some numbers.

    Args:
        numbers: (n,) in uint64.
    """

    def __init__(self, numbers: Any) -> None:
        import numpy as np

        powers, self._inverses = _powers(max(16, (len(numbers) - 1).bit_length()))
        self._sums = np.zeros(len(numbers) + 1, dtype=np.uint64)
        np.cumsum(numbers * powers[: len(numbers)], out=self._sums[1:])

    def of(self, starts: Any, stops: Any) -> Any:
        """Return the hashes of runs, (runs,) in uint64, given where they begin and end."""
        return (self._sums[stops] - self._sums[starts]) * self._inverses[starts]


@lru_cache(maxsize=2)
def _powers(bits: int) -> tuple[Any, Any]:
    """Return the powers of the base, and of its inverse, of exponents below 2 ** bits."""
    import numpy as np

    found = []
    for base in (BASE, pow(BASE, -1, 1 << 64)):
        powers = np.full(1 << bits, base, dtype=np.uint64)
        powers[0] = 1
        found.append(np.cumprod(powers))
    return found[0], found[1]
