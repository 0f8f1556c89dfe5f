"""A budget of false negatives in which a reranker's word counts beside what mining has estimated.

A margin to one positive's score says little where that score is odd: on judged collections it
leaks no less than mining alone does at equal hardness (docs/performance.md). So a reranker's score
may be taken as evidence instead: it shifts the log-odds that mining has estimated for a candidate,
by `weight` for each standard deviation of the scores; probabilities are taken as log-odds for this.
How many hidden positives there are in all stays as mining has counted them. Then the hardest are
taken within the budget, as in mining (`mining.choosing`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data.backends.reranking import PROBABILITY
from gpte_data.mining.choosing import order, price_for

TINY = 1e-6
LIKELY = 0.5
"""What is more likely a positive than not is dropped, unless a query would go short."""


def log_odds(probabilities: Any) -> Any:
    """Return log-odds (n,) in float64."""
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), TINY, 1 - TINY)
    return np.log(clipped / (1 - clipped))


def told(scores: Any, scale: str) -> Any:
    """Return rerank scores (n,) on a scale on which differences mean the same everywhere."""
    return log_odds(scores) if scale == PROBABILITY else np.asarray(scores, dtype=np.float64)


@dataclass(frozen=True)
class Budget:
    """How candidates are chosen, as fitted to a sample of a dataset's queries.

    Attributes:
        negatives: Wanted of each query.
        weight: Log-odds for a standard deviation of the rerank scores.
        mean, spread: Of the scores, as `told`.
        offset: What keeps the number of hidden positives as it was.
        price: Of a false negative, in the teacher's score.
    """

    negatives: int
    weight: float
    mean: float
    spread: float
    offset: float
    price: float

    def likely(self, estimated: Any, scores: Any) -> Any:
        """Return the probability of being a positive, (n,), given mining's and scores as `told`."""
        evidence = self.weight * (scores - self.mean) / self.spread + self.offset
        return 1 / (1 + np.exp(-(log_odds(estimated) + evidence)))

    def choose(self, teacher: Any, likely: Any) -> tuple[Any, Any]:
        """Return the order in which candidates (n,) are taken, and which are no negatives.

        Args:
            teacher: Their scores by the teacher.
            likely: Their probabilities.
        """
        ranked = order(teacher, likely, self.price)
        late = np.zeros(len(ranked), dtype=bool)
        late[ranked[self.negatives :]] = True
        return ranked, late & (likely > LIKELY)


def fitted(
    found: Sequence[tuple[Any, Any, Any]], negatives: int, share: float, weight: float
) -> tuple[Budget, Mapping[str, float]]:
    """Fit a budget to some queries.

    Args:
        found: Of each query the teacher's scores, mining's probabilities and the rerank scores, as
            `told`, of the candidates that no rule has dropped, (n,) each.
        negatives: Wanted of each query.
        share: The highest share of false negatives that is expected among them.
        weight: Log-odds for a standard deviation of the rerank scores.

    Returns:
        The budget, and which shares of false negatives are expected: `false_negatives` within it,
        `unchecked` if the highest scores were taken.
    """
    estimated = np.concatenate([one[1] for one in found])
    scores = np.concatenate([one[2] for one in found])
    mean, spread = float(scores.mean()), max(float(scores.std()), TINY)
    offset = _offset(estimated, weight * (scores - mean) / spread)
    free = Budget(negatives, weight, mean, spread, offset, 0.0)
    teacher = [one[0] for one in found]
    likely = [free.likely(one[1], one[2]) for one in found]
    choice = price_for(teacher, likely, negatives, share)
    made = Budget(negatives, weight, mean, spread, offset, choice.price)
    return made, {"false_negatives": choice.false_negatives, "unchecked": choice.unchecked}


def _offset(estimated: Any, evidence: Any) -> float:
    """Return what is to be added to the log-odds so that their probabilities sum up as before."""
    odds, wanted = log_odds(estimated) + evidence, float(estimated.sum())
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        if float((1 / (1 + np.exp(-(odds + middle)))).sum()) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2
