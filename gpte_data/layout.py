"""Which negatives stand in an example, of those that a row has kept.

An example takes the first of its query's; where positives have ceilings (`--margin-against each`),
of those that score no higher than the ceiling of each positive in the example.
"""

from typing import Any

from gpte_data.records import WRITTEN, kept
from gpte_data.stage import Row

BELOW = "positive with too few negatives below its margin"
"""Why one of a query's examples is left out, while the query has others."""


def allowed(row: Row) -> list[dict[str, Any]]:
    """Return the kept candidates that may be negatives of all the positives of a row."""
    hits = kept(row)
    if not row.get("positive_ceilings"):
        return hits
    lowest = min(row["positive_ceilings"])
    return [hit for hit in hits if hit.get("source") == WRITTEN or hit["score"] <= lowest]


def taken(row: Row, negatives: int, *, repeat: bool) -> list[dict[str, Any]] | None:
    """Return the negatives of an example, first choice first, or None where there are too few.

    Args:
        row: A pair, of which all positives stand in the example.
        negatives: How many are wanted.
        repeat: Whether one that has some, but fewer, takes them again from the first on.
    """
    hits = allowed(row)
    if len(hits) >= negatives:
        return hits[:negatives]
    return [hits[n % len(hits)] for n in range(negatives)] if repeat and hits else None
