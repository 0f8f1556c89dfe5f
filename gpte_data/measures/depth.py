"""Statistical depth of text embeddings, and the test whether two corpora differ in it.

Transformer-based text embedding depth (Seegmiller and Preum, 2310.15010): with regard to a corpus
F, the depth of x is 2 - E[cosine distance of x to a member of F], so that what is typical of F is
deep and an outlier is not. Of Y from a second corpus and X from F

    Q = P(depth of X <= depth of Y),  ties counting half

is 1/2 if both are alike, less if the second lies further out, more if it is more central; the
Wilcoxon rank sum of the depths tests it (Liu and Singh 1993, on which the paper's test rests).

Of unit vectors the depth is 1 + x · mean(F), so all depths are one product. One half of the real
texts stands for F and the other half for X (as Liu and Singh's reference sample): the depths of
either sample are then independent given F, as the rank sum needs them. X out of F itself, the text
left out, gives p below .05 for more than 5 % of samples that are alike: see the tests.
"""

from dataclasses import dataclass
from math import erfc, sqrt
from typing import Any


def depths(vectors: Any, reference: Any) -> Any:
    """Return the depth of each vector with regard to a corpus, (n,) in float64, from 0 to 2.

    Args:
        vectors: (n, dimension), of length 1.
        reference: (m, dimension), of length 1, with m > 0.
    """
    import numpy as np

    return 1.0 + vectors.astype(np.float64) @ reference.mean(axis=0, dtype=np.float64)


@dataclass(frozen=True)
class RankSum:
    """What the test says."""

    q: float
    """P(X <= Y), ties counting half."""
    w: float
    """The rank sum of Y, as standard deviations from what is expected if both are alike."""
    p: float
    """Two-sided, by the normal approximation with ties."""


def rank_sum(x: Any, y: Any) -> RankSum:
    """Return Wilcoxon's rank sum test of two samples (m,) and (n,), both with at least one."""
    import numpy as np

    m, n = len(x), len(y)
    both = np.concatenate([x, y])
    _, place, ties = np.unique(both, return_inverse=True, return_counts=True)
    last = np.cumsum(ties)
    ranks = (last - (ties - 1) / 2)[place]
    above = ranks[m:].sum() - n * (n + 1) / 2
    size = m + n
    tied = float((ties.astype(np.float64) ** 3 - ties).sum())
    variance = m * n / 12 * (size + 1 - tied / (size * (size - 1))) if size > 1 else 0.0
    w = (above - m * n / 2) / sqrt(variance) if variance > 0 else 0.0
    return RankSum(float(above / (m * n)), float(w), float(erfc(abs(w) / sqrt(2))))
