"""What a dataset's own queries with several positives say, as its rows keep it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WEIGHTS, HIDDEN = "estimate_weights", "estimate_hidden"


@dataclass(frozen=True, slots=True)
class Own:
    """Weights of the estimate, (10,), and how many positives are hidden among a query's best 20."""

    weights: Sequence[float]
    hidden: float

    def row(self) -> dict[str, Any]:
        """Return the fields of a row."""
        return {WEIGHTS: list(self.weights), HIDDEN: self.hidden}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Own | None":
        """Return what a row keeps, or None if it keeps nothing."""
        if row.get(WEIGHTS) is None or row.get(HIDDEN) is None:
            return None
        return cls(row[WEIGHTS], row[HIDDEN])
