"""How hard the negatives are, and how many of them are likely to be false.

*Hardness* is the mean cosine of negatives to their query, by the teacher; *leak* the mean of their
estimated probabilities of being positives that nobody labelled (`false_negative`, or with a
reranker's word beside it `reranked_false_negative`). Both rise together: what counts is how much
of the one is paid for the other.
"""

from typing import Any

MOST = 20
"""Numbers of negatives that are looked at."""


class Hardness:
    """Sums over kept candidates by their place, and over all by their reason."""

    def __init__(self) -> None:
        import numpy as np

        self._places = np.zeros((4, MOST))
        """Candidates in each place, their scores, those with a probability, their probabilities."""
        self._reasons: dict[str, list[float]] = {}

    def add(self, rows: Any, columns: Any, kept: Any, written: Any, judged: Any) -> None:
        """Add candidates.

        Args:
            rows: The row of each, (n,), rising.
            columns: Their fields, Arrow arrays (n,).
            kept: Which are kept, (n,).
            written: Which were written for their query: they are taken first.
            judged: Their verdicts and reasons, `hits.Named`.
        """
        import numpy as np

        if "score" not in columns:
            return
        scores = _numbers(columns["score"])
        chances = _chances(columns, len(scores))
        known = np.isfinite(chances)
        choice = _numbers(columns["choice"]) if "choice" in columns else np.zeros(len(scores))
        order = np.flatnonzero(kept & np.isfinite(scores))
        later = np.where(written[order], 0, 1 << 31) + np.nan_to_num(choice[order]).astype(np.int64)
        order = order[np.argsort((rows[order].astype(np.int64) << 32) + later, kind="stable")]
        mine = rows[order]
        starts = np.flatnonzero(np.r_[True, mine[1:] != mine[:-1]]) if len(mine) else mine
        places = np.arange(len(mine)) - np.repeat(starts, np.diff(np.r_[starts, len(mine)]))
        order, places = order[places < MOST], places[places < MOST]
        for n, weights in enumerate((None, scores, known, np.where(known, chances, 0))):
            values = None if weights is None else weights[order].astype(np.float64)
            self._places[n] += np.bincount(places, values, MOST)
        self._add_reasons(judged, scores, chances)

    def _add_reasons(self, judged: Any, scores: Any, chances: Any) -> None:
        import numpy as np

        names, codes = judged.names, judged.codes
        finite, known = np.isfinite(scores), np.isfinite(chances)
        sums = [
            np.bincount(codes, values, len(names))
            for values in (finite, np.where(finite, scores, 0), known, np.where(known, chances, 0))
        ]
        there = np.flatnonzero(np.bincount(codes, minlength=len(names))).tolist()
        for n, name in ((n, names[n]) for n in there):
            found = self._reasons.setdefault(name, [0.0] * 4)
            found[:] = [old + float(more[n]) for old, more in zip(found, sums, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """Return means by the number of negatives taken of a query, and by reason.

        `queries` have so many negatives; what is not known is None.
        """
        import numpy as np

        sums = np.cumsum(self._places, axis=1)
        by_number = [
            {
                "negatives": n + 1,
                "queries": int(self._places[0, n]),
                "score": _mean(sums[1, n], sums[0, n]),
                "false_negative": _mean(sums[3, n], sums[2, n]),
            }
            for n in range(MOST)
            if self._places[0, n]
        ]
        by_reason = {
            name: {"score": _mean(found[1], found[0]), "false_negative": _mean(found[3], found[2])}
            for name, found in sorted(self._reasons.items())
        }
        return {"by_number": by_number, "by_reason": by_reason} if by_number or by_reason else {}


def _numbers(column: Any) -> Any:
    """Return a column as float64, nan where there is none."""
    import pyarrow as pa

    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _chances(columns: Any, length: int) -> Any:
    """Return the probability of each candidate to be a false negative; nan where not known."""
    import numpy as np

    found = np.full(length, np.nan)
    for name in ("reranked_false_negative", "false_negative"):
        if name in columns:
            found = np.where(np.isnan(found), _numbers(columns[name]), found)
    return found


def _mean(total: float, count: float) -> float | None:
    return round(float(total / count), 6) if count else None
