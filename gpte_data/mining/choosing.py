"""The hardest negatives under a budget of false ones.

Of all ways to take n candidates of each query, the one with the highest total score whose expected
share of false negatives is within the budget takes, of each query, those with the highest

    score - price * probability of being a positive

for one price that is the same for all queries (the multiplier of Lagrange). A query with clear
negatives gives hard ones, one that is surrounded by likely positives gives easier ones, and none
goes short.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

HIGHEST = 1e6


@dataclass(frozen=True, slots=True)
class Choice:
    """What choosing under a budget came to, on the queries that it was fitted on."""

    price: float
    """Score given up for a probability of 1."""
    false_negatives: float
    """Expected share of false negatives among those taken."""
    unchecked: float
    """The same at price 0, where the highest scores are taken."""


def price_for(
    scores: Sequence[Any], probabilities: Sequence[Any], negatives: int, budget: float
) -> Choice:
    """Return the lowest price at which the share of false negatives is within the budget.

    Args:
        scores: Of the candidates of each query, (n_i,).
        probabilities: Of being a positive, (n_i,).
        negatives: How many are taken of each query, fewer where there are fewer.
        budget: The highest share; where no price reaches it, the least likely are taken.
    """
    return lowest_price(_Table(scores, probabilities, negatives).share, budget)


def lowest_price(share: Callable[[float], float], budget: float) -> Choice:
    """Return the lowest price at which a share, which falls as prices rise, is in the budget."""
    unchecked = share(0.0)
    if unchecked <= budget:
        return Choice(0.0, unchecked, unchecked)
    low, high = 0.0, 1e-3
    while high < HIGHEST and share(high) > budget:
        low, high = high, high * 4
    for _ in range(40):
        middle = (low + high) / 2
        if share(middle) > budget:
            low = middle
        else:
            high = middle
    return Choice(float(high), share(high), unchecked)


class _Table:
    """Scores and probabilities of all queries, filled up with what is never taken."""

    def __init__(self, scores: Sequence[Any], probabilities: Sequence[Any], negatives: int) -> None:
        width = max((len(one) for one in scores), default=0)
        self.scores = np.full((len(scores), max(width, negatives)), -np.inf)
        self.probabilities = np.zeros_like(self.scores)
        for row, (score, probability) in enumerate(zip(scores, probabilities, strict=True)):
            self.scores[row, : len(score)] = score
            self.probabilities[row, : len(score)] = probability
        self.negatives = negatives
        self.taken = int(np.minimum([len(one) for one in scores], negatives).sum())

    def share(self, price: float) -> float:
        """Return the expected share of false negatives at a price."""
        if not self.taken:
            return 0.0
        value = price * self.probabilities - self.scores
        best = np.argpartition(value, self.negatives - 1, axis=1)[:, : self.negatives]
        return float(np.take_along_axis(self.probabilities, best, 1).sum()) / self.taken


def order(scores: Any, probabilities: Any, price: float) -> Any:
    """Return candidates (n,) in the order in which they are to be taken."""
    value = price * np.asarray(probabilities, np.float64) - np.asarray(scores, np.float64)
    return np.argsort(value, kind="stable")
