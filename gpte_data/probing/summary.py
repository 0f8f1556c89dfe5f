"""The figures of a probe, as plain values.

An effect is one of the data if it is beyond the chance of queries, by the interval, and larger than
what changes from one training to the next, by the standard deviation over seeds.
"""

from collections.abc import Sequence
from typing import Any

from gpte_data.probing.measuring import MEASURES, interval
from gpte_data.probing.training import Trained


def summary(values: Any, trained: Sequence[Trained], seed: int) -> dict[str, Any]:
    """Return the figures of each measure, and of each training, as plain values.

    Args:
        values: Of each measure and query, before any training and after each, (1 + seeds, queries,
            measures).
        trained: The trainings.
        seed: Of the bootstrap.
    """
    measures = {}
    for n, name in enumerate(MEASURES):
        before, after = values[0, :, n], values[1:, :, n]
        differences = (after - before).T
        by_seed = differences.mean(axis=0)
        low, high = interval(differences, seed)
        spread = float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None
        mean = float(by_seed.mean())
        measures[name] = {
            "before": float(before.mean()),
            "after": float(after.mean()),
            "difference": mean,
            "low": low,
            "high": high,
            "seed_spread": spread,
            "by_seed": [float(one) for one in by_seed],
            "helps": low > 0 and mean > (spread or 0.0),
            "hurts": high < 0 and -mean > (spread or 0.0),
        }
    return {
        "measures": measures,
        "trainings": [
            {
                "seed": one.seed,
                "rounds": one.rounds,
                "rows": one.trained,
                "held_out": one.held_out,
                "held_out_before": one.before,
                "held_out_after": one.after,
            }
            for one in trained
        ],
    }
