"""Short texts word by word: how many of them stand in a row at the very places where they should.

A changed word leaves too little of a short text in runs: of 12 words, the fourth changed, 8 stand
in runs of 5. Where a run is shared, the rest of the text is compared beside it.
"""

from typing import Any

import numpy as np

from gpte_data.contamination.coverage import LOW, Runs
from gpte_data.contamination.index import Index
from gpte_data.contamination.words import Hashed
from gpte_data.spans import spans


def aligned(index: Index, text: Any, rows: Hashed, own: Runs, places: Any, row: Any, n: int) -> Any:
    """Return for pairs how many words of the text stand in the row in one line, (pairs,).

    Args:
        index: The evaluation texts.
        text: The text of each pair, (pairs,).
        rows: The rows.
        own: Their runs of n words.
        places: Where these begin among all words of the rows, (runs,).
        row: The row of each pair, (pairs,).
        n: Words of a run.
    """
    pair, begin = _lines(index.runs(n), text, own, places, row)
    sizes, before = index.sizes[text[pair]], index.word_starts[text[pair]]
    at = spans(begin, sizes)
    inside = (at >= np.repeat(rows.starts[row[pair]], sizes)) & (
        at < np.repeat(rows.starts[row[pair] + 1], sizes)
    )
    there = rows.numbers[np.where(inside, at, 0)] & np.uint64(LOW)
    same = inside & (there == index.words[spans(before, sizes)])
    line = np.repeat(np.arange(len(pair)), sizes)
    counts = np.bincount(line, same, minlength=len(pair)).astype(np.int64)
    best = np.zeros(len(row), dtype=np.int64)
    np.maximum.at(best, pair, counts)
    return best


def _lines(theirs: Runs, text: Any, own: Runs, places: Any, row: Any) -> tuple[Any, Any]:
    """Return pairs and where in the rows their texts would begin, by each run that is shared."""
    used, place = np.unique(row, return_inverse=True)
    sizes = own.sizes[used]
    which = spans(own.starts[used], sizes)
    known = _keys(np.repeat(np.arange(len(used)), sizes), own.hashes[which])
    order = np.argsort(known, kind="stable")
    known, which = known[order], which[order]
    sizes = theirs.sizes[text]
    pair = np.repeat(np.arange(len(text)), sizes)
    asked = _keys(place[pair], theirs.hashes[spans(theirs.starts[text], sizes)])
    first = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    shared = known[first] == asked
    offset = spans(np.zeros_like(sizes), sizes)
    begin = places[which[first]] - offset
    lines = np.unique(np.stack([pair[shared], begin[shared]]), axis=1)
    return lines[0], lines[1]


def _keys(group: Any, hashes: Any) -> Any:
    return group.astype(np.uint64) << np.uint64(32) | hashes.astype(np.uint64)
