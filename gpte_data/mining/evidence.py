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
from gpte_data.fields import EVIDENCE as EVIDENCE
from gpte_data.fields import OF_POSITIVES as OF_POSITIVES
from gpte_data.mining.near import Near

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
        """Return mean and deviation of the cosines to the corpus of vectors (…, n, d), (…, n)."""
        means = self.means(vectors)
        squares = np.einsum("...nd,...nd->...n", vectors @ self._second, vectors)
        return means, np.sqrt(np.maximum(squares - means**2, TINY**2)) + TINY

    def means(self, vectors: Any) -> Any:
        """Return the mean cosine to the corpus of vectors (…, n, d), (…, n)."""
        return (vectors @ self.mean[:, None])[..., 0]


@dataclass(frozen=True, slots=True)
class Found:
    """Candidates, best first, and positives of g queries that have as many of both."""

    queries: Any
    """(g, d)"""
    scores: Any
    """(g, n)"""
    vectors: Any
    """Of the candidates, (g, n, d)."""
    positive_scores: Any
    """(g, p)"""
    positive_vectors: Any
    """(g, p, d)"""
    words: Any
    """BM25 of the query and each candidate, (g, n)."""
    positive_words: Any
    """The same of each positive, (g, p)."""
    shared: Any
    """Share of a positive's words that a candidate has, (g, n)."""
    usual: Any
    """Mean and deviation of the scores that the teacher itself ranks best, and of their similarity
    to the corpus' mean, (g, 4)."""


def evidence(found: Found, spread: Spread, near: Near) -> tuple[Any, Any]:
    """Return what speaks for each candidate being a positive.

    What is said of a query does not depend on the others.

    Args:
        found: Some queries.
        spread: Of the corpus that was searched.
        near: Of the queries' candidates and positives.

    Returns:
        (g, n, len(EVIDENCE)) of the candidates and (g, p, len(OF_POSITIVES)) of the positives.
    """
    mean, deviation = spread.of(found.queries[:, None])
    best_words = np.maximum(
        found.words.max(axis=1, initial=TINY, keepdims=True),
        found.positive_words.max(axis=1, keepdims=True),
    )
    among = _Among(found, spread)
    own_words, own_scores = found.positive_words, found.positive_scores
    candidates = (
        (found.scores - mean) / deviation,
        (own_scores.mean(axis=1, keepdims=True) - found.scores) / deviation,
        _log_ranks(found.scores),
        among.score(found.scores),
        _nearest(found, spread, near),
        found.words / best_words,
        (own_words.mean(axis=1, keepdims=True) - found.words) / best_words,
        found.shared,
        among.crowd(found.vectors, near.inside, others=near.inside.shape[2] - 1),
        among.hub(spread.means(found.vectors)),
    )
    across = found.positive_vectors @ found.vectors.transpose(0, 2, 1)
    above = (found.scores[:, None] > own_scores[..., None]).sum(axis=2)
    positives = (
        (own_scores - mean) / deviation,
        np.log1p(above),
        among.score(own_scores),
        own_words / best_words,
        among.crowd(found.positive_vectors, across, others=across.shape[2]),
        among.hub(spread.means(found.positive_vectors)),
    )
    return (
        np.stack(candidates, axis=-1).astype(np.float32),
        np.stack(positives, axis=-1).astype(np.float32),
    )


def _log_ranks(scores: Any) -> Any:
    """Return the logarithm of each candidate's rank by its score, (g, n)."""
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.log1p(np.argsort(order, axis=1, kind="stable"))


def _nearest(found: Found, spread: Spread, near: Near) -> Any:
    """Return each candidate's similarity to the positive that it stands out to most, (g, n)."""
    means, deviations = spread.of(found.positive_vectors)
    return ((near.across - means[:, None]) / deviations[:, None]).max(axis=2)


class _Among:
    """Measures that are taken among a query's candidates."""

    def __init__(self, found: Found, spread: Spread) -> None:
        self.spread = spread
        self._scores = found.usual[:, 0:1], found.usual[:, 1:2]
        self._hubs = found.usual[:, 2:3], found.usual[:, 3:4]

    def score(self, scores: Any) -> Any:
        return (scores - self._scores[0]) / self._scores[1]

    def hub(self, means: Any) -> Any:
        return (means - self._hubs[0]) / self._hubs[1]

    def crowd(self, vectors: Any, similar: Any, *, others: int) -> Any:
        """Return how near the nearest candidates are to vectors, from all similarities to them."""
        k = min(NEAREST, others)
        if k < 1:
            return np.zeros(similar.shape[:2], dtype=np.float32)
        nearest = np.partition(similar, similar.shape[2] - k, axis=2)[..., -k:].mean(axis=2)
        return (nearest - self.spread.means(vectors)) / self.spread.typical


def usual(scores: Any, hubs: Any) -> Any:
    """Return mean and deviation of scores (g, n) and of nearness to the corpus' mean, (g, 4)."""
    if not scores.shape[1]:
        return np.tile([0.0, 1.0, 0.0, 1.0], (len(scores), 1))
    parts = (
        scores.mean(axis=1),
        scores.std(axis=1) + TINY,
        hubs.mean(axis=1),
        hubs.std(axis=1) + TINY,
    )
    return np.stack(parts, axis=1)
