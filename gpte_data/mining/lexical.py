"""BM25 between queries, candidates and positives, for the few pairs that mining asks about.

A dense teacher and BM25 err in different ways: a candidate that shares the positive's rare words is
more likely another answer than one that is merely near. The idf is that of Lucene
(log(1 + (N - n + 0.5) / (n + 0.5))); k1 and b are 1.2 and 0.75 (Robertson & Zaragoza 2009 §3.4).
"""

from typing import Any

import numpy as np

from gpte_data.mining.terms import BUCKETS, Terms, counted, unpacked

K1, B = 1.2, 0.75


class Lexical:
    """Scores passages of one corpus."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        total, inside = int(terms.first[-1]), terms.passages
        self.idf = np.log1p((total - inside + 0.5) / (inside + 0.5)).astype(np.float32)
        self._wanted = np.zeros(BUCKETS, dtype=np.float32)

    def scores(self, query: str, positives: Any, candidates: Any) -> tuple[Any, Any, Any]:
        """Score candidates against a query and against its positives.

        Args:
            query: The text.
            positives: Positions (p,).
            candidates: Positions (n,).

        Returns:
            BM25 of the query and each candidate (n,), of the query and each positive (p,), and, for
            each candidate, the highest share of a positive's own score that it reaches as an answer
            to the positive's text (n,), from 0 to about 1.
        """
        packed, sizes = self.terms.of(np.concatenate([positives, candidates]))
        owners = np.repeat(np.arange(len(sizes)), sizes)
        words, weights = self._weighted(packed, owners)
        asked = self._matched(counted([query])[0], words, weights, owners, len(sizes))
        shares = np.zeros(len(sizes), dtype=np.float32)
        starts = np.cumsum([0, *sizes])
        for n in range(len(positives)):
            own = packed[starts[n] : starts[n + 1]]
            alike = self._matched(own, words, weights, owners, len(sizes))
            shares = np.maximum(shares, alike / max(float(alike[n]), 1e-6))
        p = len(positives)
        return asked[p:], asked[:p], shares[p:]

    def _weighted(self, packed: Any, owners: Any) -> tuple[Any, Any]:
        """Return numbers and BM25 weights of all words of the passages."""
        words, counts = unpacked(packed)
        lengths = np.bincount(owners, counts, minlength=int(owners[-1]) + 1 if len(owners) else 0)
        norm = K1 * (1 - B + B * lengths[owners] / max(self.terms.mean_length, 1e-6))
        return words, counts * (K1 + 1) / (counts + norm)

    def _matched(self, query: Any, words: Any, weights: Any, owners: Any, count: int) -> Any:
        """Return each passage's score for the words of a query, which are packed."""
        asked, times = unpacked(query)
        self._wanted[asked] = times * self.idf[asked]
        found = np.bincount(owners, self._wanted[words] * weights, minlength=count)
        self._wanted[asked] = 0
        return found.astype(np.float32)
