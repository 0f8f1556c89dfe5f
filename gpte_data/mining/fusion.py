"""One ranking from the scores of several teachers.

rrf      sum of 1 / (60 + rank) (reciprocal rank fusion: Cormack et al. 2009)
zscore   sum of scores in each teacher's deviations from its mean over the candidates
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

Fusion = Literal["rrf", "zscore"]
CONSTANT = 60


def fused(scores: Sequence[Any], how: Fusion) -> tuple[Any, Any]:
    """Fuse the scores (n,) of several teachers.

    Returns:
        Fused scores (n,), higher is better, and the rank by each teacher, (n, teachers).
    """
    table = np.stack([np.asarray(one, dtype=np.float64) for one in scores], axis=1)
    ranks = (table[None] > table[:, None]).sum(axis=1) + 1
    if how == "rrf":
        return (1 / (CONSTANT + ranks)).sum(axis=1), ranks.astype(np.int32)
    spread = table.std(axis=0)
    return ((table - table.mean(axis=0)) / np.where(spread > 0, spread, 1)).sum(axis=1), ranks
