"""How many documents of a corpus score higher than a positive: exactly, and flat in memory.

A product in float32 tells for nearly every document on which side of the positive it is. The few
whose score is as near as rounding could have put it are scored again, in float64, while their block
is at hand: no list of hits is kept, whatever the rank.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data.backends.flat_index import CLEAR
from gpte_data.backends.scan import has_torch
from gpte_data.backends.vectors_on_disk import Vectors, by_value

DOCUMENTS, QUERIES = 8192, 1024
"""Documents and queries multiplied at a time: their scores fit a processor's cache."""
TOGETHER = 4096
"""Pairs of vectors scored in float64 at a time."""


def pair_scores(documents: Any, queries: Any) -> Any:
    """Return the score of each document (n, d) with the query (n, d) beside it, (n,) in float32.

    Added up row by row in float64, so that equal vectors have equal scores wherever they stand.
    """
    products = documents.astype(np.float64) * queries.astype(np.float64)
    return products.sum(axis=1).astype(np.float32)


def scores_at(vectors: Vectors, positions: Any, queries: Any, owners: Any) -> Any:
    """Return the scores of documents (n,) with the queries that own them (n,), in float32."""
    found = np.zeros(len(positions), dtype=np.float32)
    for start in range(0, len(positions), TOGETHER):
        part = slice(start, start + TOGETHER)
        found[part] = pair_scores(vectors.take(positions[part]), queries[owners[part]])
    return found


@dataclass(frozen=True, slots=True)
class _Round:
    """Scores to be counted against, at most one a query."""

    entries: Any
    """Which of all, (m,)."""
    columns: Any
    """Their queries among those multiplied together, (m,)."""
    low: Any
    """Below this a document is surely not above, (m,)."""
    high: Any


def above(vectors: Vectors, queries: Any, owners: Any, scores: Any, *, torch: bool = True) -> Any:
    """Return how many documents score higher than each of some scores, (n,).

    Args:
        vectors: Of the documents, unit vectors.
        queries: Unit vectors, (queries, d) in float32.
        owners: The query that each score belongs to, (n,).
        scores: To be counted against, as `pair_scores` gives them, (n,).
        torch: Multiply by torch, on a GPU if there is one; else, or without torch, by numpy.
    """
    counts, by_query = np.zeros(len(scores), dtype=np.int64), np.argsort(owners, kind="stable")
    machine = _Torch() if torch and has_torch() else _Numpy()
    parts = [
        (first, machine.here(queries[first : first + QUERIES]).T, rounds)
        for first in range(0, len(queries), QUERIES)
        if (rounds := list(_rounds(by_query, owners, scores, first, machine)))
    ]
    for _, block in vectors.blocks(DOCUMENTS):
        rows = machine.here(block.astype(np.float32, copy=False))
        for first, asked, rounds in parts:
            products = rows @ asked
            for one in rounds:
                counts[one.entries] += _higher(block, queries, scores, products, one, first)
    return counts


def _rounds(
    by_query: Any, owners: Any, scores: Any, first: int, machine: "_Torch | _Numpy"
) -> Iterator[_Round]:
    """Yield the scores of some queries, the first of each, the second of each and so on."""
    start, stop = np.searchsorted(owners[by_query], [first, first + QUERIES])
    mine = by_query[start:stop]
    turn = np.arange(len(mine)) - np.searchsorted(owners[mine], owners[mine])
    for alike in by_value(turn):
        entries = mine[alike]
        limits = [machine.here(scores[entries] + shift) for shift in (-CLEAR, CLEAR)]
        yield _Round(entries, owners[entries] - first, *limits)


def _higher(block: Any, queries: Any, scores: Any, products: Any, one: _Round, first: int) -> Any:
    """Return how many documents of a block are above each score of a round."""
    mine = products if len(one.columns) == products.shape[1] else products[:, one.columns]
    higher = mine > one.high
    counts = _host(higher.sum(0))
    document, column = _places((mine >= one.low) & ~higher)
    for start in range(0, len(document), TOGETHER):
        part = slice(start, start + TOGETHER)
        rows, near = block[document[part]], column[part]
        exact = pair_scores(rows, queries[first + one.columns[near]])
        truly = exact > scores[one.entries[near]]
        counts += np.bincount(near[truly], minlength=len(counts))
    return counts


class _Numpy:
    """Multiplies by numpy."""

    def here(self, array: Any) -> Any:
        """Return the array."""
        return array


class _Torch:
    """Multiplies by torch, on a GPU if there is one."""

    def __init__(self) -> None:
        import torch

        self.device = "cuda" if torch.cuda.is_available() else "cpu"

    def here(self, array: Any) -> Any:
        """Return the array as a tensor on the device."""
        import torch

        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def _host(found: Any) -> Any:
    """Return an array of numpy."""
    return found.cpu().numpy() if hasattr(found, "cpu") else found


def _places(mask: Any) -> Sequence[Any]:
    """Return rows and columns of what is true."""
    found = mask.nonzero(as_tuple=True) if hasattr(mask, "cpu") else mask.nonzero()
    return [_host(one) for one in found]
