"""Distributions of numbers, from counts of rounded values: memory hangs on digits, not on rows."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 16
DIGITS = 3
"""Behind the point, of scores."""
MOST_STEPS = 1_000_000
"""Rounded scores between the lowest and the highest, up to which they are counted in an array."""


def add_scores(counts: Counter[float], values: Any) -> None:
    """Count finite numbers (n,), rounded to DIGITS behind the point."""
    import numpy as np

    steps = np.rint(values.astype(np.float64) * 10**DIGITS)
    if not len(steps):
        return
    low = steps.min()
    if steps.max() - low < MOST_STEPS:  # many times as fast as sorting them
        times = np.bincount((steps - low).astype(np.int64))
        unique = np.flatnonzero(times)
        times, unique = times[unique], unique + low
    else:
        unique, times = np.unique(steps, return_counts=True)
    for value, count in zip((unique / 10**DIGITS).tolist(), times.tolist(), strict=True):
        counts[value + 0.0] += count


def add_lengths(counts: Counter[float], values: Any) -> None:
    """Count whole numbers (n,) of at least 0; from 10,000 on only their first 4 digits."""
    import numpy as np

    values = np.asarray(values, dtype=np.int64)
    digits = np.floor(np.log10(np.maximum(values, 1))).astype(np.int64)
    step = 10 ** np.maximum(digits - 3, 0)
    unique, times = np.unique(values // step * step, return_counts=True)
    for value, count in zip(unique.tolist(), times.tolist(), strict=True):
        counts[value] += count


def distribution(counts: Mapping[float, int]) -> dict[str, Any]:
    """Return count, mean, quantiles and a histogram of numbers given as value -> how often.

    Bins begin at `min`, each `width` wide. Of whole numbers there are at most BINS, wide enough for
    99 % of them; the last holds what is beyond, too.
    """
    total = sum(counts.values())
    ordered = sorted(counts)
    low, high = ordered[0], ordered[-1]
    whole = all(isinstance(value, int) for value in ordered)
    most = _quantile(ordered, counts, 0.99 * total)
    width = -(-(most - low + 1) // BINS) if whole else (high - low) / BINS or 1.0
    bins = min(BINS, int((high - low) // width) + 1) if whole else BINS
    histogram = [0] * bins
    for score, count in counts.items():
        histogram[min(bins - 1, int((score - low) / width))] += count
    return {
        "count": total,
        "mean": round(sum(score * n for score, n in counts.items()) / total, 4),
        "min": low,
        "max": high,
        "width": width,
        "quantiles": {str(q): _quantile(ordered, counts, q * total) for q in QUANTILES},
        "histogram": histogram,
    }


def _quantile(ordered: list[float], counts: Mapping[float, int], rank: float) -> float:
    """Return the number that `rank` numbers are at or below."""
    passed = 0
    for score in ordered:
        passed += counts[score]
        if passed >= rank:
            return score
    return ordered[-1]
