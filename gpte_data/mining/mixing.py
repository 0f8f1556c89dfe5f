"""Negatives of an earlier mining and new ones, taken in turn under one budget.

A student that has learnt from its negatives ranks other passages high than before: mined again with
it (ANCE, 2007.00808), pairs get new negatives, and a share of what is taken stays with the earlier
ones. Of the first k that are taken round(share * k) are earlier ones, for every k. Where one side
has no more, the other goes on.

The share is a wish, the budget of false negatives is none. Both sides are taken by one price (see
`choosing`), which is found over the mixture. Where no price keeps the budget, what is more likely a
positive than a limit is no longer taken for its side's sake, and stands behind all others by its
worth; the limit is halved until the budget is kept. At 0 nothing is mixed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data.mining.choosing import HIGHEST, Choice, lowest_price, order

LIMITS = (0.5, 0.25, 0.125, 0.0625, 0.03125, 0.0)
"""Probabilities up to which a candidate is taken for the share, one after the other."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """How earlier candidates and new ones take turns."""

    share: float = 0.0
    """Of what is taken, from earlier candidates; 0 leaves all to their worth."""
    limit: float = 1.0
    """Probability of being a positive up to which the share is kept."""

    def order(self, earlier: Any, probabilities: Any = None) -> Any:
        """Return in which order candidates are taken, (n,).

        Args:
            earlier: Whether an earlier mining had them, (n,), in the order of their worth.
            probabilities: Of being a positive, (n,), or None where nobody asks for them.
        """
        plain = np.arange(len(earlier))
        if not self.share or not earlier.any() or earlier.all():
            return plain
        apart = np.zeros(len(earlier), dtype=bool)
        if probabilities is not None:
            apart = probabilities > self.limit
        front = plain[~apart]
        keys = self._turns(earlier[front])
        return np.concatenate([front[np.argsort(keys)], plain[apart]])

    def _turns(self, earlier: Any) -> Any:
        """Return when it is whose turn; those for whom there are no turns left come behind."""
        n = len(earlier)
        turn = np.diff(np.rint(self.share * np.arange(n + 1))) > 0
        keys, behind = np.zeros(n, dtype=np.int64), np.arange(n, 2 * n)
        for side, turns in ((earlier, turn), (~earlier, ~turn)):
            keys[side] = np.concatenate([np.flatnonzero(turns), behind])[: side.sum()]
        return keys


def mixed_price(
    scores: Sequence[Any],
    probabilities: Sequence[Any],
    earlier: Sequence[Any],
    share: float,
    negatives: int,
    budget: float,
) -> tuple[Choice, Mixture, float]:
    """Find the lowest price at which the mixture is within the budget, and how it is mixed.

    Args:
        scores: Of the candidates of each query, (n_i,).
        probabilities: Of being a positive, (n_i,).
        earlier: Whether an earlier mining had them, (n_i,).
        share: Of what is taken, from earlier candidates.
        negatives: How many are taken of each query, fewer where there are fewer.
        budget: The highest share of false negatives.

    Returns:
        The price, the mixture, and which share of what is taken comes from earlier candidates.
    """
    table = _Mixed(scores, probabilities, earlier, negatives)
    unchecked = table.share(0.0, Mixture(share))
    if unchecked <= budget:
        return Choice(0.0, unchecked, unchecked), Mixture(share), table.old(0.0, Mixture(share))
    tried = (Mixture(share, limit) for limit in LIMITS)
    mixture = next((m for m in tried if table.share(HIGHEST, m) <= budget), Mixture(share, 0.0))
    found = lowest_price(lambda price: table.share(price, mixture), budget)
    choice = Choice(found.price, found.false_negatives, unchecked)
    return choice, mixture, table.old(choice.price, mixture)


UNMIXED = Mixture()


@dataclass(frozen=True, slots=True)
class _Mixed:
    """Candidates of all queries."""

    scores: Sequence[Any]
    probabilities: Sequence[Any]
    earlier: Sequence[Any]
    negatives: int

    def share(self, price: float, mixture: Mixture) -> float:
        """Return the expected share of false negatives among those taken."""
        return self._mean(self.probabilities, price, mixture)

    def old(self, price: float, mixture: Mixture) -> float:
        """Return the share of earlier candidates among those taken."""
        return self._mean(self.earlier, price, mixture)

    def _mean(self, values: Sequence[Any], price: float, mixture: Mixture) -> float:
        every = zip(self.scores, self.probabilities, self.earlier, values, strict=True)
        total, count = 0.0, 0
        for scores, likely, old, value in every:
            ranked = order(scores, likely, price)
            taken = ranked[mixture.order(old[ranked], likely[ranked])][: self.negatives]
            total += float(value[taken].sum(dtype=np.float64))
            count += len(taken)
        return total / max(1, count)
