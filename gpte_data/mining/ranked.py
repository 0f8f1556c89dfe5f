"""A query's candidates on their way: what may become one, and what was ranked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data.mining.earlier import Kept
from gpte_data.mining.evidence import Found


@dataclass(frozen=True, slots=True)
class Pool:
    """What may become a candidate of a query."""

    positions: Any
    positives: Any
    written: Any
    found: Any
    """Which teachers found it, (n, teachers)."""
    earlier: Kept


@dataclass(frozen=True, slots=True)
class Ranked:
    """A query's candidates, best first, before anything is said of them."""

    positions: Any
    scores: Any
    vectors: Any
    written: Any
    positives: Any
    positive_scores: Any
    positive_vectors: Any
    words: Any
    positive_words: Any
    shared: Any
    usual: Any
    found_by: Any
    teacher_scores: Any
    teacher_ranks: Any
    earlier: tuple[Any, Any]


def alike_in_shape(ranked: Sequence[Ranked]) -> list[list[int]]:
    """Return which queries have as many candidates and positives: arrays of one shape."""
    groups: dict[tuple[int, int], list[int]] = {}
    for n, one in enumerate(ranked):
        groups.setdefault((len(one.positions), len(one.positives)), []).append(n)
    return list(groups.values())


def together_of(queries: Any, ranked: Sequence[Ranked]) -> Found:
    """Return queries of one shape as arrays."""
    names = (
        "scores", "vectors", "positive_scores", "positive_vectors",
        "words", "positive_words", "shared", "usual",
    )  # fmt: skip
    return Found(queries, *(np.stack([getattr(one, name) for one in ranked]) for name in names))
