"""Runs of words as one number each, for all texts and any length at once."""

from typing import Any

from gpte_data.rolling import Rolling


class Grams:
    """The runs of some texts.

    Args:
        numbers: Of their words, one text after another, (words,) in uint64.
        starts: Where each text begins and the last one ends, (texts + 1,).
    """

    def __init__(self, numbers: Any, starts: Any) -> None:
        import numpy as np

        self.hashes = Rolling(numbers)
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

        value = self.hashes.of(places, places + n)
        value ^= value >> np.uint64(32)
        value *= np.uint64(0xD6E8FEB86659FD93)
        value ^= value >> np.uint64(32)
        return value
