"""What share of one text's words stands in runs that another text has too: exact, for many pairs.

The runs of both are hashes; a word is covered where any run over it is shared.
"""

from dataclasses import dataclass
from typing import Any

from gpte_data.spans import spans

LOW = (1 << 32) - 1


@dataclass(frozen=True)
class Runs:
    """The runs of texts, one text after another.

    Attributes:
        hashes: (runs,) in uint32: enough to tell the runs of two texts apart.
        starts: Where those of each text begin, (texts,).
        sizes: How many each has, (texts,).
    """

    hashes: Any
    starts: Any
    sizes: Any


def covered(own: Runs, mine: Any, other: Runs, theirs: Any, n: int) -> Any:
    """Return for pairs of texts how many words of the first are in runs of the second, (pairs,).

    Args:
        own: Runs of the texts that are measured.
        mine: Which of them each pair has, (pairs,).
        other: Runs of the texts that they are compared with.
        theirs: Which of those each pair has, (pairs,).
        n: Words of a run.
    """
    import numpy as np

    used, place = np.unique(theirs, return_inverse=True)
    known = _keys(np.arange(len(used)), other, used)
    known.sort()
    sizes = own.sizes[mine]
    pair = np.repeat(np.arange(len(mine)), sizes)
    asked = _keys(place, own, mine)
    if not len(known) or not len(asked):
        return np.zeros(len(mine), dtype=np.int64)
    found = known[np.minimum(np.searchsorted(known, asked), len(known) - 1)] == asked
    at = spans(0, sizes)[found]
    pair = pair[found]
    last = np.diff(pair, append=-1) != 0
    words = np.where(last, n, np.minimum(np.diff(at, append=0), n))
    return np.bincount(pair, words, minlength=len(mine)).astype(np.int64)


def _keys(groups: Any, runs: Runs, which: Any) -> Any:
    """Return the runs of some texts, each with the number of its group before it, in uint64."""
    import numpy as np

    sizes = runs.sizes[which]
    hashes = runs.hashes[spans(runs.starts[which], sizes)].astype(np.uint64)
    return np.repeat(groups.astype(np.uint64), sizes) << np.uint64(32) | hashes
