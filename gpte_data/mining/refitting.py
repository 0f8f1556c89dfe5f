"""What queries with several positives say: of the estimate's weights, and of how many are hidden.

Where queries have several positives, all but one are hidden and mined again: those that come back
are known to be positives, of the other candidates some are and some are not. That is learning from
positive and unlabelled examples: an unlabelled one counts as a positive with the probability that
it is one and was not labelled (Elkan & Noto 2008 §2; Bekker & Davis 2020, 1811.04820 §3), which
the model itself says, round by round. The shipped weights are what is believed beforehand, so that
few labels change little.

How many positives nobody labelled is counted a second time: those that `hidden` expects where one
of each query is known, less those that are known in truth. Where all are labelled few are left.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpte_data.mining.estimate import BEST, Estimate, fitted, probability
from gpte_data.mining.own import Own

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
) -> Own | None:
    """Return what queries with one known positive each say, or None where labels are too few.

    Args:
        evidence: Of the candidates, best first, (n_i, 10).
        positive_evidence: Of the known positive, (1, 6).
        labelled: Which candidates are positives that were hidden, (n_i,).
    """
    labels = np.concatenate(labelled) if labelled else np.zeros(0, dtype=bool)
    if labels.sum() < ENOUGH:
        return None
    estimate, hidden = fitted(list(zip(evidence, positive_evidence, strict=True)))
    left = hidden - float(np.mean([one[:BEST].sum() for one in labelled]))
    every = np.concatenate(evidence).astype(np.float64)
    share = min(MOST, float(labels.sum() / estimate.probabilities(every).sum()))
    weights = _fit(every, labels, estimate, share) / estimate.coefficients.flatten
    # A row keeps them in float32; what judges now is what judges from the row.
    return Own([float(one) for one in weights.astype(np.float32)], float(np.float32(max(left, 0))))


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
