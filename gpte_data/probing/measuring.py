"""nDCG@10 and Recall@100 of each query by exact search, and what of a difference is chance.

As BEIR and trec_eval have them: the gain of a document is its grade, at rank r it counts
1 / log2(r + 1); a hit with the query's own id is passed over.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpte_data.backends.adapter import Maps
from gpte_data.backends.flat_index import FlatIndex
from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.probing.evaluation import Judged

MEASURES = {"ndcg@10": 10, "recall@100": 100}
DEPTH = 100
RESAMPLES = 10_000
TOGETHER = 500
"""Resamples that are in memory together."""


class Shown:
    """Vectors by number, through a map or as they are; read like a file of them."""

    def __init__(self, vectors: Vectors, numbers: Any, maps: Maps | None) -> None:
        self.vectors, self.numbers, self.maps = vectors, numbers, maps
        self.shape = (len(numbers), vectors.dimension)

    def __len__(self) -> int:
        return len(self.numbers)

    def block(self, start: int, stop: int) -> Any:
        """Return rows start to stop."""
        return self._mapped(self.numbers[start:stop])

    def take(self, rows: Any) -> Any:
        """Return single rows."""
        return self._mapped(self.numbers[rows])

    def _mapped(self, numbers: Any) -> Any:
        found = self.vectors.take(numbers)
        return self.maps.documents(found) if self.maps is not None else found


def measured(
    judged: Sequence[Judged], queries: Any, vectors: Vectors, numbers: Any, maps: Maps | None
) -> Any:
    """Return nDCG@10 and Recall@100 of each query, (queries, 2).

    Args:
        judged: The queries.
        queries: Their vectors, (queries, dimension).
        vectors: Of all texts.
        numbers: Of the documents that are searched, their places in `vectors`.
        maps: What queries and documents go through.
    """
    shown: Any = Shown(vectors, numbers, maps)
    if maps is not None:
        queries = maps.queries(queries)
    _, hits = FlatIndex(Vectors([shown])).search(queries, min(DEPTH + 1, len(numbers)))
    return np.array([_of_one(one, row.tolist()) for one, row in zip(judged, hits, strict=True)])


def _of_one(one: Judged, hits: Sequence[int]) -> tuple[float, float]:
    hits = [hit for hit in hits if hit >= 0 and hit != one.own][:DEPTH]
    gains = [one.places.get(hit, 0.0) for hit in hits]
    best = sorted(one.grades.values(), reverse=True)
    found = sum(gain > 0 for gain in gains)
    return discounted(gains[:10]) / discounted(best[:10]), found / len(best)


def discounted(gains: Sequence[float]) -> float:
    """Return the discounted sum of gains in the order of their ranks."""
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def interval(differences: Any, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean of paired differences, by bootstrap.

    Queries are drawn anew, and trainings too where they are several: what changes from one seed to
    the next widens the interval.

    Args:
        differences: (queries, seeds).
        seed: Of the drawing.
    """
    random = np.random.default_rng([seed, 0x9E37])
    queries, seeds = differences.shape
    means = []
    for start in range(0, RESAMPLES, TOGETHER):
        count = min(TOGETHER, RESAMPLES - start)
        drawn = random.multinomial(queries, np.full(queries, 1 / queries), size=count)
        which = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=count)
        means.append(((drawn @ differences / queries) * (which / seeds)).sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)
