"""BM25 between queries, candidates and positives, for the few pairs that mining asks about.

A dense teacher and BM25 err in different ways: a candidate that shares the positive's rare words is
more likely another answer than one that is merely near. The idf is that of Lucene
(log(1 + (N - n + 0.5) / (n + 0.5))); k1 and b are 1.2 and 0.75 (Robertson & Zaragoza 2009 §3.4).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gpte_data.mining.terms import BUCKETS, Terms, counted, unpacked

K1, B, TINY = 1.2, 0.75, 1e-6


class Lexical:
    """Scores passages of one corpus."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        total, inside = int(terms.first[-1]), terms.passages
        self.idf = np.log1p((total - inside + 0.5) / (inside + 0.5)).astype(np.float32)
        self._wanted = np.zeros(BUCKETS, dtype=np.float32)

    def scores(
        self, queries: Sequence[str], positives: Sequence[Any], candidates: Sequence[Any]
    ) -> Iterator[tuple[Any, Any, Any, Any, Any]]:
        """Score the candidates of some queries against the queries and against their positives.

        Args:
            queries: The texts.
            positives: Positions (p,) for each query.
            candidates: Positions (n,) for each query.

        Yields:
            For each query BM25 of it and each candidate (n,), of it and each positive (p,); for
            each candidate, the highest share of a positive's own score that it reaches as an answer
            to the positive's text (n,), from 0 to about 1; and how many words each
            candidate (n,) and each positive (p,) has.
        """
        asked, lengths = counted(queries)
        both = [np.concatenate(pair) for pair in zip(positives, candidates, strict=True)]
        packed, sizes = self.terms.of(np.concatenate(both))
        words, weights, long = self.weighted(packed, sizes)
        passages = np.cumsum([0, *map(len, both)])
        begins = np.concatenate([[0], np.cumsum(sizes)])
        for n, query in enumerate(np.split(asked, np.cumsum(lengths)[:-1])):
            here = slice(passages[n], passages[n + 1])
            inside = slice(begins[here.start], begins[here.stop])
            scored = self._scored(
                query, len(positives[n]), packed[inside], words[inside], weights[inside],
                sizes[here],
            )  # fmt: skip
            own = here.start + len(positives[n])
            yield *scored, long[own : here.stop], long[here.start : own]

    def _scored(
        self, query: Any, p: int, packed: Any, words: Any, weights: Any, sizes: Any
    ) -> tuple[Any, Any, Any]:
        """Score the passages of one query, of which the first p are its positives."""
        owners = np.repeat(np.arange(len(sizes)), sizes)
        asked = self._matched(query, words, weights, owners, len(sizes))
        shares = np.zeros(len(sizes), dtype=np.float32)
        starts = np.cumsum(sizes[:p]) - sizes[:p]
        for n in range(p):
            own = packed[starts[n] : starts[n] + sizes[n]]
            alike = self._matched(own, words, weights, owners, len(sizes))
            shares = np.maximum(shares, alike / max(float(alike[n]), TINY))
        return asked[p:], asked[:p], shares[p:]

    def weighted(self, packed: Any, sizes: Any) -> tuple[Any, Any, Any]:
        """Return numbers and BM25 weights of all words of the passages, and how long these are."""
        words, counts = unpacked(packed)
        owners = np.repeat(np.arange(len(sizes)), sizes)
        lengths = np.bincount(owners, counts, minlength=len(sizes))
        norm = K1 * (1 - B + B * lengths[owners] / max(self.terms.mean_length, TINY))
        return words, counts * (K1 + 1) / (counts + norm), lengths.astype(np.float32)

    def _matched(self, query: Any, words: Any, weights: Any, owners: Any, count: int) -> Any:
        """Return each passage's score for the words of a query, which are packed."""
        asked, times = unpacked(query)
        self._wanted[asked] = times * self.idf[asked]
        found = np.bincount(owners, self._wanted[words] * weights, minlength=count)
        self._wanted[asked] = 0
        return found.astype(np.float32)
