"""BM25 over a whole corpus, from the index of words that lies beside it.

Some ten thousand passages at a time are turned round, from words by passage to passages by word,
and every query adds up the weights of its words there. Memory is that of one such block, whatever
the size of the corpus. Weights are those of `lexical`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gpte_data.mining.lexical import Lexical
from gpte_data.mining.terms import BUCKETS, counted, unpacked

BLOCK = 65_536


class BM25Index:
    """Finds the passages with the highest BM25."""

    def __init__(self, lexical: Lexical) -> None:
        self.lexical = lexical

    def hits(self, queries: Sequence[str], k: int) -> list[Any]:
        """Return for each query the positions of its best k, and of what ties with the last.

        Passages without a word of the query are never hits; a query may have fewer than k.
        """
        asked, lengths = counted(queries)
        split = np.split(asked, np.cumsum(lengths)[:-1])
        best = [_Best(k) for _ in queries]
        for start, starts, owners, weights in self._blocks():
            for query, one in zip(split, best, strict=True):
                one.add(start, self._scores(query, starts, owners, weights))
        return [one.positions for one in best]

    def _blocks(self) -> Iterator[tuple[int, Any, Any, Any]]:
        """Yield blocks of passages, turned round: where each word begins, its passages, weights."""
        total = int(self.lexical.terms.first[-1])
        for start in range(0, total, BLOCK):
            positions = np.arange(start, min(start + BLOCK, total))
            packed, sizes = self.lexical.terms.of(positions)
            words, weights = self.lexical.weighted(packed, sizes)
            order = np.argsort(words, kind="stable")
            owners = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[order]
            starts = np.searchsorted(words[order], np.arange(BUCKETS + 1))
            yield start, starts, owners, (weights * self.lexical.idf[words])[order]

    def _scores(self, query: Any, starts: Any, owners: Any, weights: Any) -> Any:
        """Return passages of a block that have a word of the query, and their scores."""
        words, times = unpacked(query)
        found = np.zeros(int(owners.max(initial=-1)) + 1, dtype=np.float32)
        for word, count in zip(words.tolist(), times.tolist(), strict=True):
            part = slice(starts[word], starts[word + 1])
            found[owners[part]] += count * weights[part]
        return found


class _Best:
    """The best passages of one query so far."""

    def __init__(self, k: int) -> None:
        self.k, self.least = k, 0.0
        self.positions = np.zeros(0, dtype=np.int64)
        self.scores = np.zeros(0, dtype=np.float32)

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
