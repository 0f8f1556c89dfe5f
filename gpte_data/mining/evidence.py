"""What is known of a candidate without any label, free of the teacher's own scale.

Cosines mean different things to different teachers, so nothing here is a bare cosine: scores are
told in standard deviations of the query's (or the positive's) cosines to the whole corpus, ranks by
their logarithm, words as shares. Weights that were fitted with one teacher on one collection then
hold for others (measured: docs/performance.md).

    score      how far above the corpus' mean the candidate scores, in deviations
    gap        how far below the positives it scores, in the same unit
    log_rank   log of its rank
    among      its score among the candidates, in their deviations
    positive   its similarity to the nearest positive, in deviations of that one's similarities
    words      BM25 of the query, as a share of the best
    words_gap  how far below the positives it is in that
    shared     share of a positive's words that it has (BM25 with the positive as the query)
    crowd      mean similarity to the five candidates nearest to it, in deviations
    hub        similarity to the corpus' mean, among the candidates
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gpte_data.backends.vectors_on_disk import Vectors

EVIDENCE = (
    "score", "gap", "log_rank", "among", "positive",
    "words", "words_gap", "shared", "crowd", "hub",
)  # fmt: skip
OF_POSITIVES = ("score", "log_rank", "among", "words", "crowd", "hub")
"""What can be said of a positive too, without measuring it against itself."""
SAMPLE = 8192
"""Documents from which the corpus' mean and deviations are taken."""
NEAREST = 5
TINY = 1e-6


@dataclass(frozen=True)
class Spread:
    """How the cosines to a corpus are distributed, for any vector."""

    vectors: Vectors

    @cached_property
    def _sample(self) -> Any:
        return self.vectors.sample(SAMPLE)

    @cached_property
    def mean(self) -> Any:
        """The mean vector (d,)."""
        return self._sample.mean(axis=0)

    @cached_property
    def _second(self) -> Any:
        return self._sample.T @ self._sample / len(self._sample)

    @cached_property
    def typical(self) -> float:
        """The deviation of a document's cosines to the others, on average."""
        _, deviations = self.of(self._sample[:: max(1, len(self._sample) // 512)])
        return max(float(deviations.mean()), TINY)

    def of(self, vectors: Any) -> tuple[Any, Any]:
        """Return mean and deviation of each vector's cosines to the corpus, both (n,)."""
        means = vectors @ self.mean
        squares = np.einsum("nd,nd->n", vectors @ self._second, vectors)
        return means, np.sqrt(np.maximum(squares - means**2, TINY**2)) + TINY


@dataclass(frozen=True, slots=True)
class Found:
    """A query's candidates, best first, and its positives."""

    query: Any
    """(d,)"""
    scores: Any
    """(n,)"""
    vectors: Any
    """Of the candidates, (n, d)."""
    positive_scores: Any
    """(p,)"""
    positive_vectors: Any
    """(p, d)"""
    words: Any
    """BM25 of the query and each candidate, (n,)."""
    positive_words: Any
    """The same of each positive, (p,)."""
    shared: Any
    """Share of a positive's words that a candidate has, (n,)."""


def evidence(found: Found, spread: Spread) -> tuple[Any, Any]:
    """Return what speaks for each candidate being a positive.

    Args:
        found: One query.
        spread: Of the corpus that was searched.

    Returns:
        (n, len(EVIDENCE)) of the candidates and (p, len(OF_POSITIVES)) of the positives, float32.
    """
    (mean,), (deviation,) = spread.of(found.query[None])
    means, deviations = spread.of(found.positive_vectors)
    nearness = (found.vectors @ found.positive_vectors.T - means) / deviations
    best_words = max(float(found.words.max(initial=0)), float(found.positive_words.max()), TINY)
    among = _Among(found, spread)
    n = len(found.scores)
    candidates = np.empty((n, len(EVIDENCE)), dtype=np.float32)
    candidates[:, 0] = (found.scores - mean) / deviation
    candidates[:, 1] = (found.positive_scores.mean() - found.scores) / deviation
    candidates[:, 2] = np.log1p(np.arange(n))
    candidates[:, 3] = among.score(found.scores)
    candidates[:, 4] = nearness.max(axis=1)
    candidates[:, 5] = found.words / best_words
    candidates[:, 6] = (found.positive_words.mean() - found.words) / best_words
    candidates[:, 7] = found.shared
    candidates[:, 8] = among.crowd(found.vectors, own=True)
    candidates[:, 9] = among.hub(found.vectors)
    positives = np.empty((len(found.positive_scores), len(OF_POSITIVES)), dtype=np.float32)
    positives[:, 0] = (found.positive_scores - mean) / deviation
    above = np.searchsorted(-found.scores, -found.positive_scores, side="left")
    positives[:, 1] = np.log1p(above)
    positives[:, 2] = among.score(found.positive_scores)
    positives[:, 3] = found.positive_words / best_words
    positives[:, 4] = among.crowd(found.positive_vectors, own=False)
    positives[:, 5] = among.hub(found.positive_vectors)
    return candidates, positives


class _Among:
    """Measures that are taken among a query's candidates."""

    def __init__(self, found: Found, spread: Spread) -> None:
        self.spread, self.vectors = spread, found.vectors
        self._mean = float(found.scores.mean()) if len(found.scores) else 0.0
        self._deviation = (float(found.scores.std()) if len(found.scores) else 0.0) + TINY
        hubs = found.vectors @ spread.mean
        self._hub = float(hubs.mean()) if len(hubs) else 0.0
        self._hub_deviation = (float(hubs.std()) if len(hubs) else 0.0) + TINY

    def score(self, scores: Any) -> Any:
        return (scores - self._mean) / self._deviation

    def hub(self, vectors: Any) -> Any:
        return (vectors @ self.spread.mean - self._hub) / self._hub_deviation

    def crowd(self, vectors: Any, *, own: bool) -> Any:
        """Return how near the nearest candidates are; `own` where the vectors are candidates."""
        similar = vectors @ self.vectors.T
        if own:
            np.fill_diagonal(similar, -np.inf)
        k = min(NEAREST, similar.shape[1] - own)
        if k < 1:
            return np.zeros(len(vectors), dtype=np.float32)
        nearest = np.partition(similar, similar.shape[1] - k, axis=1)[:, -k:].mean(axis=1)
        return (nearest - vectors @ self.spread.mean) / self.spread.typical
