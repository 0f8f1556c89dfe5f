"""Which of the candidates that no rule dropped are taken first.

    top       the highest scores
    uniform   any, as FlagEmbedding does within its range
    softmax   by exp(score / temperature) (NV-Retriever, 2407.15831 §4, samples its top ten so)
    simans    by exp(-a (score - positive - b)^2): near the positive, not above it and not far below
              (SimANS, 2210.11773 §3.2)

Sampling without replacement is ordering by weight plus Gumbel noise (Kool et al. 2019); the noise
hangs on the seed, the query and the rank alone.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gpte_data.randomness import bits

Strategy = Literal["top", "uniform", "softmax", "simans"]


@dataclass(frozen=True)
class Sampling:
    """A way of choosing."""

    strategy: Strategy = "top"
    temperature: float = 0.05
    """Of softmax, in the unit of scores."""
    simans: tuple[float, float] = (100.0, 0.0)
    """a and b of SimANS, for scores that are cosines."""
    seed: int = 0

    def order(self, scores: Any, positive_scores: Any, query_id: str) -> Any:
        """Return candidates, whose scores (n,) fall, in the order in which they are taken."""
        if self.strategy == "top" or not len(scores):
            return np.arange(len(scores))
        random = np.random.Generator(np.random.Philox(bits(self.seed, query_id, "negatives")))
        return np.argsort(
            -(self._weights(scores, positive_scores) + random.gumbel(size=len(scores)))
        )

    def _weights(self, scores: Any, positive_scores: Any) -> Any:
        """Return the logarithm of each candidate's weight."""
        if self.strategy == "uniform":
            return np.zeros(len(scores))
        if self.strategy == "softmax":
            return np.asarray(scores, dtype=np.float64) / self.temperature
        a, b = self.simans
        least = float(np.min(positive_scores))
        return -a * (np.asarray(scores, dtype=np.float64) - least - b) ** 2
