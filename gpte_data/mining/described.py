"""What is known of the candidates of several queries, handed out query by query."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data.backends.vectors_on_disk import by_value
from gpte_data.mining.evidence import Found, Spread, evidence, usual
from gpte_data.mining.near import near
from gpte_data.mining.pools import Pools
from gpte_data.mining.ranked import Ranked
from gpte_data.stage import Row


@dataclass(slots=True)
class Mined:
    """A row with its candidates, best first, as arrays of n."""

    row: Row
    positions: Any
    """Of the candidates in the corpus."""
    scores: Any
    written: Any
    """Whether it was written as a negative for this query."""
    evidence: Any
    """(n, 10), see `evidence`."""
    positive_scores: Any
    """(p,)"""
    positive_evidence: Any
    """(p, 6)"""
    positive_similarity: Any
    """Highest cosine to a positive."""
    sibling: Any
    """Whether it was cut from the document of a positive."""
    found_by: Any
    """Which teacher found it first, by number, (n,); -1 where only an earlier mining did."""
    teacher_scores: Any
    """By each of several teachers, (n, teachers), or None if there is but one."""
    teacher_ranks: Any
    earlier: Any
    """Place and source in an earlier mining, (2, n); place 0 where none had it."""
    reciprocal_ranks: Any
    """See `near`, (n,)."""
    words: Any
    """How many it has, (n,)."""
    positive_words: Any
    """(p,)"""
    random: Any
    """Whether it was drawn at random, (n,)."""
    query: Any
    """Its vector, (d,)."""
    others: Sequence[Callable[[Any, Any], Any]]
    """Of further teachers: scores of passages (n,), given their BM25 (n,)."""

    @property
    def ranks(self) -> Any:
        """1 is the best, (n,); what was written or is earlier, not among the best k, is behind."""
        return np.arange(1, len(self.positions) + 1, dtype=np.int32)

    @property
    def positive_ranks(self) -> list[int]:
        """The rank that each positive would have, or 0 if it is behind all candidates."""
        scores = self.scores[(self.found_by >= 0) & ~self.random]
        above = (scores > self.positive_scores[:, None]).sum(axis=1)
        return [int(n) + 1 if n < len(scores) else 0 for n in above]

    def keeping(self, known: "Mined") -> "Mined":
        """Return self with what is known of its first candidates and of its positives."""
        for name in (
            "scores", "evidence", "positive_similarity", "reciprocal_ranks",
            "teacher_scores", "teacher_ranks",
        ):  # fmt: skip
            if getattr(known, name) is not None:
                getattr(self, name)[: len(known.positions)] = getattr(known, name)
        self.positive_scores = known.positive_scores
        self.positive_evidence = known.positive_evidence
        return self


@dataclass(frozen=True, slots=True)
class Passages:
    """Passages of q queries, flat, with what a teacher and their words say of them."""

    bounds: Any
    """Where those of each query begin, and the end, (q + 1,)."""
    positions: Any
    """(m,)"""
    vectors: Any
    """(m, d)"""
    scores: Any
    """Cosine to the query, (m,)."""
    words: Any
    """BM25 of the query, (m,)."""
    lengths: Any
    """In words, (m,)."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some queries, their pools ranked, and their positives."""

    rows: Sequence[Row]
    queries: Any
    pools: Pools
    ranked: Ranked
    found: Passages
    shared: Any
    """Share of a positive's words that each entry has, (m,)."""
    by_teacher: Any
    """(m, teachers)"""
    positives: Passages
    others: Sequence[Sequence[Callable[[Any, Any], Any]]]
    """Of each query, how further teachers score passages."""


def described(block: Block, spread: Spread, documents: Any) -> Iterator[Mined]:
    """Yield each row with its candidates and the evidence, in order.

    Args:
        block: Some queries.
        spread: Of the corpus.
        documents: The document that each passage was cut from, by number, -1 for none; or None.
    """
    found: dict[int, Mined] = {}
    candidates = np.diff(block.ranked.bounds)
    positives = np.diff(block.positives.bounds)
    usuals = _usual(block, spread)
    for alike in by_value(candidates * (positives.max() + 1) + positives):
        found |= zip(alike.tolist(), _alike(block, alike, usuals, spread, documents), strict=True)
    yield from (found[n] for n in range(len(block.rows)))


def _alike(
    block: Block, alike: Any, usuals: Any, spread: Spread, documents: Any
) -> Iterator[Mined]:
    """Yield the queries `alike`, which have as many candidates and positives."""
    ranked, found, own = block.ranked, block.found, block.positives
    places = _places(ranked.bounds, alike)
    entries, known = ranked.entries[places], _places(own.bounds, alike)
    together = Found(
        block.queries[alike], found.scores[entries], found.vectors[entries],
        own.scores[known], own.vectors[known], found.words[entries], own.words[known],
        block.shared[entries], usuals[alike],
    )  # fmt: skip
    similar = near(together.vectors, together.positive_vectors)
    of_candidates, of_positives = evidence(together, spread, similar)
    reciprocal = similar.reciprocal_ranks()
    nearness = _nearness(similar.across, together.vectors, together.positive_vectors)
    positions = found.positions[entries]
    siblings = _siblings(positions, own.positions[known], documents)
    several = ranked.teacher_ranks is not None
    for n, query in enumerate(alike):
        yield Mined(
            block.rows[query], positions[n], together.scores[n],
            block.pools.written[entries[n]], of_candidates[n], together.positive_scores[n],
            of_positives[n], nearness[n], siblings[n], ranked.found_by[places[n]],
            block.by_teacher[entries[n]] if several else None,
            ranked.teacher_ranks[places[n]] if several else None,
            block.pools.earlier[:, entries[n]], reciprocal[n],
            found.lengths[entries[n]], own.lengths[known[n]], np.zeros(len(entries[n]), dtype=bool),
            block.queries[query], block.others[query],
        )  # fmt: skip


def _places(bounds: Any, alike: Any) -> Any:
    """Return the places between the bounds of queries that have as many, (g, n)."""
    return bounds[alike][:, None] + np.arange(bounds[alike[0] + 1] - bounds[alike[0]])


def _usual(block: Block, spread: Spread) -> Any:
    """Return for each query what is usual among the first teacher's best, (q, 4)."""
    own = np.flatnonzero(block.ranked.own)
    bounds = np.searchsorted(block.pools.owners[own], np.arange(len(block.rows) + 1))
    # Row by row: a product of all would round each by how many there are.
    means = np.einsum("nd,d->n", block.found.vectors, spread.mean)
    found = np.empty((len(block.rows), 4))
    for alike in by_value(np.diff(bounds)):
        entries = own[_places(bounds, alike)]
        found[alike] = usual(block.found.scores[entries], means[entries])
    return found


def _nearness(products: Any, vectors: Any, positives: Any) -> Any:
    """Return the highest cosine to a positive, (g, n), from inner products (g, n, p)."""
    # Of copies float16 makes the length, and so the product, other than 1.
    return (products / (_lengths(vectors)[..., None] * _lengths(positives)[:, None])).max(axis=2)


def _siblings(positions: Any, positives: Any, documents: Any) -> Any:
    """Return which candidates (g, n) were cut from the document of a positive (g, p)."""
    if documents is None:
        return np.zeros(positions.shape, dtype=bool)
    mine, theirs = documents[positions][..., None], documents[positives][:, None]
    return ((mine == theirs) & (theirs != -1)).any(axis=2)


def _lengths(vectors: Any) -> Any:
    return np.sqrt(np.einsum("gnd,gnd->gn", vectors, vectors))
