"""Rows against the index: first the few evaluation texts that a row may hold, then the exact share.

A row's rarest runs are looked up first, and no more of them than a budget allows, so that sentences
which stand in thousands of evaluation texts cost nothing. What is found for a row hangs on the row
and the index alone.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data.contamination.alignment import aligned
from gpte_data.contamination.coverage import LOW, Runs, covered
from gpte_data.contamination.grams import Grams
from gpte_data.contamination.index import Index
from gpte_data.contamination.table import Table
from gpte_data.contamination.words import Hashed
from gpte_data.spans import groups, spans

SAME, OVERLAPS, PIECE = 0, 1, 2
"""Rules by number, the surest first."""
BUDGET, FOR_A_WORD = 1024, 4
"""Places of evaluation texts looked at for a row, and so many more for each of its words."""
CLOSEST = 32
"""Evaluation texts of one length of run whose overlap with a row is measured."""


@dataclass(frozen=True)
class Found:
    """Rows and the evaluation texts that they hold, (found,) each.

    Attributes:
        row: Number of the row.
        text: Number of the evaluation text.
        rule: SAME, OVERLAPS or PIECE.
        overlap: Share of the evaluation text's words, of the row's if it is a piece.
    """

    row: Any
    text: Any
    rule: Any
    overlap: Any


def find(index: Index, rows: Hashed) -> Found:
    """Return what rows hold of the evaluation texts, by all rules."""
    both = (index.equal(rows.whole), index.equal(rows.body))
    row, text = (np.concatenate(column) for column in zip(*both, strict=True))
    found = [Found(row, text, np.full(len(row), SAME), np.ones(len(row)))]
    grams = Grams(rows.numbers, rows.starts)
    for n, table in index.tables.items():
        if n <= index.measure.ngram or rows.unspaced.any():
            found.extend(_by_runs(index, table, rows, grams, n))
    columns = [(one.row, one.text, one.rule, one.overlap) for one in found]
    return Found(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def _by_runs(index: Index, table: Table, rows: Hashed, grams: Grams, n: int) -> list[Found]:
    """Return the rows that hold evaluation texts whose runs have n words."""
    hashes, places = grams.of(n)
    sizes = np.diff(rows.starts)
    owner = np.searchsorted(rows.starts, places, "right") - 1
    row, text = _candidates(index, table, hashes, owner, sizes, n)
    if not len(row):
        return []
    counts = np.bincount(owner, minlength=len(rows))
    own = Runs((hashes & np.uint64(LOW)).astype(np.uint32), np.cumsum(counts) - counts, counts)
    of_text = covered(index.runs(n), text, own, row, n) / index.sizes[text]
    found = [_kept(row, text, OVERLAPS, of_text, index.share[text])]
    lined = (index.spare[text] > 0) & (of_text < index.share[text])
    if lined.any():
        of_line = aligned(index, text[lined], rows, own, places, row[lined], n)
        size = index.sizes[text[lined]]
        least = 1 - index.spare[text[lined]] / size
        found.append(_kept(row[lined], text[lined], OVERLAPS, of_line / size, least))
    long = (n == index.measure.ngram) & (index.run[text] == n) & (index.share[text] < 1)
    if long.any():
        row, text = row[long], text[long]
        of_row = covered(own, row, index.runs(n), text, n) / sizes[row]
        found.append(_kept(row, text, PIECE, of_row, index.measure.piece_shares(sizes[row])))
    return found


def _kept(row: Any, text: Any, rule: int, overlap: Any, least: Any) -> Found:
    enough = overlap >= least - 1e-9
    return Found(row[enough], text[enough], np.full(enough.sum(), rule), overlap[enough])


def _candidates(
    index: Index, table: Table, hashes: Any, owner: Any, sizes: Any, n: int
) -> tuple[Any, Any]:
    """Return pairs of rows and evaluation texts that may overlap enough.

    Args:
        index: The evaluation texts.
        table: Their runs of n words.
        hashes: The rows' runs, (runs,).
        owner: The row of each.
        sizes: Words of each row, (rows,).
        n: Words of a run.
    """
    which, begin, end = table.find(hashes)
    if not len(which):
        return which, which
    row, begin, count, times = _distinct(owner[which], begin, end)
    taken = _within_budget(row, count, BUDGET + FOR_A_WORD * sizes[row])
    skipped = np.bincount(row[~taken], times[~taken], minlength=len(sizes))
    row, begin, count, times = row[taken], begin[taken], count[taken], times[taken]
    text = np.searchsorted(index.starts, table.of(begin, begin + count), "right") - 1
    keys = np.repeat(row, count) * len(index.sizes) + text
    order = np.argsort(keys, kind="stable")
    first, hits = groups(keys[order])
    own = np.add.reduceat(np.repeat(times, count)[order], first) if len(first) else hits
    row, text = np.divmod(keys[order][first], len(index.sizes))
    needed = index.share[text] * index.sizes[text]
    nearness = (hits + skipped[row]) * n / needed
    nearness[index.spare[text] > 0] += 1
    piece = index.measure.piece_shares(sizes[row]) * sizes[row]
    nearness = np.maximum(nearness, (own + skipped[row]) * n / piece)
    return _closest(row, text, nearness)


def _distinct(row: Any, begin: Any, end: Any) -> tuple[Any, Any, Any, Any]:
    """Return each run of a row once, the rarest first: its row, place, count, times in the row."""
    order = np.lexsort((begin, end - begin, row))
    row, begin, end = row[order], begin[order], end[order]
    new = (np.diff(row, prepend=-1) != 0) | (np.diff(begin, prepend=-1) != 0)
    first = np.flatnonzero(new)
    times = np.diff(np.append(first, len(row)))
    return row[first], begin[first], (end - begin)[first], times


def _within_budget(row: Any, count: Any, budget: Any) -> Any:
    """Return which runs are looked up: of each row as many as its budget allows."""
    total = np.cumsum(count)
    first, sizes = groups(row)
    before = np.repeat(total[first] - count[first], sizes)
    return total - before <= budget


def _closest(row: Any, text: Any, nearness: Any) -> tuple[Any, Any]:
    """Return the pairs that may be near enough, of each row the nearest."""
    enough = np.flatnonzero(nearness >= 1 - 1e-9)
    order = enough[np.lexsort((text[enough], -nearness[enough], row[enough]))]
    row, text = row[order], text[order]
    first, sizes = groups(row)
    best = spans(np.zeros_like(first), sizes) < CLOSEST
    return row[best], text[best]
