"""The best passages of queries by weighted words, from an index that lies beside a corpus.

Some ten thousand passages at a time are turned round, from words by passage to passages by word,
and every query adds up the weights of its words there. Memory is that of one such block, whatever
the size of the corpus.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gpte_data.mining.terms import BUCKETS, Terms

BLOCK = 65_536
Weigh = Callable[[Any, Any], tuple[Any, Any]]
"""Gives words and their weights from words as they are packed and how many each passage has."""


def best_hits(terms: Terms, weigh: Weigh, queries: Sequence[tuple[Any, Any]], k: int) -> list[Any]:
    """Return for each query the positions of its best k, and of what ties with the last.

    Passages without a word of the query are never hits; a query may have fewer than k.

    Args:
        terms: The index.
        weigh: Gives a block's words and weights; scores add up in the weights' type.
        queries: Words and their weights, all above 0.
        k: How many.
    """
    best = [_Best(k) for _ in queries]
    for start, starts, owners, weights in _blocks(terms, weigh):
        for query, one in zip(queries, best, strict=True):
            one.add(start, _scores(query, starts, owners, weights))
    return [one.positions for one in best]


def _blocks(terms: Terms, weigh: Weigh) -> Iterator[tuple[int, Any, Any, Any]]:
    """Yield blocks of passages, turned round: where each word begins, its passages, weights."""
    total = int(terms.first[-1])
    for start in range(0, total, BLOCK):
        positions = np.arange(start, min(start + BLOCK, total))
        packed, sizes = terms.of(positions)
        words, weights = weigh(packed, sizes)
        order = np.argsort(words, kind="stable")
        owners = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[order]
        starts = np.searchsorted(words[order], np.arange(BUCKETS + 1))
        yield start, starts, owners, weights[order]


def _scores(query: tuple[Any, Any], starts: Any, owners: Any, weights: Any) -> Any:
    """Return the score of each passage of a block, up to the last that has any word."""
    words, times = query
    found = np.zeros(int(owners.max(initial=-1)) + 1, dtype=weights.dtype)
    for word, count in zip(words.tolist(), times.tolist(), strict=True):
        part = slice(starts[word], starts[word + 1])
        found[owners[part]] += count * weights[part]
    return found


class _Best:
    """The best passages of one query so far."""

    def __init__(self, k: int) -> None:
        self.k, self.least = k, 0.0
        self.positions = np.zeros(0, dtype=np.int64)
        self.scores = np.zeros(0, dtype=np.float64)

    def add(self, start: int, scores: Any) -> None:
        """Take what a block has."""
        here = np.flatnonzero(scores >= self.least) if self.least else np.flatnonzero(scores)
        if not len(here):
            return
        self.positions = np.concatenate([self.positions, here + start])
        self.scores = np.concatenate([self.scores, scores[here]])
        if len(self.scores) > self.k:
            self.least = float(np.partition(self.scores, -self.k)[-self.k])
            good = self.scores >= self.least
            self.positions, self.scores = self.positions[good], self.scores[good]
