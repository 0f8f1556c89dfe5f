"""How near a query's candidates and positives are to each other.

A candidate and a positive that are each among the nearest of the other are likely two answers to
one question, wherever the query ranks them (k-reciprocal neighbours: Zhong et al. 2017, 1701.08398
§3.2).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

TIE = 1e-6
"""Difference of similarities that rounding may make: what is no nearer than this is as near."""


@dataclass(frozen=True, slots=True)
class Near:
    """Similarities of g queries' candidates and positives; none to itself."""

    inside: Any
    """Of candidates to each other, (g, n, n)."""
    across: Any
    """Of candidates to positives, (g, n, p)."""
    between: Any
    """Of positives to each other, (g, p, p)."""

    def reciprocal_ranks(self) -> Any:
        """Return the least R such that a candidate and a positive are among each other's R nearest.

        Candidates and positives of the query are what is near: (g, n) in int32, 1 is the nearest.
        """
        best = np.full(self.across.shape[:2], np.iinfo(np.int32).max, dtype=np.int32)
        for p in range(self.across.shape[2]):
            bound = (self.across[:, :, p] + np.float32(TIE))[:, :, None]
            of_candidate = _above(self.inside, bound) + _above(self.across, bound)
            of_positive = _above(self.across[:, None, :, p], bound)
            of_positive += _above(self.between[:, None, p], bound)
            best = np.minimum(best, np.maximum(of_candidate, of_positive) + 1)
        return best.astype(np.int32)


def near(vectors: Any, positives: Any) -> Near:
    """Return how near candidates (g, n, d) and positives (g, p, d) are to each other."""
    turned = positives.transpose(0, 2, 1)
    inside, between = vectors @ vectors.transpose(0, 2, 1), positives @ turned
    for similar in (inside, between):
        diagonal = np.arange(similar.shape[1])
        similar[:, diagonal, diagonal] = -np.inf
    return Near(inside, vectors @ turned, between)


def _above(similar: Any, bound: Any) -> Any:
    """Return how many similarities on the last axis are above a bound."""
    return np.count_nonzero(similar > bound, axis=2)
