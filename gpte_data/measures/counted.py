"""All that is counted over the rows of a dataset, in one pass; blocks of columns, flat memory."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gpte_data.measures.columns import Block
from gpte_data.measures.distributions import add_lengths, add_scores, distribution
from gpte_data.measures.frequent import Distinct, Frequent
from gpte_data.measures.hits import Hits
from gpte_data.measures.texts import Texts, value_counts

COUNTED = ("recipe", "generator", "query_type", "difficulty", "language", "task")
"""Fields whose values are counted."""
MOST = 1000
"""Values of a field that are told."""
SHOWN = 20
"""Personas and domains that are told."""


class Counted:
    """Counts over rows; scores are rounded to 3 digits, so memory stays small."""

    def __init__(self) -> None:
        self.rows = 0
        self.fields = {name: Frequent() for name in COUNTED}
        self.scores: dict[str, Counter[float]] = {}
        self.words: Counter[float] = Counter()
        self.personas, self.domains = Frequent(), Frequent()
        self.distinct = Distinct()
        self.texts, self.hits = Texts(), Hits()
        self._not_finite = 0

    @property
    def notes(self) -> dict[str, int]:
        """What else was counted."""
        found = self._not_finite + self.hits.not_finite
        return {"scores that are not finite": found} if found else {}

    def add(self, block: Block) -> None:
        """Count some rows."""
        self.rows += block.rows
        for name, counter in self.fields.items():
            if (column := block.strings(name)) is not None:
                counter.add(value_counts(column))
        self._personas(block)
        self.texts.add(block)
        rerankers = _rerankers(block)
        self._positives(block, "positive_scores", {"teacher"})
        self._positives(block, "positive_rerank_scores", set(rerankers))
        if (found := block.numbers("positive_words")) is not None:
            add_lengths(self.words, found.drop_null().to_numpy(zero_copy_only=False))
        if (hits := block.columns.get("candidates")) is not None:
            self.hits.add(hits, rerankers)

    def _personas(self, block: Block) -> None:
        if (column := block.strings("persona")) is not None:
            self.personas.add(value_counts(column))
            self.distinct.add(column.drop_null().to_pylist())
            if (domains := block.strings("domain")) is not None:
                self.domains.add(value_counts(domains))

    def _positives(self, block: Block, name: str, models: set[str]) -> None:
        """Count scores of positives; those of a block are by one model, or by the first by name."""
        import numpy as np

        if (found := block.numbers(name)) is None or not len(found):
            return
        values = found.to_numpy(zero_copy_only=False)
        finite = np.isfinite(values)
        self._not_finite += int((~finite).sum())
        if finite.any():
            counts = self.scores.setdefault(f"positives, {min(models)}", Counter())
            add_scores(counts, values[finite])

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        scores = {**self.scores, **self.hits.scores}
        more = {"positives": self.words, "negatives": self.hits.words}
        fields = {name: one.most(MOST) for name, one in self.fields.items() if one.counts}
        return {
            "fields": fields,
            **self.hits.to_json(),
            "scores": {name: distribution(scores[name]) for name in sorted(scores)},
            **self.texts.to_json(more),
            "personas": self._told_personas(),
        }

    def _told_personas(self) -> dict[str, Any]:
        if not self.personas.counts:
            return {}
        return {
            "distinct": self.distinct.count(),
            "distinct_is_exact": self.distinct.exact,
            "most_frequent": self.personas.most(SHOWN),
            "domains": self.domains.most(SHOWN),
        }


def scored(datasets: Sequence[Mapping[str, Any]]) -> int | None:
    """Return which dataset's scores are shown: the last with candidates, or the last with any.

    Emitted ids have scores of positives too, and none of what was dropped.
    """
    there = [n for n, one in enumerate(datasets) if one["scores"]]
    judged = [n for n in there if datasets[n]["verdicts"]]
    return next(iter([*judged[-1:], *there[-1:]]), None)


def _rerankers(block: Block) -> Any:
    """Return whose rerank scores each row has, and what they are: `maxsim, cosine`; (n,)."""
    import numpy as np

    found = np.full(block.rows, "", dtype=object)
    for name in ("reranker", "rerank_scale"):
        if (column := block.strings(name)) is not None:
            more = column.fill_null("").to_numpy(zero_copy_only=False)
            found = np.array(
                [", ".join(filter(None, pair)) for pair in zip(found, more, strict=True)],
                dtype=object,
            )
    return np.where(found == "", "reranker", found)
