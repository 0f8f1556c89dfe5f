"""Where each positive has its own margin: what a row says of it.

A candidate stays if one positive leaves it, and is a negative of those positives alone whose
ceiling it does not exceed.
"""

import numpy as np

from gpte_data.ledger import Ledger
from gpte_data.mining.rules import Rules
from gpte_data.records import WRITTEN
from gpte_data.stage import Row

CEILINGS = "positive_ceilings"


def with_ceilings(row: Row, rules: Rules, negatives: int, books: Ledger) -> Row:
    """Return a judged row with its positives' ceilings, if the rules have them.

    Positives that have fewer negatives than wanted, of a query that has enough, are counted.
    """
    ceilings = rules.ceilings(np.array(row["positive_scores"], dtype=np.float32))
    if ceilings is None:
        return {name: value for name, value in row.items() if name != CEILINGS}
    columns = row["candidates"].columns
    kept = columns["choice"].is_valid().to_numpy(zero_copy_only=False)
    scores = np.asarray(columns["score"])[kept]
    written = (np.array(columns["source"].to_pylist(), dtype=object) == WRITTEN)[kept]
    have = ((scores <= ceilings[:, None]) | written).sum(axis=1)
    if short := int((have < negatives).sum()) if kept.sum() >= negatives else 0:
        books.notes[f"positives with fewer than {negatives} negatives below their margin"] += short
    return row | {CEILINGS: ceilings.tolist()}
