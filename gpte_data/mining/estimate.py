"""The probability that a candidate is a positive that nobody labelled.

A logistic model over `evidence`. Its weights were fitted on collections whose positives are known,
by hiding all but one of them (benchmarks/fit_estimate.py says which and how); they are shipped in
`coefficients.json` and hold for other collections, since nothing in the evidence has a scale of its
own. What does differ is how many positives nobody labelled: a question with one answer and a topic
with fifty look alike to the model. That is learned from the data at hand, see `hidden`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import orjson

from gpte_data.mining.evidence import EVIDENCE, OF_POSITIVES
from gpte_data.mining.hidden import Known, hidden_among

OF_QUERY = ("among", "words", "crowd", "hub")
"""Evidence that does not look at the known positive, so that it can be had of that one too. Those
that are left out, the bare score and the rank, told less well how many positives are hidden."""
PLACES = [EVIDENCE.index(name) for name in OF_QUERY]
PLACES_OF_POSITIVES = [OF_POSITIVES.index(name) for name in OF_QUERY]
SURE = 60.0
"""Logit beyond which a probability is 0 or 1."""


@dataclass(frozen=True)
class Coefficients:
    """What was fitted beforehand.

    Attributes:
        weights: Of the evidence, (10,), with the intercept.
        query_weights: Of what can be said of positives too, (4,), with the intercept.
        flatten: Factor on the logit: choosing the best of many picks those that look better than
            they are, and collections differ more than the model knows.
        share: Of the hidden positives found by `hidden`, how many there are in truth.
    """

    weights: Any
    intercept: float
    query_weights: Any
    query_intercept: float
    flatten: float
    share: float


@cache
def shipped() -> Coefficients:
    """Return the coefficients that come with the package."""
    return parsed(orjson.loads((resources.files(__package__) / "coefficients.json").read_bytes()))


def coefficients_of(weights: Sequence[float] | None) -> Coefficients:
    """Return the shipped coefficients, with other weights where a dataset has its own."""
    return shipped() if weights is None else replace(shipped(), weights=np.array(weights))


def parsed(said: Mapping[str, Any]) -> Coefficients:
    """Return coefficients from JSON as `benchmarks/fit_estimate.py` writes it."""
    return Coefficients(
        np.array([said["weights"][name] for name in EVIDENCE]),
        said["intercept"],
        np.array([said["query_weights"][name] for name in OF_QUERY]),
        said["query_intercept"],
        said["flatten"],
        said["share"],
    )


@dataclass(frozen=True)
class Estimate:
    """The model, fitted to a collection by one number."""

    coefficients: Coefficients
    offset: float
    """Added to every logit: how many hidden positives this collection has."""

    def probabilities(self, evidence: Any) -> Any:
        """Return for candidates (n, 10) the probability of being a positive, (n,) in float32."""
        return probability(logits(self.coefficients, evidence) + self.offset).astype(np.float32)


def logits(coefficients: Coefficients, evidence: Any) -> Any:
    """Return the model's logits without the offset."""
    raw = np.asarray(evidence, dtype=np.float64) @ coefficients.weights + coefficients.intercept
    return coefficients.flatten * raw


def probability(logit: Any) -> Any:
    """Return the logistic function."""
    return 1 / (1 + np.exp(-np.clip(logit, -SURE, SURE)))


def fitted(
    found: Sequence[tuple[Any, Any]],
    coefficients: Coefficients | None = None,
    beside: float | None = None,
) -> tuple[Estimate, float]:
    """Fit the model to a collection.

    Args:
        found: Evidence of candidates and of positives of each of some queries.
        coefficients: Those shipped if None.
        beside: A second count of hidden positives, see `refitting`; the mean of both is taken.

    Returns:
        The estimate, and how many of a query's best candidates are expected to be positives.
    """
    coefficients = coefficients or shipped()
    found = [
        (np.asarray(candidates)[by_rank(candidates)], positives) for candidates, positives in found
    ]
    known = [
        _known(coefficients, candidates, np.asarray(positives))
        for candidates, positives in found
        if len(candidates)
    ]
    if not known:
        return Estimate(coefficients, 0.0), 0.0
    hidden = hidden_among(known) * coefficients.share
    if beside is not None:
        hidden = (hidden + beside) / 2
    best = [logits(coefficients, candidates[:BEST]) for candidates, _ in found if len(candidates)]
    return Estimate(coefficients, _offset(best, hidden * len(best))), hidden


def by_rank(evidence: Any, which: Any = None) -> Any:
    """Return places of candidates, or of some of them, in the order of the teacher's scores."""
    places = np.arange(len(evidence)) if which is None else np.flatnonzero(which)
    ranks = np.asarray(evidence)[places, EVIDENCE.index("log_rank")]
    return places[np.argsort(ranks, kind="stable")]


def _known(coefficients: Coefficients, candidates: Any, positives: Any) -> Known:
    weights, intercept = coefficients.query_weights, coefficients.query_intercept
    return Known(
        candidates[:, PLACES] @ weights + intercept,
        positives[:, PLACES_OF_POSITIVES] @ weights + intercept,
        np.expm1(positives[:, OF_POSITIVES.index("log_rank")]),
    )


BEST = 20
"""The candidates of a query among which hidden positives are counted: negatives come from there."""


def _offset(best: Sequence[Any], total: float) -> float:
    """Return what makes the probabilities add up to a total."""
    every = np.concatenate(best)
    total = min(max(total, 1e-3 * len(every)), 0.98 * len(every))
    low, high = -SURE, SURE
    for _ in range(60):
        middle = (low + high) / 2
        if probability(every + middle).sum() < total:
            low = middle
        else:
            high = middle
    return float(high)
