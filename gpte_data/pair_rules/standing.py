"""Where a score stands among all of a population: its place, 1 for the best.

Equal scores have one place. Of up to 65,536 different scores every place is exact; of more, as many
are kept, evenly spread, and the one where the cut is: what is cut is exact in any case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST = 65_536


@dataclass(frozen=True)
class Standing:
    """Scores of a population, from the best down, and how many score as much or more."""

    scores: Any
    reached: Any
    population: int

    @classmethod
    def of(cls, scores: Any, cut: int) -> "Standing":
        """Return what tells places among scores (n,); `cut` is how many are wanted."""
        best = -np.sort(-scores)
        ends = np.flatnonzero(np.append(best[1:] != best[:-1], True))  # the last of each score
        if len(ends) > MOST:
            even = ends[np.linspace(0, len(ends) - 1, MOST).astype(np.int64)]
            at_cut = ends[np.searchsorted(ends, min(max(cut, 1), len(best)) - 1)]
            ends = np.unique(np.append(even, at_cut))
        return cls(best[ends], ends + 1, len(best))

    def places(self, scores: Any) -> Any:
        """Return the places of scores, (n,)."""
        higher = np.searchsorted(-self.scores, -np.asarray(scores, dtype=np.float32))
        return 1 + np.append(0, self.reached)[higher]

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        scores, reached = self.scores.tolist(), self.reached.tolist()
        return {"scores": scores, "reached": reached, "population": self.population}

    @classmethod
    def from_plain(cls, told: Mapping[str, Any]) -> "Standing":
        """Return it again."""
        scores = np.array(told["scores"], dtype=np.float32)
        return cls(scores, np.array(told["reached"], dtype=np.int64), told["population"])
