"""The estimate's weights, drawn towards what a user's own pairs say.

Where queries have several positives, all but one are hidden and mined again: those that come back
are known to be positives, of the other candidates some are and some are not. That is learning from
positive and unlabelled examples: an unlabelled one counts as a positive with the probability that
it is one and was not labelled (Elkan & Noto 2008 §2; Bekker & Davis 2020, 1811.04820 §3), which
the model itself says, round by round. How many there are is not learned here but in `hidden`. The
shipped weights are what is believed beforehand, so that few labels change little.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpte_data.mining.estimate import Estimate, fitted, probability

ENOUGH = 50
"""Hidden positives that come back, below which the shipped weights stand."""
BELIEF = 100.0
"""Weight of the shipped weights, in deviations of the evidence (chosen on cranfield and cisi, where
30 and 300 did as well: docs/LOG.md)."""
LOOSE = 1e-2
"""The same for the intercept, which has another use: see `hidden`."""
MOST = 0.9
"""Share of positives that are labelled, at most."""
ROUNDS, STEPS = 8, 3


def refitted(
    evidence: Sequence[Any], positive_evidence: Sequence[Any], labelled: Sequence[Any]
) -> list[float] | None:
    """Return weights (10,) for `Coefficients`, or None where labels are too few.

    Args:
        evidence: Of the candidates of queries with one known positive, (n_i, 10).
        positive_evidence: Of that positive, (1, 6).
        labelled: Which candidates are positives that were hidden, (n_i,).
    """
    labels = np.concatenate(labelled) if labelled else np.zeros(0, dtype=bool)
    if labels.sum() < ENOUGH:
        return None
    estimate, _ = fitted(list(zip(evidence, positive_evidence, strict=True)))
    every = np.concatenate(evidence).astype(np.float64)
    share = min(MOST, float(labels.sum() / estimate.probabilities(every).sum()))
    weights = _fit(every, labels, estimate, share) / estimate.coefficients.flatten
    # A row keeps them in float32; what judges now is what judges from the row.
    return [float(one) for one in weights.astype(np.float32)]


def _fit(evidence: Any, labels: Any, estimate: Estimate, share: float) -> Any:
    """Return the weights of the logit, by expectation and maximisation (Newton's method)."""
    known = estimate.coefficients
    spread = evidence.std(axis=0) + 1e-6
    scaled = np.hstack([(evidence - evidence.mean(axis=0)) / spread, np.ones((len(evidence), 1))])
    weights = known.weights * known.flatten
    before = evidence @ weights + known.intercept * known.flatten + estimate.offset
    belief = np.append(np.full(len(weights), BELIEF), LOOSE)
    moved = np.zeros(len(belief))
    for _ in range(ROUNDS):
        likely = probability(before + scaled @ moved)
        target = np.where(labels, 1.0, (1 - share) * likely / (1 - share * likely))
        for _ in range(STEPS):
            likely = probability(before + scaled @ moved)
            slope = scaled.T @ (target - likely) - belief * moved
            bend = (scaled.T * (likely * (1 - likely))) @ scaled + np.diag(belief)
            moved = moved + np.linalg.solve(bend, slope)
    return weights + moved[:-1] / spread
