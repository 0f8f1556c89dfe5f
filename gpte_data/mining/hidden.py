"""How many positives nobody labelled, from where the labelled ones rank.

A known positive is taken for a draw from all of a query's positives. If there is only that one,
the known ones stand where the model expects positives, and the best ranks are full of them. If
there are many, most of the best ranks belong to others, and the known ones are spread evenly over a
plateau: the likelihood that the known positive is the one it is,

    f(known) / sum of f over the candidates and the known ones,    f = 1 / (1 + exp(-(t l + a)))

depends on `a` only through this saturation, which makes the number of positives, sum of f, visible
without a single further label. (The assumption, positives labelled at random, is that of learning
from positive and unlabelled examples: Elkan & Noto 2008; Bekker & Davis 2020, 1811.04820 §3.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

OFFSETS = np.linspace(-5, 5, 31)
SLOPES = np.exp(np.linspace(-0.75, 0.75, 13))
OFFSET_SPREAD, SLOPE_SPREAD = 1.5, 0.25
"""Deviations of the offset and of the slope's logarithm between collections, known beforehand."""
DEPTH = 20
LONGEST = 256
"""Candidates of a query that are looked at."""


@dataclass(frozen=True, slots=True)
class Known:
    """The model's logits for one query."""

    candidates: Any
    """(n,), best rank first."""
    positives: Any
    """(p,)"""
    above: Any
    """How many candidates score higher than each positive, (p,)."""


def hidden_among(known: Sequence[Known]) -> float:
    """Return how many of a query's best 20 candidates are positives, on average.

    Positives that rank behind all candidates say nothing of those and are left out.
    """
    width = min(LONGEST, max(len(one.candidates) for one in known))
    candidates = np.full((len(known), width), -np.inf)
    for row, one in enumerate(known):
        candidates[row, : len(one.candidates)] = one.candidates[:width]
    owners, positives = [], []
    for row, one in enumerate(known):
        inside = one.positives[one.above < min(len(one.candidates), width) - 0.5]
        owners += [row] * len(inside)
        positives += inside.tolist()
    evidence, totals = _grid(candidates, np.array(owners, dtype=np.int64), np.array(positives))
    evidence -= OFFSETS[:, None] ** 2 / (2 * OFFSET_SPREAD**2)
    evidence -= np.log(SLOPES)[None] ** 2 / (2 * SLOPE_SPREAD**2)
    weights = np.exp(evidence - evidence.max())
    return float(np.exp((weights * np.log(np.maximum(totals, 1e-3))).sum() / weights.sum()))


def _grid(candidates: Any, owners: Any, positives: Any) -> tuple[Any, Any]:
    """Return log-likelihood and hidden positives a query for each offset and slope."""
    shape = (len(OFFSETS), len(SLOPES))
    likelihood, totals = np.zeros(shape), np.zeros(shape)
    for i, offset in enumerate(OFFSETS):
        for j, slope in enumerate(SLOPES):
            plausible = _logistic(slope * candidates + offset)
            totals[i, j] = plausible[:, :DEPTH].sum() / len(candidates)
            if not len(positives):
                continue
            own = _logistic(slope * positives + offset)
            every = plausible.sum(axis=1) + np.bincount(owners, own, minlength=len(candidates))
            likelihood[i, j] = (np.log(own) - np.log(every[owners])).sum()
    return likelihood, totals


def _logistic(logit: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(logit, -60, 60)))
