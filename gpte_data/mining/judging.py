"""A verdict on every candidate of a query, and the order in which negatives are taken.

The same for candidates that were just found and for those that were stored: rules first, then the
budget of false negatives or a way of sampling decides among what they leave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from gpte_data.candidates import Coded
from gpte_data.mining.choosing import order, price_for
from gpte_data.mining.estimate import Estimate, coefficients_of, fitted
from gpte_data.mining.mixing import UNMIXED, Mixture, mixed_price
from gpte_data.mining.own import Own
from gpte_data.mining.rules import KEPT, Rules
from gpte_data.mining.sampling import Sampling

WRITTEN_FOR_IT = "written as a negative"
DRAWN = "drawn at random"
LIKELY_POSITIVE = "likely a positive that nobody labelled"
LIKELY = 0.5
"""A candidate that is more likely a positive than not is dropped, unless a query would go short."""


@cache
def verdicts() -> Any:
    """Return the verdicts as an Arrow array, by whether a candidate is kept."""
    import pyarrow as pa

    return pa.array(["drop", "keep"])


@dataclass(frozen=True, slots=True)
class Hits:
    """A query's candidates as a judge sees them, best first, and its positives."""

    query_id: str
    hits: Mapping[str, Any]
    """What the rules look at; `own`: found by the first teacher; and `earlier`, where an earlier
    mining was given: it had it; each (n,)."""
    evidence: Any
    """(n, 10), or None where the miner left none."""
    positive_scores: Any
    positive_evidence: Any


@dataclass(frozen=True)
class Judge:
    """Judges the candidates of one query after the other.

    Attributes:
        estimate, price: Of the budget, or None where there is none.
        mixture: How candidates of an earlier mining take turns with new ones.
    """

    rules: Rules
    sampling: Sampling
    negatives: int
    estimate: Estimate | None = None
    price: float = 0.0
    mixture: Mixture = UNMIXED

    @cached_property
    def words(self) -> Any:
        """Every reason by its number, as an Arrow array: those of the rules, then the judge's."""
        import pyarrow as pa

        own = [WRITTEN_FOR_IT, DRAWN, LIKELY_POSITIVE, self._why_kept()]
        return pa.array([*self.rules.words(), *own])

    def columns(self, found: Hits) -> dict[str, Any]:
        """Return further columns of the candidates: estimate, choice, verdict, reason."""
        import pyarrow as pa

        reasons = self.rules.reasons(found.hits, found.positive_scores)
        written, score = found.hits["written"], found.hits["score"]
        kept = reasons == KEPT
        own = range(len(self.words) - 4, len(self.words))
        written_for_it, at_random, likely_positive, why_kept = own
        probabilities = None
        if self.estimate is not None:
            probabilities = self.estimate.probabilities(found.evidence)
        drawn = found.hits["random"]
        free = np.flatnonzero(kept & ~written & ~drawn)
        ranked = free[self._order(found, free, probabilities)]
        first, last = np.flatnonzero(kept & written), np.flatnonzero(kept & drawn)
        if probabilities is not None:
            place = np.arange(len(ranked))
            likely = (probabilities[ranked] > LIKELY) & (place >= self.negatives - len(first))
            reasons[ranked[likely]] = likely_positive
            ranked = ranked[~likely]
        reasons[ranked], reasons[first], reasons[last] = why_kept, written_for_it, at_random
        taken = np.concatenate([first, ranked, last])
        choice = np.zeros(len(score), dtype=np.int32)
        choice[taken] = np.arange(1, len(taken) + 1)
        columns = {
            "choice": pa.array(choice, mask=choice == 0),
            "verdict": Coded(verdicts(), (choice > 0).view(np.int8)),
            "reason": Coded(self.words, reasons),
        }
        return columns if probabilities is None else {"false_negative": probabilities, **columns}

    def _order(self, found: Hits, free: Any, probabilities: Any) -> Any:
        """Return the order in which candidates that no rule dropped are taken."""
        scores, likely = found.hits["score"][free], None
        if probabilities is not None:
            likely = probabilities[free]
            ranked = order(scores, likely, self.price)
            likely = likely[ranked]
        else:
            ranked = self.sampling.order(scores, found.positive_scores, found.query_id)
        if "earlier" not in found.hits:
            return ranked
        return ranked[self.mixture.order(found.hits["earlier"][free][ranked], likely)]

    def _why_kept(self) -> str:
        if self.estimate is not None:
            return "within the budget of false negatives"
        margins = (self.rules.relative_margin, self.rules.absolute_margin)
        return "no rule drops it" if margins == (None, None) else "below the margin"


def survey(
    found: Sequence[Hits], rules: Rules, negatives: int, budget: float,
    earlier_share: float = 0.0, own: Own | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Fit the estimate and the price of a false negative to a sample of a dataset's queries.

    Returns:
        Plain values: `own` as given, `offset`, `price`, and of the sample the expected shares
        of false negatives among those taken, `false_negatives`, and among the highest scores,
        `unchecked`; of the `mixture` with earlier candidates share and limit, and what it comes to,
        `earlier`.
    """
    with_evidence = [(one.evidence[one.hits["own"]], one.positive_evidence) for one in found]
    weights, beside = (own.weights, own.hidden) if own is not None else (None, None)
    estimate, hidden = fitted(with_evidence, coefficients_of(weights), beside)
    scores, probabilities, earlier = [], [], []
    for one in found:
        free = (rules.reasons(one.hits, one.positive_scores) == KEPT) & ~one.hits["written"]
        free &= ~one.hits["random"]
        scores.append(np.asarray(one.hits["score"])[free])
        probabilities.append(estimate.probabilities(np.asarray(one.evidence)[free]))
        earlier.append(one.hits.get("earlier", np.zeros(len(free), dtype=bool))[free])
    if earlier_share and any(one.any() for one in earlier):
        choice, mixture, old = mixed_price(
            scores, probabilities, earlier, earlier_share, negatives, budget
        )
    else:
        choice = price_for(scores, probabilities, negatives, budget)
        mixture, old = Mixture(earlier_share), 0.0
    return {
        "own": own.row() if own is not None else {},
        "offset": estimate.offset,
        "hidden": hidden,
        "price": choice.price,
        "false_negatives": choice.false_negatives,
        "unchecked": choice.unchecked,
        "mixture": (mixture.share, mixture.limit),
        "earlier": old,
        "queries": len(found),
    }


def surveyed(shared: Mapping[str, Any]) -> tuple[Estimate, float, Mixture]:
    """Return estimate, price and mixture from what a survey found."""
    own = Own.of(shared["own"])
    estimate = Estimate(coefficients_of(own.weights if own else None), shared["offset"])
    return estimate, shared["price"], Mixture(*shared["mixture"])
