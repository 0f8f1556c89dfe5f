"""Scores as a reranker gives them, batch by batch, and all of them at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gpte_data.errors import EndpointError, UserError

Pair = tuple[str, str]
"""A query and a document."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores (n,) in float32 of some pairs, or the problem for which there are none."""

    positions: Sequence[int]
    """Which of the pairs they belong to."""
    scores: Any
    problem: UserError | None = None


class Streaming(Protocol):
    """A reranker that gives scores as they are done."""

    def stream(self, pairs: Sequence[Pair]) -> Iterator[Scored]:
        """Score each pair; yield batches as they are done."""
        ...

    def score(self, pairs: Sequence[Pair], tell: Callable[[int], None]) -> Any:
        """Return the scores (n,) in float32, in the order of the pairs; `tell` gets pairs done.

        Raises:
            UserError: The model gives no score for a pair, or one that is not finite.
        """
        names = [f"query {query[:60]!r}" for query, _ in pairs]
        scores = np.zeros(len(pairs), dtype=np.float32)
        for batch in checked(self.stream(pairs), names, "the reranker"):
            scores[batch.positions] = batch.scores
            tell(len(batch.positions))
        return scores


def checked(batches: Iterator[Scored], names: Sequence[str], who: str) -> Iterator[Scored]:
    """Yield the batches; raise a UserError that names what has no score, or none that is finite.

    Args:
        batches: Of all pairs.
        names: What each pair is of, in words: the row that asks for it.
        who: The reranker.
    """
    asked = np.zeros(len(names), dtype=bool)
    for batch in batches:
        positions = np.asarray(batch.positions, dtype=np.int64)
        if batch.problem is not None:
            told = _named([names[n] for n in positions.tolist()])
            raise type(batch.problem)(f"{batch.problem} (asked for {told})")
        scores = np.asarray(batch.scores, dtype=np.float32)
        if len(scores) != len(positions):
            told = _named([names[n] for n in positions.tolist()])
            raise EndpointError(f"{who} gave {len(scores)} scores for {len(positions)}, of {told}")
        if len(odd := np.flatnonzero(~np.isfinite(scores))):
            told = _named([names[n] for n in positions[odd].tolist()])
            raise EndpointError(
                f"{who} gave scores that are no numbers, for {told}: take another model"
            )
        asked[positions] = True
        yield Scored(positions.tolist(), scores)
    if not asked.all():
        told = _named([names[n] for n in np.flatnonzero(~asked).tolist()])
        raise EndpointError(f"{who} gave fewer scores than asked for: none for {told}")


def _named(names: Sequence[str]) -> str:
    """Return the first names, and how many there are beyond."""
    different = list(dict.fromkeys(names))
    more = f" and {len(different) - 3} more" if len(different) > 3 else ""
    return ", ".join(different[:3]) + more
