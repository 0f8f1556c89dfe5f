"""Easy examples first: in steps of whole batches, by the margin of the positive.

The margin is the score of an example's worst positive less that of its hardest negative; without a
negative it is infinite. Within a step the shuffle stays. PEG (2311.11691) lets its loss attend to
hard samples as training goes on; shards can only put them later.
"""

from typing import Any

import numpy as np

from gpte_data.emission.batches import LOOK, Grouped
from gpte_data.emission.gathered import Gathered


def by_step(order: Any, gathered: Gathered, size: int, steps: int) -> Grouped:
    """Return examples grouped by their step, which is its rank.

    Args:
        order: Places of examples in their shuffled order, (n,).
        gathered: Where they are; each has scores.
        size: Of a batch; a step is as many whole batches as another, the last one the rest.
        steps: How many.
    """
    margins = np.concatenate(
        [
            np.zeros(0, dtype=np.float32),
            *(
                margins_of(gathered, order[start : start + LOOK])
                for start in range(0, len(order), LOOK)
            ),
        ]
    )
    each = size * max(1, -(-(len(order) // size) // steps))
    group = np.empty(len(order), dtype=np.int32)
    easiest = np.argsort(-margins, kind="stable")
    group[easiest] = np.minimum(np.arange(len(order)) // each, steps - 1)
    return Grouped(group, np.arange(steps), np.arange(steps))


def margins_of(gathered: Gathered, places: Any) -> Any:
    """Return the margins of examples, (n,) in float32."""
    found = gathered.at(places)
    where, offsets = found.side(positives=True)
    worst = np.minimum.reduceat(found.score[where], offsets[:-1])
    where, offsets = found.side(positives=False)
    some = found.table["negatives"] > 0
    hardest = np.full(len(places), -np.inf, dtype=np.float32)
    if some.any():
        hardest[some] = np.maximum.reduceat(found.score[where], offsets[:-1][some])
    return worst - hardest
