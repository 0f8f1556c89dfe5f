"""What holds against a candidate, by its rerank score and those of its query's positives.

A relative margin to the positive's score (as NV-Retriever's for a teacher, 2407.15831 §3.2), an
absolute one, a highest probability (RocketQA keeps negatives below .1, 2010.08191 §4.2), and the
reranker's own order of a query's candidates.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

AS_GOOD = "reranker finds it as good as the positive"
CLOSE = "too close to the positive's rerank score"
RELEVANT = "reranker finds it relevant"
EARLY = "before the lowest rerank rank"
LATE = "behind the highest rerank rank"
LIKELY = "reranker and mining find it likely a positive"
BEYOND = "beyond the reranked depth"
PROMOTED = "promoted to a positive by the reranker"
BELOW = "below the reranker's margin"
WITHIN = "within the budget of false negatives, reranked"
REASONS = (PROMOTED, AS_GOOD, CLOSE, RELEVANT, EARLY, LATE, LIKELY, BEYOND)
"""Of candidates that are dropped, the surest first."""
AS_GOOD_AT, LIKELY_AT, BEYOND_AT = map(REASONS.index, (AS_GOOD, LIKELY, BEYOND))
BY_SCORE = slice(1, 4)
"""Those that say that a candidate is a false negative."""
WORDS = (*REASONS, BELOW, WITHIN)
Against = Literal["min", "mean", "max"]


@dataclass(frozen=True)
class Rules:
    """Which rules are asked for.

    Attributes:
        margin: Dropped above (1 - this) of the positive's score; None where a budget decides.
        absolute_margin: Dropped above the positive's score less this.
        max_score: Dropped above this.
        min_rank, max_rank: Dropped outside of these ranks; 1 is the highest score of a query.
        promote: What reaches `promote_above` becomes a positive, or, where that is None, what
            reaches the positive's score.
    """

    margin: float | None
    absolute_margin: float | None = None
    max_score: float | None = None
    min_rank: int | None = None
    max_rank: int | None = None
    promote: bool = False
    promote_above: float | None = None

    @property
    def by_rank(self) -> bool:
        """Tell whether ranks are looked at."""
        return self.min_rank is not None or self.max_rank is not None

    def broken(self, scores: Any, positive: Any, ranks: Any, scored: Any, may_rise: Any) -> Any:
        """Return which of REASONS holds against each candidate, (n, 8).

        Args:
            scores: In float32; whatever where a candidate was not scored.
            positive: The score of its query's positives, in float64.
            ranks: Its place by the reranker.
            scored: Which candidates are within the depth.
            may_rise: Which of them may become positives.
        """
        scores = scores.astype(np.float64)
        found = np.zeros((len(scores), len(REASONS)), dtype=bool)
        if self.margin is not None:
            found[:, 1] = scores > positive - np.abs(positive) * self.margin
        if self.absolute_margin is not None:
            found[:, 2] = scores > positive - self.absolute_margin
        if self.max_score is not None:
            found[:, 3] = scores > self.max_score
        if self.min_rank is not None:
            found[:, 4] = ranks < self.min_rank
        if self.max_rank is not None:
            found[:, 5] = ranks > self.max_rank
        if self.promote:
            least = positive if self.promote_above is None else self.promote_above
            false_negative = found[:, BY_SCORE].any(axis=1)
            found[:, 0] = may_rise & false_negative & (scores >= least)
        found &= scored[:, None]
        found[:, BEYOND_AT] = ~scored
        return found


def positive_score(scores: Any, starts: Any, against: Against) -> Any:
    """Return the score that stands for each query's positives, (queries,) in float64.

    Args:
        scores: Of all positives, query by query.
        starts: Where each query's positives begin.
        against: Whether the lowest, the mean or the highest stands for them.
    """
    scores = scores.astype(np.float64)
    if against == "mean":
        counts = np.diff([*starts, len(scores)])
        return np.add.reduceat(scores, starts) / counts
    return (np.minimum if against == "min" else np.maximum).reduceat(scores, starts)


def ranks_of(scores: Any, owner: Any, ids: Any, which: Any) -> Any:
    """Return the rank of each candidate among its query's, (n,); 1 is best, equals go by id.

    Args:
        scores: Of each candidate.
        owner: Of each candidate the number of its query.
        ids: Of each candidate the place of its document's id among all ids in order.
        which: Those that are ranked; the others have rank 0.
    """
    ranks = np.zeros(len(scores), dtype=np.int64)
    places = np.flatnonzero(which)
    order = places[np.lexsort((ids[places], -scores[places], owner[places]))]
    ranks[order] = within(owner[order]) + 1
    return ranks


def within(owner: Any) -> Any:
    """Return the place of each entry among those of its owner, (n,), where owners are in order."""
    new = np.ones(len(owner), dtype=bool)
    new[1:] = owner[1:] != owner[:-1]
    starts = np.flatnonzero(new)
    return np.arange(len(owner)) - starts[np.cumsum(new) - 1] if len(owner) else np.arange(0)
